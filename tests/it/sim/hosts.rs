//! Hosts and their programs: when they run, on one clock; how they end, crash and begin again.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use coracle::net::{TcpListener, TcpStream};
use coracle::observer::{Observer, TaskId};
use coracle::sim::{Simulation, Stopped};
use coracle::sync::oneshot;
use coracle::task::yield_now;
use coracle::testing::Choices;
use coracle::time::{interval, now, sleep};

use super::{ms, seconds};

/// A list that hosts write into.
type Log = Rc<RefCell<Vec<String>>>;

#[test]
fn an_hour_of_sleep_takes_no_time_and_ends_to_the_nanosecond() {
    let began = Instant::now();
    let mut simulation = Simulation::new(0);
    let nap = Duration::new(3600, 1);
    simulation.client("sleeper", async move || {
        let began = now();
        sleep(nap).await;
        assert_eq!(now() - began, nap);
    });
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), nap);
    assert!(began.elapsed() < seconds(10));
}

#[test]
fn hosts_share_one_clock_and_their_timers_come_in_order() {
    let log = Log::default();
    let mut simulation = Simulation::new(0);
    for (name, period) in [("quick", 20), ("slow", 50)] {
        let log = log.clone();
        simulation.host(name, async move || {
            let mut ticks = interval(ms(period));
            ticks.tick().await;
            let began = now();
            loop {
                ticks.tick().await;
                log.borrow_mut().push(format!("{name} {}", (now() - began).as_millis()));
            }
        });
    }
    simulation.run_for(ms(100)).unwrap();
    let expected = ["quick 20", "quick 40", "slow 50", "quick 60", "quick 80", "quick 100", "slow 100"];
    assert_eq!(*log.borrow(), expected);
    assert_eq!(simulation.elapsed(), ms(100));
}

/// Two that are ready at the same time are turned in the order of their numbers, or in another, by the choices.
#[test]
fn the_order_of_hosts_is_a_choice() {
    let order_with = |choices| {
        let log = Log::default();
        let mut simulation = Simulation::with_choices(choices);
        for name in ["a", "b", "c"] {
            let log = log.clone();
            simulation.client(name, async move || log.borrow_mut().push(name.into()));
        }
        simulation.run().unwrap();
        log.take().concat()
    };
    assert_eq!(order_with(Choices::ordinary()), "abc");
    // The first choice is that of three hosts; what a host chooses inside of its turn is zero.
    assert_eq!(order_with(Choices::replay([2]).only(coracle::testing::Kinds::ORDER)), "cab");
    let seen: std::collections::BTreeSet<_> = (1..60).map(|seed| order_with(Choices::seeded(seed))).collect();
    assert_eq!(seen.len(), 6, "all orders come: {seen:?}");
}

/// A host that always has something to run does not keep the others from running.
#[test]
fn a_busy_host_leaves_the_others_their_turns() {
    let mut simulation = Simulation::new(0);
    let stop = Rc::new(Cell::new(false));
    let stopped = stop.clone();
    simulation.client("busy", async move || {
        while !stopped.get() {
            yield_now().await;
        }
    });
    simulation.client("idle", async move || {
        for _ in 0..100 {
            yield_now().await;
        }
        stop.set(true);
    });
    simulation.run().unwrap();
}

/// Nor what is on its way from arriving, if that takes no time.
#[test]
fn packets_arrive_while_a_host_is_busy() {
    let mut simulation = Simulation::new(0);
    let arrived = Rc::new(Cell::new(false));
    let (seen, arrives) = (arrived.clone(), arrived);
    simulation.client("busy", async move || {
        while !seen.get() {
            yield_now().await;
        }
    });
    simulation.host("server", async move || -> io::Result<()> {
        let (stream, _) = TcpListener::bind("0.0.0.0:7000")?.accept().await?;
        stream.read(&mut [0]).await?;
        arrives.set(true);
        Ok(())
    });
    simulation.client("client", async || -> io::Result<()> {
        TcpStream::connect("10.0.0.2:7000").await?.write_all(b"x").await
    });
    simulation.limit_turns(1000);
    simulation.run().unwrap();
    assert!(simulation.elapsed().is_zero());
}

#[test]
fn the_order_of_a_hosts_tasks_is_a_choice_too() {
    let order_of = |seed| {
        let log = Log::default();
        let own = log.clone();
        let mut simulation = Simulation::new(seed);
        simulation.client("client", async move || {
            for name in ["a", "b"] {
                let log = own.clone();
                drop(coracle::spawn(async move { log.borrow_mut().push(name.into()) }));
            }
            sleep(ms(1)).await;
        });
        simulation.run().unwrap();
        log.take().concat()
    };
    assert_eq!(order_of(0), "ab");
    assert!((1..40).any(|seed| order_of(seed) == "ba"));
}

