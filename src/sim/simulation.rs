//! [`Simulation`]: hosts on one virtual clock, and the loop that turns them.
//!
//! The loop is a foreign one: of a runtime it uses what every program can ([`Runtime::turn`], `next_deadline`,
//! `inspect`), and of the simulated world when it does something next. It goes on in steps:
//!
//! 1. *A scan*: the hosts that have something to do are put at the end of a queue, unless they stand in it. It comes
//!    after so many turns as there were hosts in the queue at the last scan.
//! 2. *A turn*: one host of the queue is turned once, the first or another by the choices. If it has more to do, it
//!    goes to the end of the queue.
//! 3. If the queue is empty, *a look*: each host is turned, for it may have been woken by what no network shows: a
//!    blocking job that is over, or another host's task (a channel of the test's).
//! 4. If that did nothing either: the clock moves to the next event, the network's, a timer's, or a planned one.
//!
//! Blocking jobs are done before each scan, and at no other time, so that their end never depends on how fast a thread
//! was; the scan waits for them in real time.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::host::{Host, Machine, Outcome, Role, Start};
use super::network::{Network, Order};
use super::stopped::{Situation, Stopped};
use crate::Runtime;
use crate::observer::Observer;
use crate::sys::{Gate, Net, VirtualClock, World};
use crate::testing::report::Running;
use crate::testing::{Choices, Kinds, Trace};

/// How much virtual time a run may last, if nothing else is said: no test means more, and a timer that is set again and
/// again would never let it end.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How many turns may come one after the other without any time passing: some seconds of work.
const MOST_TURNS: u64 = 10_000_000;

/// Hosts, and a network between them, on one virtual clock. See the [module](super).
///
/// ```
/// use coracle::{sim::Simulation, time::sleep};
/// use std::time::Duration;
/// let mut simulation = Simulation::new(0);
/// for name in ["one", "other"] {
///     simulation.client(name, async || sleep(Duration::from_secs(3600)).await);
/// }
/// simulation.run().unwrap();
/// assert_eq!(simulation.elapsed(), Duration::from_secs(3600));
/// ```
pub struct Simulation {
    machines: Vec<Machine>,
    net: Net,
    network: Network,
    /// Where blocking jobs wait.
    gate: Arc<Gate>,
    clock: Arc<VirtualClock>,
    /// When the clock stood at zero.
    beginning: Instant,
    choices: Choices,
    /// By time, then by the order in which they were planned.
    plans: BTreeMap<(Duration, usize), Plan>,
    planned: usize,
    limit: Duration,
    most_turns: u64,
    /// Turns since the clock moved.
    turns: u64,
    /// Hosts that have something to do, by number.
    ready: Vec<usize>,
    /// Turns until the next scan.
    until_scan: usize,
    /// Each host's calls deviate.
    hostile: bool,
    observe: Option<Observe>,
    trace: Trace,
    // The last field: if the end of a host panics, this run has failed.
    running: Running,
}

type Plan = Box<dyn FnOnce(&Network)>;
type Observe = Box<dyn FnMut(&Host) -> Rc<dyn Observer>>;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Something.
    Done,
    /// Nothing: what comes next comes after the time that it was given.
    Later,
    /// Nothing, and nothing will.
    Never,
}

impl Simulation {
    /// A network without hosts. All that is free to differ from run to run (the order of hosts and tasks, delays, what
    /// is lost) is decided by the seed, and seed 0 is the ordinary run.
    ///
    /// ```
    /// let mut simulation = coracle::sim::Simulation::new(17);
    /// simulation.client("alone", async || assert_eq!(6 * 7, 42));
    /// simulation.run().unwrap();
    /// ```
    pub fn new(seed: u64) -> Simulation {
        Simulation::of(Choices::seeded(seed), format!("a simulation with seed {seed}"))
    }

    /// The same, decided by these choices.
    ///
    /// ```
    /// # use coracle::{sim::Simulation, testing::{Choices, Kinds}};
    /// Simulation::with_choices(Choices::seeded(17).only(Kinds::NETWORK)).run().unwrap();
    /// ```
    pub fn with_choices(choices: Choices) -> Simulation {
        Simulation::of(choices, "a simulation".into())
    }

