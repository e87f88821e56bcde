//! Using every core: one runtime a thread, started and stopped together.
//!
//! A task never moves from one runtime to another, so nothing is shared and nothing is locked. What is to be divided is
//! divided by the kernel: each runtime has a listener of its own on the same port
//! ([`reuse_port`](crate::net::ListenerOptions::reuse_port)). What must cross goes through
//! [`sync::remote`](crate::sync::remote) or a [`Spawner`]. That is all there is: no balancing, no stealing, no global.
//! The example `many_cores` does the same with processes.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crate::runtime::{current, world_here};
use crate::sync::{Event, EventWait};
use crate::sys::{Thread, World};
use crate::{Runtime, Spawner};

/// The processors that this thread may run on, in order, by the system's numbers.
///
/// # Errors
/// Where the system does not say ([`io::ErrorKind::Unsupported`]: all but Linux).
///
/// ```
/// if let Ok(cores) = coracle::cores::available() {
///     assert!(!cores.is_empty());
/// }
/// ```
pub fn available() -> io::Result<Vec<usize>> {
    world_here().processors()
}

/// Keeps this thread on one processor from now on. Threads that it starts inherit that.
///
/// # Errors
/// If there is no such processor, if this thread may not run on it, or if the system has no such call
/// ([`io::ErrorKind::Unsupported`]: all but Linux).
///
/// ```
/// std::thread::spawn(|| {
///     let Ok(cores) = coracle::cores::available() else { return };
///     coracle::cores::pin(cores[0]).unwrap();
///     assert_eq!(coracle::cores::available().unwrap(), [cores[0]]);
/// })
/// .join()
/// .unwrap();
/// ```
pub fn pin(processor: usize) -> io::Result<()> {
    world_here().pin(processor)
}

/// Several threads, each with a runtime of its own, that start and stop together.
///
/// ```
/// use coracle::cores::Crew;
/// let crew = Crew::start(2, |member| async move {
///     member.stopped().await; // a server would accept until then
///     member.number()
/// })
/// .unwrap();
/// crew.stop();
/// let numbers: Vec<usize> = crew.join().into_iter().map(|result| result.unwrap()).collect();
/// assert_eq!(numbers, [0, 1]);
/// ```
pub struct Crew<T> {
    threads: Vec<(Thread, mpsc::Receiver<T>)>,
    roster: Arc<Roster>,
}

/// What a thread ended with: what its main future returned, or its panic.
///
/// ```
/// let crew = coracle::cores::Crew::start(1, |_| async { "done" }).unwrap();
/// let ended: Vec<coracle::cores::Ended<&str>> = crew.join();
/// assert!(matches!(ended[..], [Ok("done")]));
/// ```
pub type Ended<T> = Result<T, Box<dyn Any + Send + 'static>>;

impl<T: Send + 'static> Crew<T> {
    /// Starts `count` threads, each with a runtime that runs what `main` makes there. It returns when all have started.
    ///
    /// The future is made and stays on its thread, so neither it nor what it uses need be `Send`. If one of them
    /// panics, the others are asked to stop.
    ///
    /// # Errors
    /// If a thread cannot be started; those that were are asked to stop and waited for, so each should heed
    /// [`Member::stopped`].
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(3, |member| async move { member.number() * 10 }).unwrap();
    /// assert_eq!(crew.join().into_iter().flatten().sum::<usize>(), 30);
    /// ```
    pub fn start<F, Fut>(count: usize, main: F) -> io::Result<Crew<T>>
    where
        F: Fn(Member) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let (main, world) = (Arc::new(main), world_here());
        let mut crew = Crew { threads: Vec::with_capacity(count), roster: Arc::default() };
        for number in 0..count {
            match crew.start_one(&world, number, count, main.clone()) {
                Ok(member) => crew.threads.push(member),
                Err(error) => {
                    crew.stop();
                    crew.join();
                    return Err(error);
                }
            }
        }
        Ok(crew)
    }

    fn start_one<F, Fut>(
        &self,
        world: &World,
        number: usize,
        count: usize,
        main: Arc<F>,
    ) -> io::Result<(Thread, mpsc::Receiver<T>)>
    where
        F: Fn(Member) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let roster = self.roster.clone();
        let ((output, result), (started, has_started)) = (mpsc::channel(), mpsc::channel());
        let thread = world.thread(
            &format!("coracle-core-{number}"),
            Box::new(move || {
                let _watch = StopOthers(roster.clone());
                let runtime = Runtime::new();
                let stop = Rc::new(Event::new());
                runtime.enter(|| current().map(|event_loop| event_loop.extensions.set(Reach(stop.clone()))));
                roster.join_in(runtime.spawner());
                let _ = started.send(());
                let _ = output.send(runtime.block_on(main(Member { number, count, stop })));
            }),
        )?;
        // It fails only if the thread panicked so early, which `join` will tell.
        let _ = has_started.recv();
        Ok((thread, result))
    }

    /// How many there are.
    ///
    /// ```
    /// assert_eq!(coracle::cores::Crew::start(2, |_| async {}).unwrap().len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(coracle::cores::Crew::start(0, |_| async {}).unwrap().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// A spawner for each runtime, in order.
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(2, |member| async move { member.stopped().await }).unwrap();
    /// let answer = crew.spawners()[1].spawn(|| async { 6 * 7 }).unwrap();
    /// assert_eq!(coracle::block_on(answer).unwrap(), 42);
    /// crew.stop();
    /// ```
    pub fn spawners(&self) -> Vec<Spawner> {
        self.roster.spawners()
    }

    /// Asks all to stop: [`Member::stopped`] is done then, on each. It does not wait; from any thread, any number of times.
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(2, |member| async move { member.stopped().await }).unwrap();
    /// crew.stop();
    /// assert!(crew.join().iter().all(Result::is_ok));
    /// ```
    pub fn stop(&self) {
        self.roster.stop();
    }

    /// Waits until all have ended, and gives what they returned, in order. It blocks this thread: call it where no
    /// runtime is to go on meanwhile.
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(2, |member| async move { member.number() }).unwrap();
    /// assert_eq!(crew.join().into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1]);
    /// ```
    pub fn join(self) -> Vec<Ended<T>> {
        let ended = |(thread, result): (Thread, mpsc::Receiver<T>)| {
            thread.join().map(|()| result.recv().expect("what ends without a panic has returned"))
        };
        self.threads.into_iter().map(ended).collect()
    }
}

