//! Random small programs: after each of their steps, the fold of the events is the state of the runtime.

use std::cell::RefCell;
use std::io::Write;
use std::net::{Shutdown, TcpStream as StdStream};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use coracle::net::TcpStream;
use coracle::sync::channel::{Receiver, Sender, bounded};
use coracle::task::{Builder, JoinHandle, yield_now};
use coracle::time::{Sleep, sleep};
use coracle::{Budget, Runtime};
use proptest::collection::vec;
use proptest::prelude::*;

use super::fold::{Fold, State};
use crate::reactor::connection;
use crate::support::poll_once;

/// What a task does, one after the other. Numbers choose among what there is, modulo its count.
#[derive(Clone, Copy, Debug)]
enum Step {
    Yield,
    Sleep(u16),
    Send,
    Receive,
    Read(u8),
    Write(u8),
    /// Waits until another thread wakes it.
    WaitForAnotherThread,
    SpawnAndJoin,
}

/// What happens between two looks.
#[derive(Clone, Debug)]
enum Act {
    Spawn(Vec<Step>),
    Abort(u8),
    Detach(u8),
    SetTimer(u16),
    ResetTimer(u8, u16),
    DropTimer(u8),
    Open,
    PeerWrites(u8),
    PeerEnds(u8),
    Read(u8),
    Drop(u8),
    Send,
    WakeFromThread(u8),
    AbortFromThread(u8),
    DropFromThread(u8),
    Turn(usize),
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Yield),
        2 => (0..1500u16).prop_map(Step::Sleep),
        1 => Just(Step::Send),
        1 => Just(Step::Receive),
        2 => any::<u8>().prop_map(Step::Read),
        1 => any::<u8>().prop_map(Step::Write),
        1 => Just(Step::WaitForAnotherThread),
        1 => Just(Step::SpawnAndJoin),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => vec(step(), 0..6).prop_map(Act::Spawn),
        1 => any::<u8>().prop_map(Act::Abort),
        1 => any::<u8>().prop_map(Act::Detach),
        1 => (0..3000u16).prop_map(Act::SetTimer),
        1 => (any::<u8>(), 0..3000u16).prop_map(|(timer, time)| Act::ResetTimer(timer, time)),
        1 => any::<u8>().prop_map(Act::DropTimer),
        2 => Just(Act::Open),
        2 => any::<u8>().prop_map(Act::PeerWrites),
        1 => any::<u8>().prop_map(Act::PeerEnds),
        2 => any::<u8>().prop_map(Act::Read),
        1 => any::<u8>().prop_map(Act::Drop),
        1 => Just(Act::Send),
        1 => any::<u8>().prop_map(Act::WakeFromThread),
        1 => any::<u8>().prop_map(Act::AbortFromThread),
        1 => any::<u8>().prop_map(Act::DropFromThread),
        6 => (1..5usize).prop_map(Act::Turn),
        2 => Just(Act::Wait),
    ]
}

/// What all tasks of a program can reach.
#[derive(Clone)]
struct Shared {
    streams: Rc<RefCell<Vec<Rc<TcpStream>>>>,
    sender: Sender<u8>,
    receiver: Receiver<u8>,
    wakers: Rc<RefCell<Vec<Waker>>>,
}

impl Shared {
    fn stream(&self, which: u8) -> Option<Rc<TcpStream>> {
        let streams = self.streams.borrow();
        choose(streams.len(), which).map(|index| streams[index].clone())
    }