    fn of(choices: Choices, about: String) -> Simulation {
        let net = Net::new(choices.clone());
        let (clock, network) = (net.clock(), Network::new(net.clone()));
        let running = Running::new(about);
        running.choices(&choices);
        let mut simulation = Simulation {
            machines: Vec::new(),
            net,
            network,
            gate: Gate::new(),
            beginning: clock.now() - clock.passed(),
            clock,
            choices,
            plans: BTreeMap::new(),
            planned: 0,
            limit: LONGEST,
            most_turns: MOST_TURNS,
            turns: 0,
            ready: Vec::new(),
            until_scan: 0,
            hostile: false,
            observe: None,
            trace: running.trace(),
            running,
        };
        simulation.record_in(simulation.trace());
        simulation
    }

    /// A host whose program may run for ever: a server. `main` runs in a runtime of its own, at the next step; if it
    /// returns, the program has ended and its sockets are closed. [`Network::restart`] runs it again, from the start.
    ///
    /// An error or a panic of it fails the run.
    ///
    /// # Panics
    /// If there is a host of that name.
    ///
    /// ```
    /// use coracle::{net::TcpListener, sim::Simulation};
    /// let mut simulation = Simulation::new(0);
    /// let server = simulation.host("server", async || -> std::io::Result<()> {
    ///     let listener = TcpListener::bind("0.0.0.0:7000")?;
    ///     loop {
    ///         let (_stream, _peer) = listener.accept().await?;
    ///     }
    /// });
    /// assert_eq!(server.address().to_string(), "10.0.0.1");
    /// ```
    #[track_caller]
    pub fn host<F, R>(&mut self, name: &str, main: F) -> Host
    where
        F: AsyncFn() -> R + 'static,
        R: Outcome + 'static,
    {
        let main = Rc::new(main);
        let start: Start = Box::new(move |task| {
            let main = main.clone();
            Some(task.spawn(async move { main().await.outcome() }))
        });
        self.add(name, Role::Server, start)
    }

    /// A host whose program must end: [`run`](Simulation::run) waits for it. It runs once.
    ///
    /// # Panics
    /// If there is a host of that name.
    ///
    /// ```
    /// # use coracle::{net::TcpStream, sim::Simulation};
    /// let mut simulation = Simulation::new(0);
    /// simulation.host("server", async || std::future::pending::<()>().await);
    /// simulation.client("client", async || {
    ///     assert!(TcpStream::connect("server:7000").await.is_err());
    /// });
    /// simulation.run().unwrap();
    /// ```
    #[track_caller]
    pub fn client<F, R>(&mut self, name: &str, main: F) -> Host
    where
        F: AsyncFnOnce() -> R + 'static,
        R: Outcome + 'static,
    {
        let mut main = Some(main);
        let start: Start = Box::new(move |task| {
            let main = main.take()?;
            Some(task.spawn(async move { main().await.outcome() }))
        });
        self.add(name, Role::Client, start)
    }

    /// A host without a program, as a world for a runtime that is somebody else's: one that calls
    /// [`block_on`](Runtime::block_on). While that waits it moves the clock itself; the programs of the other hosts
    /// stand still meanwhile. So this is for a program that has server and clients in one runtime.
    ///
    /// # Panics
    /// If there is a host of that name.
    ///
    /// ```
    /// use coracle::{Runtime, sim::Simulation, time::sleep};
    /// use std::time::Duration;
    /// let mut simulation = Simulation::new(0);
    /// let runtime = Runtime::builder().world(simulation.world("alone")).build();
    /// runtime.block_on(async { sleep(Duration::from_secs(3600)).await });
    /// assert_eq!(simulation.elapsed(), Duration::from_secs(3600));
    /// ```
    #[track_caller]
    pub fn world(&mut self, name: &str) -> World {
        self.add(name, Role::World, Box::new(|_| None));
        self.net.world(self.machines[self.machines.len() - 1].id).gated(&self.gate)
    }

    #[track_caller]
    fn add(&mut self, name: &str, role: Role, start: Start) -> Host {
        let number = self.machines.len();
        let host = Host::new(name, &addresses(number as u32 + 1));
        assert!(!self.machines.iter().any(|machine| machine.host.name() == name), "there is a host called {name}");
        let id = self.net.add_host(name, host.addresses());
        self.network.add(&host, id, number);
        self.machines.push(Machine::new(host.clone(), id, role, start));
        if role != Role::World {
            self.network.order(Order::Start(number));
        }
        host
    }

