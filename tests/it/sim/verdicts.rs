//! How a run ends that does not end well: each time with the host, the task, and the line.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::panic::catch_unwind;
use std::rc::Rc;

use coracle::net::TcpListener;
use coracle::sim::{Simulation, Stopped};
use coracle::task::yield_now;
use coracle::time::sleep;

use super::{ms, seconds};

#[test]
fn an_error_names_its_host() {
    for is_client in [true, false] {
        let mut simulation = Simulation::new(0);
        let main = async || -> io::Result<()> {
            sleep(seconds(1)).await;
            Err(io::Error::other("out of tea"))
        };
        match is_client {
            true => simulation.client("lazy", main),
            false => simulation.host("lazy", main),
        };
        simulation.client("patient", async || sleep(seconds(10)).await);
        let stopped = simulation.run().unwrap_err();
        assert_eq!(stopped.to_string(), "host lazy failed: out of tea");
        assert_eq!(simulation.elapsed(), seconds(1));
        // The others may go on.
        simulation.run().unwrap();
        assert_eq!(simulation.elapsed(), seconds(10));
    }
}

#[test]
fn a_panic_names_its_host_and_gives_the_payload() {
    let mut simulation = Simulation::new(0);
    simulation.client("careless", async || panic!("it was open"));
    let stopped = simulation.run().unwrap_err();
    assert_eq!(stopped.to_string(), "host careless: the task panicked: it was open");
    let Stopped::Panicked { host, error } = stopped else { panic!("{stopped}") };
    assert_eq!(host, "careless");
    assert!(matches!(error, coracle::task::JoinError::Panicked(payload) if payload.is::<&str>()));
}

/// A panic of a task that nobody awaits must not pass unseen, be it that its host ends or crashes, or that the
/// simulation is dropped.
#[test]
fn a_panic_that_nobody_awaited_shows_when_its_host_ends() {
    let spawn_one = || drop(coracle::spawn(async { panic!("unnoticed") }));

    let mut simulation = Simulation::new(0);
    simulation.client("ends", async move || {
        spawn_one();
        sleep(seconds(1)).await;
    });
    assert_eq!(simulation.run().unwrap_err().to_string(), "host ends: the task panicked: unnoticed");

    let mut simulation = Simulation::new(0);
    simulation.host("crashes", async move || {
        spawn_one();
        pending::<()>().await;
    });
    simulation.at(seconds(2), |network| network.crash("crashes"));
    let stopped = simulation.run().unwrap_err();
    assert_eq!(stopped.to_string(), "host crashes: the task panicked: unnoticed");

    let dropped = catch_unwind(|| {
        let mut simulation = Simulation::new(0);
        simulation.host("stays", async move || {
            spawn_one();
            pending::<()>().await;
        });
        simulation.run_for(seconds(1)).unwrap();
    });
    assert!(dropped.is_err_and(|payload| payload.downcast_ref() == Some(&"unnoticed")));
}

/// The table names the hosts, and each task's wait with its line in this file.
#[test]
fn a_stall_is_found_at_once_and_shown_as_a_table() {
    let mut simulation = Simulation::new(0);
    simulation.host("server", async || -> io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:7000")?;
        listener.accept().await?;
        Ok(())
    });
    let line = line!() + 2;
    simulation.client("client", async || {
        coracle::spawn(pending::<()>()).await.unwrap();
    });
    simulation.client("done", async || {});
    let stopped = simulation.run().unwrap_err();
    let Stopped::Stalled { at, clients, situation } = &stopped else { panic!("{stopped}") };
    assert!(at.is_zero());
    assert_eq!(*clients, ["client"]);
    let tasks: Vec<_> = situation.hosts.iter().map(|host| (host.name.as_str(), host.snapshot.tasks.len())).collect();
    assert_eq!(tasks, [("server", 1), ("client", 2)]);

    let text = stopped.to_string();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("after 0ns nothing can happen any more, and client has not ended"));
    assert_eq!(lines.next(), Some("server"));
    let accepting = lines.next().unwrap();
    assert!(accepting.starts_with("  task 1 (server), spawned at "), "{accepting}");
    assert!(accepting.contains(" to be readable at ") && accepting.contains("verdicts.rs"), "{accepting}");
    assert_eq!(lines.next(), Some("client"));
    let joining = lines.next().unwrap();
    let here = format!("waits for the end of task 2 at {}:{line}:", file!());
    assert!(joining.contains(&here), "{joining}");
    assert!(lines.next().unwrap().ends_with("waits, and does not say for what"));
    assert_eq!(lines.next(), None);
}

/// A timer that is set again and again keeps a run from stalling, and the limit ends it.
#[test]
fn the_limit_of_virtual_time_ends_a_run() {
    let mut simulation = Simulation::new(0);
    simulation.host("heart", async || {
        loop {
            sleep(ms(700)).await;
        }
    });
    for name in ["one", "other"] {
        simulation.client(name, async || pending::<()>().await);
    }
    simulation.limit(seconds(60));
    let stopped = simulation.run().unwrap_err();
    assert!(matches!(stopped, Stopped::TooLong { at, .. } if at == seconds(60)), "{stopped}");
    assert!(
        stopped.to_string().starts_with("after 60s, the limit, one, other have not ended\nheart\n  task 1 (heart), ")
    );
    assert_eq!(simulation.elapsed(), seconds(60));
    // A second run has a limit of its own.
    assert!(matches!(simulation.run().unwrap_err(), Stopped::TooLong { at, .. } if at == seconds(120)));
}

/// It would never end: no time passes, so nobody ever tells it to stop.
#[test]
fn a_task_that_spins_is_named() {
    let mut simulation = Simulation::new(0);
    let told = Rc::new(Cell::new(false));
    let tells = told.clone();
    simulation.client("impatient", async move || {
        while !told.get() {
            yield_now().await;
        }
    });
    simulation.client("slow", async move || {
        sleep(seconds(1)).await;
        tells.set(true);
    });
    simulation.limit_turns(1000);
    let text = simulation.run().unwrap_err().to_string();
    assert!(text.starts_with("at 0ns the hosts were turned 1000 times, and no time passes\nimpatient\n"), "{text}");
    assert!(text.contains("(impatient)") && text.contains("is ready"), "{text}");
}