    async fn take(self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Yield => yield_now().await,
                Step::Sleep(micros) => sleep(Duration::from_micros(micros.into())).await,
                Step::Send => drop(self.sender.send(1).await),
                Step::Receive => drop(self.receiver.recv().await),
                Step::Read(which) => {
                    if let Some(stream) = self.stream(which) {
                        let _ = stream.read(&mut [0; 4]).await;
                    }
                }
                Step::Write(which) => {
                    if let Some(stream) = self.stream(which) {
                        let _ = stream.write(&[0; 100_000]).await;
                    }
                }
                Step::WaitForAnotherThread => self.wait_for_another_thread().await,
                Step::SpawnAndJoin => coracle::spawn(yield_now()).await.unwrap(),
            }
        }
    }

    async fn wait_for_another_thread(&self) {
        let mut waited = false;
        std::future::poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            self.wakers.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

fn choose(count: usize, which: u8) -> Option<usize> {
    (count > 0).then(|| usize::from(which) % count)
}

/// A program under way.
struct Program {
    fold: Rc<Fold>,
    runtime: Runtime,
    shared: Shared,
    tasks: Vec<JoinHandle<()>>,
    timers: Vec<Sleep>,
    /// The other ends, by the same index as the streams.
    peers: Vec<StdStream>,
}

impl Program {
    fn new() -> Program {
        let fold = Rc::new(Fold::default());
        let runtime = Runtime::builder().observer(fold.clone()).build();
        let (sender, receiver) = bounded(1);
        let shared = Shared { streams: Rc::default(), sender, receiver, wakers: Rc::default() };
        Program { fold, runtime, shared, tasks: Vec::new(), timers: Vec::new(), peers: Vec::new() }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Spawn(steps) => {
                let name = format!("task of {} steps", steps.len());
                let future = self.shared.clone().take(steps);
                self.tasks.push(self.runtime.enter(|| Builder::new().name(name).spawn(future)));
            }
            Act::Abort(which) => drop(choose(self.tasks.len(), which).map(|index| self.tasks[index].abort())),
            Act::Detach(which) => drop(choose(self.tasks.len(), which).map(|index| self.tasks.swap_remove(index))),
            Act::SetTimer(micros) => {
                self.timers.push(self.runtime.enter(|| sleep(Duration::from_micros(micros.into()))));
                self.poll_timer(self.timers.len() - 1);
            }
            Act::ResetTimer(which, micros) => {
                if let Some(index) = choose(self.timers.len(), which) {
                    self.timers[index].reset(self.runtime.now() + Duration::from_micros(micros.into()));
                    self.poll_timer(index);
                }
            }
            Act::DropTimer(which) => drop(choose(self.timers.len(), which).map(|index| self.timers.remove(index))),
            Act::Turn(polls) => drop(self.runtime.turn(Budget { polls, ..Budget::no_wait() })),
            Act::Wait => {
                drop(self.runtime.turn(Budget { wait: Some(Duration::from_micros(300)), ..Budget::no_wait() }))
            }
            Act::Send => drop(self.shared.sender.try_send(2)),
            Act::WakeFromThread(_) | Act::AbortFromThread(_) | Act::DropFromThread(_) => self.act_from_thread(act),
            act => self.act_on_streams(act),
        }
    }

    fn poll_timer(&mut self, index: usize) {
        let timer = &mut self.timers[index];
        let _ = self.runtime.enter(|| poll_once(timer));
    }

    fn act_on_streams(&mut self, act: Act) {
        match act {
            Act::Open => {
                let (ours, theirs) = connection();
                let ours = self.runtime.enter(|| TcpStream::from_std(ours)).unwrap();
                self.shared.streams.borrow_mut().push(Rc::new(ours));
                self.peers.push(theirs);
            }
            Act::PeerWrites(which) => {
                if let Some(index) = choose(self.peers.len(), which) {
                    let _ = self.peers[index].write(b"bytes");
                }
            }
            Act::PeerEnds(which) => {
                if let Some(index) = choose(self.peers.len(), which) {
                    let _ = self.peers[index].shutdown(Shutdown::Write);
                }
            }
            Act::Read(which) => {
                if let Some(stream) = self.shared.stream(which) {
                    let _ = self.runtime.enter(|| poll_once(&mut stream.read(&mut [0; 3])));
                }
            }
            Act::Drop(which) => {
                if let Some(index) = choose(self.peers.len(), which) {
                    drop((self.shared.streams.borrow_mut().remove(index), self.peers.remove(index)));
                }
            }
            act => unreachable!("{act:?} is not about streams"),
        }
    }

    /// Other threads do something, and have done it when this returns.
    fn act_from_thread(&mut self, act: Act) {
        match act {
            Act::WakeFromThread(which) => {
                let wakers = &self.shared.wakers;
                let chosen = choose(wakers.borrow().len(), which);
                let waker = chosen.map(|index| wakers.borrow_mut().remove(index));
                if let Some(waker) = waker {
                    std::thread::spawn(|| waker.wake()).join().unwrap();
                }
            }
            Act::AbortFromThread(which) => {
                if let Some(index) = choose(self.tasks.len(), which) {
                    let abort = self.tasks[index].abort_handle();
                    std::thread::spawn(move || abort.abort()).join().unwrap();
                }
            }
            Act::DropFromThread(which) => {
                if let Some(index) = choose(self.timers.len(), which) {
                    let timer = self.timers.remove(index);
                    std::thread::spawn(move || drop(timer)).join().unwrap();
                }
            }
            act => unreachable!("{act:?} is not for another thread"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    /// Whatever a program does, who listens to the events knows what is inside of the runtime.
    #[test]
    fn the_fold_of_the_events_is_the_state(acts in vec(act(), 1..60)) {
        let mut program = Program::new();
        for act in acts {
            let said = format!("{act:?}");
            program.act(act);
            let (told, is) = (program.fold.state(), State::of(&program.runtime.inspect()));
            prop_assert_eq!(told, is, "after {}", said);
        }
        let fold = program.fold.clone();
        fold.end();
        drop(program);
        fold.state();
        prop_assert_eq!(fold.tasks(), 0, "every task ends with the runtime");
    }
}