    /// From now on the calls of hosts that start deviate wherever they may, as those of a
    /// [hostile world](World::hostile) do: short reads, wakes for nothing, events in any order. With the choices of
    /// seed 0 that changes nothing.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(17);
    /// simulation.hostile();
    /// ```
    pub fn hostile(&mut self) {
        self.hostile = true;
    }

    /// What happened so far: in the hosts, under their names, and on the network. It is the
    /// [current](Trace::current) one, unless it was said to [record elsewhere](Simulation::record_in).
    ///
    /// ```
    /// let mut simulation = coracle::sim::Simulation::new(0);
    /// simulation.client("alone", async || {});
    /// simulation.run().unwrap();
    /// assert_eq!(simulation.trace().lines().last().unwrap(), "0.000000000 alone: task 1 finished");
    /// ```
    pub fn trace(&self) -> Trace {
        self.trace.clone()
    }

    /// From now on what happens on the network, and in hosts that start, is recorded there.
    ///
    /// ```
    /// # use coracle::{sim::Simulation, testing::Trace};
    /// let all = Trace::new();
    /// Simulation::new(0).record_in(all.clone());
    /// ```
    pub fn record_in(&mut self, trace: Trace) {
        trace.keep_time(Some(self.clock.clone()));
        self.net.record(true);
        self.trace = trace;
    }

    /// Calls it for each host when its program starts, also again; what it gives is told what happens in the host's
    /// runtime.
    ///
    /// ```
    /// use coracle::sim::Simulation;
    /// use std::rc::Rc;
    /// struct Silent;
    /// impl coracle::observer::Observer for Silent {}
    /// let mut simulation = Simulation::new(0);
    /// simulation.observe(|_host| Rc::new(Silent));
    /// ```
    pub fn observe(&mut self, observer: impl FnMut(&Host) -> Rc<dyn Observer> + 'static) {
        self.observe = Some(Box::new(observer));
    }

    /// How much virtual time one [`run`](Simulation::run) may last; at the beginning it is a day.
    ///
    /// ```
    /// # use std::time::Duration;
    /// coracle::sim::Simulation::new(0).limit(Duration::from_secs(60));
    /// ```
    pub fn limit(&mut self, most: Duration) {
        self.limit = most;
    }

    /// How often hosts may be turned without any time passing; at the beginning ten million times, which is some
    /// seconds.
    ///
    /// ```
    /// coracle::sim::Simulation::new(0).limit_turns(1000);
    /// ```
    pub fn limit_turns(&mut self, most: u64) {
        self.most_turns = most;
    }

    /// What may be done to the network and to the hosts.
    ///
    /// ```
    /// # use coracle::sim::{Link, Simulation};
    /// Simulation::new(0).network().links(Link::new().loss(0.1));
    /// ```
    pub fn network(&self) -> Network {
        self.network.clone()
    }

    /// Plans an event for when so much virtual time has passed since the beginning; if it has, for the next step. What
    /// is planned for the same time happens in the order of these calls, before any host is turned.
    ///
    /// ```
    /// # use coracle::sim::Simulation;
    /// # use std::time::Duration;
    /// # let mut simulation = Simulation::new(0);
    /// # simulation.host("server", async || {});
    /// simulation.at(Duration::from_secs(5), |network| network.restart("server"));
    /// ```
    pub fn at(&mut self, time: Duration, event: impl FnOnce(&Network) + 'static) {
        self.plans.insert((time, self.planned), Box::new(event));
        self.planned += 1;
    }

    /// How much virtual time has passed since the beginning.
    ///
    /// ```
    /// # use coracle::sim::Simulation;
    /// # use std::time::Duration;
    /// let mut simulation = Simulation::new(0);
    /// simulation.client("sleeper", async || coracle::time::sleep(Duration::from_secs(3600)).await);
    /// simulation.run().unwrap();
    /// assert_eq!(simulation.elapsed(), Duration::from_secs(3600));
    /// ```
    pub fn elapsed(&self) -> Duration {
        self.clock.passed()
    }

    /// What the hosts are doing now.
    ///
    /// ```
    /// assert!(coracle::sim::Simulation::new(0).inspect().hosts.is_empty());
    /// ```
    pub fn inspect(&self) -> Situation {
        Situation { hosts: self.machines.iter().filter_map(Machine::inspect).collect() }
    }

