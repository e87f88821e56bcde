//! [`Network`]: what a test does to the network and to the hosts, by their names, before a run, during it, and between
//! two steps.
//!
//! What concerns the network happens at once. A host may be in the middle of a turn, perhaps the one whose task asks:
//! so its end and its new beginning are noted here, and the simulator sees to them before it turns any other.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::host::Host;
use super::{Fault, Link};
use crate::sys::{HostId, Net, VirtualClock};

/// The network of a [`Simulation`](super::Simulation), and the power switches of its hosts. Clones are the same one; a
/// task may have it, and so may an event that is [planned](super::Simulation::at).
///
/// What is about two hosts is about both directions, unless the name of the method says otherwise.
///
/// # Panics
/// Each method panics if there is no host of a name that it is given.
///
/// ```
/// use coracle::sim::{Link, Simulation};
/// use std::time::Duration;
/// let mut simulation = Simulation::new(0);
/// simulation.host("server", async || {});
/// simulation.client("client", async || {});
/// let network = simulation.network();
/// network.link("client", "server", Link::new().latency(Duration::from_millis(20)));
/// simulation.at(Duration::from_secs(5), |network| network.partition("client", "server"));
/// simulation.run().unwrap();
/// ```
#[derive(Clone)]
pub struct Network {
    net: Net,
    clock: Arc<VirtualClock>,
    switchboard: Rc<RefCell<Switchboard>>,
}

/// Who there is, and what is asked of the simulator.
#[derive(Default)]
struct Switchboard {
    hosts: BTreeMap<String, Entry>,
    orders: VecDeque<Order>,
}

struct Entry {
    id: HostId,
    /// The number of its machine.
    number: usize,
    host: Host,
}

/// What the simulator is to do with a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Start(usize),
    Crash(usize),
    Restart(usize),
}

impl Network {
    pub(super) fn new(net: Net) -> Network {
        Network { clock: net.clock(), net, switchboard: Rc::default() }
    }

    #[track_caller]
    pub(super) fn add(&self, host: &Host, id: HostId, number: usize) {
        let entry = Entry { id, number, host: host.clone() };
        let earlier = self.switchboard.borrow_mut().hosts.insert(host.name().to_owned(), entry);
        assert!(earlier.is_none(), "there is a host called {} already", host.name());
    }

    pub(super) fn order(&self, order: Order) {
        self.switchboard.borrow_mut().orders.push_back(order);
    }

    pub(super) fn next_order(&self) -> Option<Order> {
        self.switchboard.borrow_mut().orders.pop_front()
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.switchboard.borrow().orders.is_empty()
    }

    #[track_caller]
    fn find<T>(&self, name: &str, take: impl FnOnce(&Entry) -> T) -> T {
        let switchboard = self.switchboard.borrow();
        match switchboard.hosts.get(name) {
            Some(entry) => take(entry),
            None => {
                let names: Vec<_> = switchboard.hosts.keys().map(String::as_str).collect();
                panic!("no host is called {name}; there are: {}", names.join(", "))
            }
        }
    }

    #[track_caller]
    fn id(&self, name: &str) -> HostId {
        self.find(name, |entry| entry.id)
    }

    /// Calls it for both directions.
    #[track_caller]
    fn both(&self, one: &str, other: &str, each: impl Fn(HostId, HostId)) {
        let (one, other) = (self.id(one), self.id(other));
        each(one, other);
        if one != other {
            each(other, one);
        }
    }