impl<T> fmt::Debug for Crew<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("len", &self.threads.len()).finish()
    }
}

/// What a main future knows of its place among the others; made by [`Crew::start`].
#[derive(Clone, Debug)]
pub struct Member {
    number: usize,
    count: usize,
    stop: Rc<Event>,
}

impl Member {
    /// Which of them this is, from 0.
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(1, |member| async move { member.number() }).unwrap();
    /// assert_eq!(crew.join().pop().unwrap().unwrap(), 0);
    /// ```
    pub fn number(&self) -> usize {
        self.number
    }

    /// How many there are.
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(3, |member| async move { member.count() }).unwrap();
    /// assert!(crew.join().into_iter().all(|count| count.unwrap() == 3));
    /// ```
    pub fn count(&self) -> usize {
        self.count
    }

    /// Keeps this thread on a processor of its own: the `number`-th of those [`available`], counted round.
    ///
    /// # Errors
    /// As [`pin`] and [`available`].
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(1, |member| async move { member.pin().is_ok() }).unwrap();
    /// assert_eq!(crew.join().pop().unwrap().unwrap(), coracle::cores::available().is_ok());
    /// ```
    pub fn pin(&self) -> io::Result<()> {
        let processors = available()?;
        pin(processors[self.number % processors.len()])
    }

    /// Waits until [`Crew::stop`] is called, or another of the threads panics. Any number of tasks may wait.
    ///
    /// **Cancel safety**: cancel-safe.
    ///
    /// ```
    /// let crew = coracle::cores::Crew::start(1, |member| async move { member.stopped().await }).unwrap();
    /// crew.stop();
    /// ```
    #[track_caller]
    pub fn stopped(&self) -> EventWait<'_> {
        self.stop.wait()
    }
}

/// How an errand from another thread finds the event of this runtime.
struct Reach(Rc<Event>);

/// All the runtimes, as far as each may know of the others.
#[derive(Default)]
struct Roster {
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    spawners: Vec<Spawner>,
    /// Who joins in now is asked at once.
    stopped: bool,
}

impl Roster {
    fn join_in(&self, spawner: Spawner) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.spawners.push(spawner.clone());
        if members.stopped {
            ask_to_stop(&spawner);
        }
    }

    fn spawners(&self) -> Vec<Spawner> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).spawners.clone()
    }

    fn stop(&self) {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.spawners().iter().for_each(ask_to_stop);
    }
}

/// Sends an errand to a runtime; one that has ended needs none.
fn ask_to_stop(spawner: &Spawner) {
    let errand = spawner.spawn(|| async {
        let Some(reach) = current().and_then(|event_loop| event_loop.extensions.get::<Reach>()) else { return };
        reach.0.set();
    });
    drop(errand);
}

/// A thread that ends by a panic stops the others: dropped on it.
struct StopOthers(Arc<Roster>);

impl Drop for StopOthers {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