    /// Goes on until the mains of all clients have ended; if there is no client, those of all hosts.
    ///
    /// # Errors
    /// At the first main that fails, and if the clients can never end, or do not within the limits. The hosts stay as
    /// they are; one may look at them, and go on.
    ///
    /// ```
    /// # let mut simulation = coracle::sim::Simulation::new(0);
    /// simulation.client("forgetful", async || std::future::pending::<()>().await);
    /// let stopped = simulation.run().unwrap_err().to_string();
    /// assert!(stopped.starts_with("after 0ns nothing can happen any more, and forgetful has not ended\n"),
    /// "{stopped}");
    /// ```
    pub fn run(&mut self) -> Result<(), Stopped> {
        let end = self.elapsed().saturating_add(self.limit);
        loop {
            if self.unfinished().next().is_none() && !self.network.has_orders() {
                return Ok(());
            }
            let step = self.step_until(end)?;
            if step == Step::Done {
                continue;
            }
            let (at, situation) = (self.elapsed(), self.inspect());
            let clients = self.unfinished().map(|machine| machine.host.name().to_owned()).collect();
            return Err(match step {
                Step::Never => Stopped::Stalled { at, clients, situation },
                _ => {
                    self.advance_to(end);
                    Stopped::TooLong { at: end, clients, situation }
                }
            });
        }
    }

    /// Goes on for so much virtual time, whatever happens meanwhile, and if nothing does. All that is due at its end
    /// has happened then.
    ///
    /// # Errors
    /// If a main fails, or the hosts spin.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let mut simulation = coracle::sim::Simulation::new(0);
    /// simulation.run_for(Duration::from_secs(10)).unwrap();
    /// assert_eq!(simulation.elapsed(), Duration::from_secs(10));
    /// ```
    pub fn run_for(&mut self, time: Duration) -> Result<(), Stopped> {
        let end = self.elapsed().saturating_add(time);
        while self.step_until(end)? == Step::Done {}
        self.advance_to(end);
        Ok(())
    }

    /// Goes on by one step: a host that has something to do is turned once; if none has, the clock moves to the next
    /// event. `false`: nothing can happen any more.
    ///
    /// # Errors
    /// If a main fails, or the hosts spin.
    ///
    /// ```
    /// let mut simulation = coracle::sim::Simulation::new(0);
    /// simulation.client("alone", async || {});
    /// while simulation.step().unwrap() {}
    /// ```
    pub fn step(&mut self) -> Result<bool, Stopped> {
        self.step_until(Duration::MAX).map(|step| step == Step::Done)
    }

    fn step_until(&mut self, end: Duration) -> Result<Step, Stopped> {
        let now = self.elapsed();
        let mut any = self.carry_out_orders()?;
        if self.until_scan == 0 {
            any |= self.scan(now)?;
        }
        if self.turn_one(now)? || any || self.look(now)? {
            return Ok(Step::Done);
        }
        // Whoever waits until everything has settled goes on first; whoever holds the clock moves it by hand.
        if self.net.clock().wake_at_rest() {
            return Ok(Step::Done);
        }
        let next = self.next_moment().filter(|_| !self.net.clock().is_held());
        let Some(next) = next else { return Ok(Step::Never) };
        if next > end {
            return Ok(Step::Later);
        }
        self.advance_to(next);
        self.turns = 0;
        Ok(Step::Done)
    }

    fn advance_to(&self, time: Duration) {
        self.net.advance_to(time);
        self.take_log();
    }

    /// What the network did comes into the trace where it happened, between what the hosts did.
    fn take_log(&self) {
        self.net.take_log().into_iter().for_each(|(time, text)| self.trace.note_at(time, text));
    }

    /// See 1 at the head of this file. Whether any planned event was due.
    fn scan(&mut self, now: Duration) -> Result<bool, Stopped> {
        if self.gate.run_jobs() {
            self.net.wait_for_jobs();
        }
        if self.net.next_event().is_some_and(|next| next <= now) {
            self.advance_to(now);
        }
        let any = self.carry_out_plans(now)?;
        for number in 0..self.machines.len() {
            if !self.ready.contains(&number) && self.is_ready(number, now) {
                self.ready.push(number);
            }
        }
        self.until_scan = self.ready.len();
        Ok(any)
    }

