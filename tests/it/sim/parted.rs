//! What goes wrong between hosts, and with them: partitions, held packets, crashes, lack of descriptors.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::rc::Rc;

use coracle::net::{TcpListener, TcpStream};
use coracle::sim::{Link, Simulation};
use coracle::time::{interval, now, sleep, timeout};

use super::{echo_server, kind, ms, seconds};

/// A server, and a client that says something each 100 ms and notes when the answers come.
fn talk(rounds: u32) -> (Simulation, Rc<RefCell<Vec<u128>>>) {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(10)));
    simulation.host("server", echo_server);
    let answers = Rc::new(RefCell::new(Vec::new()));
    let came = answers.clone();
    simulation.client("client", async move || -> io::Result<()> {
        let began = now();
        let stream = TcpStream::connect("server:7000").await?;
        let mut ticks = interval(ms(100));
        for round in 0..rounds {
            ticks.tick().await;
            stream.write_all(&[round as u8]).await?;
            let mut answer = [0];
            stream.read_exact(&mut answer).await?;
            assert_eq!(u32::from(answer[0]), round);
            came.borrow_mut().push((now() - began).as_millis());
        }
        Ok(())
    });
    (simulation, answers)
}

#[test]
fn what_a_partition_swallows_comes_after_it_is_healed() {
    for one_way in [None, Some(("client", "server")), Some(("server", "client"))] {
        let (mut simulation, answers) = talk(3);
        simulation.at(ms(50), move |network| match one_way {
            None => network.partition("client", "server"),
            Some((from, to)) => network.partition_one_way(from, to),
        });
        simulation.at(seconds(20), move |network| match one_way {
            None => network.heal("client", "server"),
            Some((from, to)) => network.heal_one_way(from, to),
        });
        simulation.run().unwrap();
        let answers = answers.take();
        assert_eq!(answers[0], 40, "before the partition: {answers:?}");
        assert!(answers[1] > 20_000, "not before it is healed: {answers:?}");
        assert!(answers[2] - answers[1] <= 120, "and then as before: {answers:?}");
    }
}

/// The partition is between those two only.
#[test]
fn others_are_not_concerned_by_a_partition() {
    let mut simulation = Simulation::new(0);
    simulation.host("server", echo_server);
    let reached = Rc::new(RefCell::new(Vec::new()));
    for name in ["a", "b", "c"] {
        let reached = reached.clone();
        simulation.client(name, async move || {
            if timeout(seconds(5), TcpStream::connect("server:7000")).await.is_ok() {
                reached.borrow_mut().push(name);
            }
        });
    }
    simulation.network().partition("a", "server");
    simulation.network().isolate("b");
    simulation.run().unwrap();
    assert_eq!(*reached.borrow(), ["c"]);
}

/// The first answer and all that follow are kept on their way, in order, and go on when they are let go.
#[test]
fn what_is_held_goes_on_when_it_is_let_go() {
    for one_way in [None, Some(("client", "server")), Some(("server", "client"))] {
        let (mut simulation, answers) = talk(3);
        simulation.at(ms(50), move |network| match one_way {
            None => network.hold("client", "server"),
            Some((from, to)) => network.hold_one_way(from, to),
        });
        simulation.at(seconds(20), move |network| match one_way {
            None => network.let_go("client", "server"),
            Some((from, to)) => network.let_go_one_way(from, to),
        });
        simulation.run().unwrap();
        let answers = answers.take();
        assert_eq!(answers[0], 40);
        assert!((20_000..20_021).contains(&answers[1]), "when it was let go: {answers:?}");
    }
}

/// Nobody tells the client of the crash. The host that is up again knows nothing of the connection, and says so.
#[test]
fn a_crash_is_silent_and_shows_as_a_reset_after_the_restart() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(10)));
    let starts = Rc::new(Cell::new(0));
    let started = starts.clone();
    simulation.host("server", async move || {
        started.set(started.get() + 1);
        echo_server().await
    });
    simulation.at(seconds(1), |network| network.crash("server"));
    simulation.at(seconds(60), |network| network.restart("server"));
    simulation.client("client", async || -> io::Result<()> {
        let stream = TcpStream::connect("server:7000").await?;
        sleep(seconds(2)).await;
        assert!(timeout(seconds(30), stream.read(&mut [0])).await.is_err(), "nobody says anything");
        stream.write_all(b"are you there?").await?;
        assert!(timeout(seconds(10), stream.read(&mut [0])).await.is_err(), "nobody is there");
        assert_eq!(kind(stream.read(&mut [0]).await), ErrorKind::ConnectionReset);
        let stream = TcpStream::connect("server:7000").await?;
        stream.write_all(b"?").await?;
        assert_eq!(stream.read(&mut [0]).await?, 1);
        Ok(())
    });
    simulation.run().unwrap();
    assert!(simulation.elapsed() > seconds(60));
    assert_eq!(starts.get(), 2);
}

/// A program that ends is no crash: its peers hear of it.
#[test]
fn a_server_that_ends_closes_its_connections() {
    let mut simulation = Simulation::new(0);
    simulation.network().links(Link::new().latency(ms(10)));
    simulation.host("server", async || -> io::Result<()> {
        let _connection = TcpListener::bind("0.0.0.0:7000")?.accept().await?;
        sleep(seconds(1)).await;
        Ok(())
    });
    simulation.client("client", async || -> io::Result<()> {
        let stream = TcpStream::connect("server:7000").await?;
        assert_eq!(stream.read(&mut [0]).await?, 0);
        Ok(())
    });
    simulation.run().unwrap();
    assert_eq!(simulation.elapsed(), ms(1040), "it hears at 30 ms of the connection, and its end arrives 10 ms later");
    assert_eq!(simulation.network().open_descriptors("server"), 0);
    assert_eq!(simulation.network().open_descriptors("client"), 0);
}

/// The accept waits until there is room, as on a kernel; a socket that cannot be made is an error.
#[test]
fn descriptors_can_run_out_on_one_host() {
    let mut simulation = Simulation::new(0);
    let most = Rc::new(Cell::new(0));
    let served = Rc::new(Cell::new(0));
    let (open, all) = (most.clone(), served.clone());
    let network = simulation.network();
    simulation.host("server", async move || -> io::Result<()> {
        let listener = TcpListener::bind("0.0.0.0:7000")?;
        loop {
            let (stream, _) = listener.accept().await?;
            open.set(open.get().max(network.open_descriptors("server")));
            all.set(all.get() + 1);
            drop(coracle::spawn(async move {
                sleep(seconds(1)).await;
                drop(stream);
            }));
        }
    });
    simulation.client("client", async || -> io::Result<()> {
        let mut streams = Vec::new();
        for _ in 0..10 {
            streams.push(TcpStream::connect("server:7000").await?);
        }
        for stream in streams {
            assert_eq!(stream.read(&mut [0]).await?, 0);
        }
        Ok(())
    });
    simulation.client("poor", async || {
        let _first = TcpListener::bind("0.0.0.0:1").unwrap();
        let error = TcpListener::bind("0.0.0.0:2").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    });
    simulation.network().limit_descriptors("server", Some(4));
    simulation.network().limit_descriptors("poor", Some(1));
    simulation.run().unwrap();
    assert_eq!(served.get(), 10);
    assert!(most.get() <= 4, "{} were open at once", most.get());
}