/// Of a thousand bytes that lie there, a read takes all; where calls deviate, sometimes less.
#[test]
fn calls_deviate_in_a_hostile_simulation_only() {
    let read = |seed, hostile| {
        let mut simulation = Simulation::new(seed);
        if hostile {
            simulation.hostile();
        }
        let length = Rc::new(Cell::new(0));
        let took = length.clone();
        simulation.host("server", async || -> io::Result<()> {
            let (stream, _) = TcpListener::bind("0.0.0.0:7000")?.accept().await?;
            stream.write_all(&[7; 1000]).await?;
            pending().await
        });
        simulation.client("client", async move || -> io::Result<()> {
            let stream = TcpStream::connect("10.0.0.1:7000").await?;
            sleep(seconds(1)).await;
            took.set(stream.read(&mut [0; 2000]).await?);
            Ok(())
        });
        simulation.run().unwrap();
        length.get()
    };
    assert!((0..20).all(|seed| read(seed, false) == 1000));
    assert!((1..20).any(|seed| read(seed, true) < 1000));
    assert_eq!(read(0, true), 1000, "seed 0 is the ordinary run");
}

/// What a test passes between its hosts by other means than the network is seen, without time passing.
#[test]
fn a_channel_between_two_hosts_wakes_the_other_one() {
    for seed in 0..20 {
        let mut simulation = Simulation::new(seed);
        let (sender, receiver) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        simulation.client("first", async move || {
            assert_eq!(receiver.await, Ok(7));
            answer.send(8).unwrap();
        });
        simulation.client("second", async move || {
            sleep(seconds(1)).await;
            sender.send(7).unwrap();
            assert_eq!(answered.await, Ok(8));
        });
        simulation.run().unwrap();
        assert_eq!(simulation.elapsed(), seconds(1));
    }
}

/// Blocking jobs take real time and no virtual time: the clock stands still until they are done.
#[test]
fn the_clock_waits_for_blocking_jobs() {
    for seed in 0..5 {
        let mut simulation = Simulation::new(seed);
        simulation.client("worker", async || {
            let began = now();
            let done = coracle::blocking::submit(|| {
                std::thread::sleep(Duration::from_millis(5));
                42
            });
            assert_eq!(done.await.unwrap(), 42);
            assert_eq!(now() - began, Duration::ZERO);
        });
        simulation.client("sleeper", async || sleep(seconds(60)).await);
        simulation.run().unwrap();
        assert_eq!(simulation.elapsed(), seconds(60));
    }
}

/// Like a process whose `main` returns: other tasks of that host are dropped with it.
#[test]
fn a_program_ends_with_its_main() {
    let dropped = Rc::new(Cell::new(false));
    struct Note(Rc<Cell<bool>>);
    impl Drop for Note {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let note = Note(dropped.clone());
    let mut simulation = Simulation::new(0);
    simulation.client("client", async move || {
        drop(coracle::spawn(async move {
            let _note = note;
            pending::<()>().await;
        }));
        yield_now().await;
    });
    simulation.run().unwrap();
    assert!(dropped.get());
    assert!(simulation.inspect().hosts.is_empty());
}

#[test]
fn a_crash_drops_the_tasks_and_a_restart_runs_main_again() {
    let log = Log::default();
    let mut simulation = Simulation::new(0);
    let (network, own) = (simulation.network(), log.clone());
    simulation.host("server", async move || {
        let (log, network) = (own.clone(), network.clone());
        struct Dropped(Log);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.borrow_mut().push("dropped".into());
            }
        }
        let _dropped = Dropped(log.clone());
        for second in 0.. {
            log.borrow_mut().push(format!("{second} of its own at {:?}", network.elapsed()));
            sleep(seconds(1)).await;
        }
    });
    simulation.at(ms(1500), |network| network.crash("server"));
    simulation.at(ms(5000), |network| network.restart("server"));
    simulation.at(ms(6500), |network| network.restart("server"));
    simulation.run_for(seconds(7)).unwrap();
    let expected = [
        "0 of its own at 0ns",
        "1 of its own at 1s",
        "dropped",
        "0 of its own at 5s",
        "1 of its own at 6s",
        "dropped",
        "0 of its own at 6.5s",
    ];
    assert_eq!(*log.borrow(), expected);
}

/// The order is to be carried out before any host is turned, also if a task gives it, and to its own host.
#[test]
fn a_task_may_crash_any_host_its_own_too() {
    for victim in ["murderer", "victim"] {
        let mut simulation = Simulation::new(0);
        let network = simulation.network();
        let reached = Rc::new(Cell::new(0));
        let (before, after) = (reached.clone(), reached.clone());
        simulation.host("murderer", async move || {
            sleep(seconds(1)).await;
            network.crash(victim);
            before.set(before.get() + 1);
            sleep(seconds(1)).await;
            before.set(before.get() + 10);
        });
        simulation.host("victim", async move || {
            sleep(seconds(2)).await;
            after.set(after.get() + 100);
        });
        simulation.run_for(seconds(10)).unwrap();
        assert_eq!(reached.get(), if victim == "murderer" { 101 } else { 11 }, "crashed: {victim}");
    }
}

#[test]
fn a_client_that_crashed_is_not_waited_for() {
    let mut simulation = Simulation::new(0);
    simulation.client("client", async || pending::<()>().await);
    simulation.client("other", async || sleep(seconds(3)).await);
    simulation.at(seconds(1), |network| network.crash("client"));
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), seconds(3));
}