    /// See 2 at the head of this file. Whether there was one.
    fn turn_one(&mut self, now: Duration) -> Result<bool, Stopped> {
        if self.ready.is_empty() {
            return Ok(false);
        }
        let chosen = self.choices.of_kind(Kinds::ORDER, self.ready.len());
        let number = self.ready.remove(chosen);
        self.until_scan = self.until_scan.saturating_sub(1);
        self.turn(number, now)?;
        if self.machines[number].has_work(now, |time| self.since_beginning(time)) {
            self.ready.push(number);
        }
        Ok(true)
    }

    /// See 3 at the head of this file. Whether any host did anything.
    fn look(&mut self, now: Duration) -> Result<bool, Stopped> {
        let mut any = false;
        for number in 0..self.machines.len() {
            any |= self.turn(number, now)?;
        }
        Ok(any)
    }

    fn is_ready(&self, number: usize, now: Duration) -> bool {
        let machine = &self.machines[number];
        machine.has_work(now, |time| self.since_beginning(time))
            || machine.is_running() && self.net.has_news(machine.id)
    }

    fn turn(&mut self, number: usize, now: Duration) -> Result<bool, Stopped> {
        let machine = &mut self.machines[number];
        let any = machine.turn(now);
        let ended = machine.reap();
        self.take_log();
        ended?;
        self.carry_out_orders()?;
        self.turns += u64::from(any);
        if self.turns >= self.most_turns {
            let turns = std::mem::take(&mut self.turns);
            return Err(Stopped::Spinning { at: now, turns, situation: self.inspect() });
        }
        Ok(any)
    }

    /// When anything happens next, if no host does anything.
    fn next_moment(&self) -> Option<Duration> {
        let timers = self.machines.iter().filter_map(|machine| machine.next_moment(|time| self.since_beginning(time)));
        let planned = self.plans.keys().next().map(|(time, _)| *time);
        timers.chain(planned).chain(self.net.next_event()).min()
    }

    fn since_beginning(&self, time: Instant) -> Duration {
        time.saturating_duration_since(self.beginning)
    }

    /// Whether any was due.
    fn carry_out_plans(&mut self, now: Duration) -> Result<bool, Stopped> {
        let mut any = false;
        while let Some(plan) = self.plans.first_entry().filter(|plan| plan.key().0 <= now) {
            plan.remove()(&self.network);
            self.carry_out_orders()?;
            any = true;
        }
        Ok(any)
    }

    /// Starts, crashes and restarts. Whether there was any.
    fn carry_out_orders(&mut self) -> Result<bool, Stopped> {
        let mut any = false;
        while let Some(order) = self.network.next_order() {
            any = true;
            match order {
                Order::Crash(number) => self.machines[number].stop()?,
                Order::Start(number) => self.start(number),
                Order::Restart(number) => {
                    self.net.restart(self.machines[number].id);
                    self.start(number);
                }
            }
        }
        Ok(any)
    }

    fn start(&mut self, number: usize) {
        let machine = &mut self.machines[number];
        let mut world = self.net.world(machine.id).gated(&self.gate);
        if self.hostile {
            world = world.hostile(&self.choices);
        }
        let builder = Runtime::builder().world(world).choices(self.choices.clone());
        let mut builder = self.trace.of(machine.host.name()).settings(builder);
        if let Some(observe) = &mut self.observe {
            builder = builder.observer(observe(&machine.host));
        }
        let started = machine.start(builder.build());
        assert!(started, "{} is a client and runs once: make it a host, to restart it", machine.host.name());
    }

    /// The clients that still run; if there is none at all, the hosts.
    fn unfinished(&self) -> impl Iterator<Item = &Machine> {
        let waited_for = match self.machines.iter().any(|machine| machine.role == Role::Client) {
            true => Role::Client,
            false => Role::Server,
        };
        self.machines.iter().filter(move |machine| machine.role == waited_for && machine.is_running())
    }
}

/// Those of the host of this number, the first of which is 1.
fn addresses(number: u32) -> [IpAddr; 2] {
    let v4 = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number);
    let v6 = Ipv6Addr::from_bits(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0).to_bits() + u128::from(number));
    [v4.into(), v6.into()]
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.running.time_passed(self.elapsed());
        // Jobs that no step will wait for. A runtime in a world of its own may live on, and waits itself.
        if self.machines.iter().all(|machine| machine.role != Role::World) {
            self.gate.leave_open();
        }
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation").field("elapsed", &self.elapsed()).field("inside", &self.inspect()).finish()
    }
}