    /// How much virtual time has passed since the beginning.
    ///
    /// ```
    /// # let simulation = coracle::sim::Simulation::new(0);
    /// assert!(simulation.network().elapsed().is_zero());
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.clock.passed()
    }

    /// The address of IPv4 of a host.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// simulation.host("server", async || {});
    /// assert_eq!(simulation.network().address_of("server").to_string(), "10.0.0.1");
    /// ```
    #[track_caller]
    pub fn address_of(&self, name: &str) -> IpAddr {
        self.find(name, |entry| entry.host.address())
    }

    /// What ways are like of which nothing else is said. At the beginning they are perfect. A host's way to itself
    /// always is.
    ///
    /// ```
    /// # use coracle::sim::Link;
    /// # let simulation = coracle::sim::Simulation::new(0);
    /// simulation.network().links(Link::new().loss(0.01));
    /// ```
    pub fn links(&self, link: Link) {
        self.net.set_default_link(link);
    }

    /// What the ways between two hosts are like from now on; what is on its way already arrives as it would have.
    ///
    /// ```
    /// # use coracle::sim::Link;
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// simulation.network().link("a", "b", Link::new().bandwidth(125_000));
    /// ```
    #[track_caller]
    pub fn link(&self, one: &str, other: &str, link: Link) {
        self.both(one, other, |from, to| self.net.set_link(from, to, link.clone()));
    }

    /// What the way from one host to another is like from now on.
    ///
    /// ```
    /// # use coracle::sim::Link;
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// simulation.network().link_one_way("a", "b", Link::new().loss(0.5));
    /// ```
    #[track_caller]
    pub fn link_one_way(&self, from: &str, to: &str, link: Link) {
        self.net.set_link(self.id(from), self.id(to), link);
    }

    /// Nothing passes between these two any more: what is sent is lost. Streams send it again and again, so that it
    /// comes after a [`heal`](Network::heal), later than at once.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// simulation.network().partition("a", "b");
    /// ```
    #[track_caller]
    pub fn partition(&self, one: &str, other: &str) {
        self.both(one, other, |from, to| self.net.partition(from, to));
    }

    /// Nothing passes from one to the other any more; the way back stays.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// simulation.network().partition_one_way("a", "b");
    /// ```
    #[track_caller]
    pub fn partition_one_way(&self, from: &str, to: &str) {
        self.net.partition(self.id(from), self.id(to));
    }

    /// Parts a host from all others that there are.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b", "c"] { simulation.host(name, async || {}); }
    /// simulation.network().isolate("c");
    /// ```
    #[track_caller]
    pub fn isolate(&self, name: &str) {
        self.with_all_others(name, |one, other| self.partition(one, other));
    }

    /// Between these two it is as it was before a partition, in both directions.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// # simulation.network().partition("a", "b");
    /// simulation.network().heal("a", "b");
    /// ```
    #[track_caller]
    pub fn heal(&self, one: &str, other: &str) {
        self.both(one, other, |from, to| self.net.heal(from, to));
    }

    /// From one to the other it is as it was before a partition.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// # simulation.network().partition("a", "b");
    /// simulation.network().heal_one_way("a", "b");
    /// ```
    #[track_caller]
    pub fn heal_one_way(&self, from: &str, to: &str) {
        self.net.heal(self.id(from), self.id(to));
    }

    /// Heals every partition between a host and the others.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b", "c"] { simulation.host(name, async || {}); }
    /// # simulation.network().isolate("c");
    /// simulation.network().rejoin("c");
    /// ```
    #[track_caller]
    pub fn rejoin(&self, name: &str) {
        self.with_all_others(name, |one, other| self.heal(one, other));
    }

    #[track_caller]
    fn with_all_others(&self, name: &str, each: impl Fn(&str, &str)) {
        self.id(name);
        let names: Vec<String> = self.switchboard.borrow().hosts.keys().cloned().collect();
        names.iter().filter(|other| *other != name).for_each(|other| each(name, other));
    }

    /// What is sent between these two is kept on its way, until it is [let go](Network::let_go). Nothing is lost.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// simulation.network().hold("a", "b");
    /// ```
    #[track_caller]
    pub fn hold(&self, one: &str, other: &str) {
        self.both(one, other, |from, to| self.net.hold(from, to));
    }

    /// What is sent from one to the other is kept on its way; the way back stays open.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// simulation.network().hold_one_way("a", "b");
    /// ```
    #[track_caller]
    pub fn hold_one_way(&self, from: &str, to: &str) {
        self.net.hold(self.id(from), self.id(to));
    }

    /// What was kept between these two goes on its way now, in order.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// # simulation.network().hold("a", "b");
    /// simulation.network().let_go("a", "b");
    /// ```
    #[track_caller]
    pub fn let_go(&self, one: &str, other: &str) {
        self.both(one, other, |from, to| self.net.let_go(from, to));
    }

    /// What was kept from one to the other goes on its way now, in order.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["a", "b"] { simulation.host(name, async || {}); }
    /// # simulation.network().hold("a", "b");
    /// simulation.network().let_go_one_way("a", "b");
    /// ```
    #[track_caller]
    pub fn let_go_one_way(&self, from: &str, to: &str) {
        self.net.let_go(self.id(from), self.id(to));
    }

    /// Each connection between these two that is made from now on has this fault when `after` bytes have gone `from`
    /// the one `to` the other. Whoever connected, the bytes of this direction are counted.
    ///
    /// ```
    /// # use coracle::sim::Fault;
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # for name in ["client", "server"] { simulation.host(name, async || {}); }
    /// simulation.network().fault("server", "client", 1000, Fault::Reset);
    /// ```
    #[track_caller]
    pub fn fault(&self, from: &str, to: &str, after: u64, fault: Fault) {
        self.net.fault(self.id(from), self.id(to), after, fault);
    }

    /// Ends a host as if its power were cut: it says nothing more to anybody, and its tasks are dropped before any host
    /// is turned again. (A task that does this to its own host runs on to its next `await`.) Who talked to it hears
    /// nothing, until it is [restarted](Network::restart) and answers what it does not know with a reset.
    ///
    /// A client that crashes has ended: [`Simulation::run`](super::Simulation::run) does not wait for it.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # simulation.host("server", async || {});
    /// simulation.network().crash("server");
    /// ```
    #[track_caller]
    pub fn crash(&self, name: &str) {
        let (id, number) = self.find(name, |entry| (entry.id, entry.number));
        self.net.crash(id);
        self.order(Order::Crash(number));
    }

    /// Starts a host again, whether it crashed, its main has ended, or it still runs, which ends that as a crash does.
    /// Its closure is called again. It happens before any host is turned again.
    ///
    /// # Panics
    /// A client runs once. If it is to be started again, make it a host.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # simulation.host("server", async || {});
    /// simulation.network().restart("server");
    /// ```
    #[track_caller]
    pub fn restart(&self, name: &str) {
        self.crash(name);
        let number = self.find(name, |entry| entry.number);
        self.order(Order::Restart(number));
    }

    /// At most so many descriptors can be open on a host at once; `None`, and at the beginning: as many as it likes.
    /// What is open stays so. The next one that is too many fails with `EMFILE`.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # simulation.host("server", async || {});
    /// simulation.network().limit_descriptors("server", Some(20));
    /// ```
    #[track_caller]
    pub fn limit_descriptors(&self, name: &str, most: Option<usize>) {
        self.net.limit_descriptors(self.id(name), most);
    }

    /// How many sockets are open on a host.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// # simulation.host("server", async || {});
    /// assert_eq!(simulation.network().open_descriptors("server"), 0);
    /// ```
    #[track_caller]
    pub fn open_descriptors(&self, name: &str) -> usize {
        self.net.open_descriptors(self.id(name))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switchboard = self.switchboard.borrow();
        f.debug_struct("Network").field("hosts", &switchboard.hosts.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}