#[test]
#[should_panic(expected = "client is a client and runs once: make it a host, to restart it")]
fn a_client_cannot_be_restarted() {
    let mut simulation = Simulation::new(0);
    simulation.client("client", async || {});
    simulation.network().restart("client");
    let _ = simulation.run();
}

#[test]
#[should_panic(expected = "no host is called sever; there are: client, server")]
fn a_name_that_is_wrong_is_answered_with_those_that_there_are() {
    let mut simulation = Simulation::new(0);
    simulation.host("server", async || {});
    simulation.client("client", async || {});
    simulation.network().crash("sever");
}

#[test]
#[should_panic(expected = "there is a host called twin")]
fn two_hosts_cannot_have_one_name() {
    let mut simulation = Simulation::new(0);
    simulation.host("twin", async || {});
    simulation.host("twin", async || {});
}

#[test]
fn planned_events_come_at_their_time_and_in_the_order_of_planning() {
    let log = Log::default();
    let mut simulation = Simulation::new(0);
    for (time, name) in [(20, "c"), (10, "a"), (10, "b"), (0, "first")] {
        let log = log.clone();
        simulation.at(ms(time), move |network| log.borrow_mut().push(format!("{name} {:?}", network.elapsed())));
    }
    let own = log.clone();
    simulation.client("client", async move || {
        own.borrow_mut().push("client".into());
        sleep(ms(15)).await;
        own.borrow_mut().push("client again".into());
    });
    simulation.run().unwrap();
    assert_eq!(*log.borrow(), ["first 0ns", "client", "a 10ms", "b 10ms", "client again"]);
    simulation.run_for(ms(5)).unwrap();
    assert_eq!(log.borrow().last().unwrap(), "c 20ms");
}

/// One for each host and each start.
#[test]
fn each_start_of_a_host_has_an_observer() {
    struct Counts(String, Log);
    impl Observer for Counts {
        fn task_spawned(&self, task: TaskId, _at: &'static std::panic::Location<'static>) {
            self.1.borrow_mut().push(format!("{} {task}", self.0));
        }
    }
    let log = Log::default();
    let own = log.clone();
    let mut simulation = Simulation::new(0);
    simulation.observe(move |host| {
        own.borrow_mut().push(format!("{} starts", host.name()));
        Rc::new(Counts(host.name().into(), own.clone()))
    });
    simulation.host("server", async || pending::<()>().await);
    simulation.at(seconds(1), |network| network.restart("server"));
    simulation.run_for(seconds(2)).unwrap();
    assert_eq!(*log.borrow(), ["server starts", "server task 1", "server starts", "server task 1"]);
}

#[test]
fn a_simulation_goes_on_step_by_step() {
    let mut simulation = Simulation::new(0);
    simulation.client("client", async || {
        sleep(seconds(1)).await;
        sleep(seconds(1)).await;
    });
    let mut times = Vec::new();
    while simulation.step().unwrap() {
        times.push(simulation.elapsed().as_secs());
    }
    times.dedup();
    assert_eq!(times, [0, 1, 2]);
    assert!(!simulation.step().unwrap(), "nothing can happen any more");
}

/// Also if it is within no time at all.
#[test]
fn running_for_a_time_does_all_that_is_due_at_its_end() {
    let mut simulation = Simulation::new(0);
    let reached = Rc::new(Cell::new(0));
    let own = reached.clone();
    simulation.host("server", async move || {
        for second in 1.. {
            sleep(seconds(1)).await;
            own.set(second);
        }
    });
    simulation.run_for(Duration::ZERO).unwrap();
    simulation.run_for(seconds(3)).unwrap();
    assert_eq!(reached.get(), 3);
    simulation.run_for(ms(999)).unwrap();
    assert_eq!((reached.get(), simulation.elapsed()), (3, ms(3999)));
    simulation.run_for(Duration::from_nanos(1_000_000)).unwrap();
    assert_eq!(reached.get(), 4);
}

/// Nobody to wait for: those that are there are waited for.
#[test]
fn without_clients_a_run_lasts_as_long_as_the_hosts_do() {
    let mut simulation = Simulation::new(0);
    simulation.run().unwrap();
    simulation.host("one", async || sleep(seconds(2)).await);
    simulation.host("other", async || -> io::Result<()> {
        sleep(seconds(3)).await;
        Ok(())
    });
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), seconds(3));
    assert!(matches!(simulation.run(), Ok::<(), Stopped>(())));
}

#[test]
fn a_host_moves_the_clock_by_hand_and_everything_settles_on_the_way() {
    use coracle::testing::{advance, hold_clock, settle};
    let mut simulation = Simulation::new(0);
    simulation.client("alone", async || {
        let held = hold_clock();
        let task = coracle::spawn(coracle::time::sleep(Duration::from_secs(60)));
        settle().await;
        assert!(!task.is_finished());
        advance(Duration::from_secs(59)).await;
        assert!(!task.is_finished());
        advance(Duration::from_secs(1)).await;
        assert!(task.is_finished());
        drop(held);
        coracle::time::sleep(Duration::from_secs(5)).await;
    });
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), Duration::from_secs(65));
}
