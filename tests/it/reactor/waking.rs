//! Other threads end the loop's sleep, whatever they bring. P1: no wake-up is lost.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use coracle::net::{TcpListener, TcpStream};
use coracle::time::sleep;
use coracle::{Runtime, Spawner};

/// What eight threads and one task share: who has asked for what, and what the task has seen of it.
#[derive(Default)]
struct Handshake {
    waker: Mutex<Option<Waker>>,
    asked: [AtomicUsize; 8],
    seen: [AtomicUsize; 8],
    /// The threads wait here for the task to have seen them; the loop is then about to sleep, or asleep.
    answered: (Mutex<()>, std::sync::Condvar),
}

const ROUNDS: usize = 2_000;

impl Handshake {
    fn ask(&self, thread: usize) {
        for round in 1..=ROUNDS {
            self.asked[thread].store(round, Ordering::SeqCst);
            self.waker.lock().unwrap().as_ref().unwrap().wake_by_ref();
            let mut guard = self.answered.0.lock().unwrap();
            while self.seen[thread].load(Ordering::SeqCst) < round {
                guard = self.answered.1.wait(guard).unwrap();
            }
        }
    }

    /// Whether all have asked for the last time.
    fn answer(&self) -> bool {
        let _guard = self.answered.0.lock().unwrap();
        for (asked, seen) in self.asked.iter().zip(&self.seen) {
            seen.store(asked.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        self.answered.1.notify_all();
        self.seen.iter().all(|seen| seen.load(Ordering::SeqCst) == ROUNDS)
    }
}

/// A wake that is lost leaves a thread waiting for its answer, for ever (mio#1470, helios#169).
#[test]
fn each_of_many_wakes_from_eight_threads_ends_a_sleep() {
    let shared = Arc::new(Handshake::default());
    let runtime = Runtime::new();
    let mut threads = Vec::new();
    let answering = poll_fn(|cx| {
        if threads.is_empty() {
            *shared.waker.lock().unwrap() = Some(cx.waker().clone());
            threads.extend((0..8).map(|thread| {
                let shared = shared.clone();
                std::thread::spawn(move || shared.ask(thread))
            }));
        }
        if shared.answer() { Poll::Ready(()) } else { Poll::Pending }
    });
    // The timer serves the failure only: a task of its own, so that it does not poll the other.
    let watchdog = runtime.spawn(async {
        sleep(Duration::from_secs(30)).await;
        panic!("a wake was lost");
    });
    runtime.block_on(answering);
    watchdog.abort();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Runs `act` on another thread while the runtime sleeps until a timer that is ten seconds off. What it returned, and
/// after how long.
fn while_it_sleeps<T: Send>(act: impl FnOnce(Spawner) -> T + Send) -> (T, Duration) {
    let runtime = Runtime::new();
    let spawner = runtime.spawner();
    let far = runtime.spawn(async { sleep(Duration::from_secs(10)).await });
    let (waker, done) = (Mutex::new(None::<Waker>), AtomicBool::new(false));
    let begin = Instant::now();
    let said = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // The loop is asleep by now, or else it has even less to do.
            std::thread::sleep(Duration::from_millis(20));
            let said = act(spawner);
            done.store(true, Ordering::SeqCst);
            waker.lock().unwrap().take().unwrap().wake();
            said
        });
        runtime.block_on(poll_fn(|cx| {
            *waker.lock().unwrap() = Some(cx.waker().clone());
            if done.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        }));
        thread.join().unwrap()
    });
    assert!(!far.is_finished(), "it slept on until the timer");
    (said, begin.elapsed())
}

/// An earlier timer comes from another thread (hermit#2126).
#[test]
fn a_sleeping_loop_hears_of_an_earlier_timer_from_another_thread() {
    let (slept, time) = while_it_sleeps(|spawner| {
        let task = spawner.spawn(move || async move {
            let begin = Instant::now();
            sleep(Duration::from_millis(10)).await;
            begin.elapsed()
        });
        coracle::block_on(task.unwrap()).unwrap()
    });
    assert!(slept >= Duration::from_millis(10));
    assert!(time < Duration::from_secs(1), "it slept on for {time:?}");
}

/// A descriptor is registered because of another thread, and becomes ready.
#[test]
fn a_sleeping_loop_hears_of_a_registration_from_another_thread() {
    let (read, time) = while_it_sleeps(|spawner| {
        let task = spawner.spawn(move || async move {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = coracle::spawn(TcpStream::connect(listener.local_addr().unwrap()));
            let (server, _) = listener.accept().await.unwrap();
            client.await.unwrap().unwrap().write_all(b"ready").await.unwrap();
            server.read(&mut [0; 16]).await.unwrap()
        });
        coracle::block_on(task.unwrap()).unwrap()
    });
    assert_eq!(read, 5);
    assert!(time < Duration::from_secs(1), "it slept on for {time:?}");
}

/// A thousand spawns from another thread, one after the other, each answered before the next comes.
#[test]
fn each_spawn_from_another_thread_is_heard() {
    let (count, _) = while_it_sleeps(|spawner| {
        let other = Runtime::new();
        (0..1_000)
            .filter(|number| {
                let number = *number;
                other.block_on(spawner.spawn(move || async move { number }).unwrap()).unwrap() == number
            })
            .count()
    });
    assert_eq!(count, 1_000);
}
