//! Every server echoes every load right, and the load notices one that does not.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Child;
use std::thread;
use std::time::Duration;

use super::churn::ChurnLoad;
use super::ping::PingLoad;
use super::shape::Mode;
use super::steady::SteadyLoad;
use super::{Runs, SERVERS, Server};
use crate::sys::process;

/// Long enough for some rounds of messages.
const LENGTH: Duration = Duration::from_millis(20);

/// A server, for one test: in a thread, which goes on to the end of the test process, or as a program, which is killed.
struct Started {
    address: SocketAddr,
    program: Option<Child>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(program) = &mut self.program {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// None: it is not installed.
fn start(server: &'static Server, mode: Mode) -> Option<Started> {
    server.prepare().ok()?;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut program = None;
    match server.runs {
        Runs::Here(serve) => drop(thread::spawn(move || serve(listener, mode))),
        Runs::Program(command) => {
            process::let_inherit(&listener).unwrap();
            program = Some(command.command(&listener, mode).unwrap().spawn().unwrap());
        }
    }
    Some(Started { address, program })
}

/// Every server that is installed.
fn each_server(mode: Mode, test: impl Fn(&str, SocketAddr)) {
    let mut started = 0;
    for server in SERVERS {
        let Some(running) = start(server, mode) else { continue };
        test(server.name, running.address);
        started += 1;
    }
    assert!(started >= 4, "those that are built in");
}

#[test]
fn every_server_echoes_small_messages() {
    for mode in Mode::ALL {
        each_server(mode, |name, address| {
            let mut load = SteadyLoad::connect(address, 20, 64, 4).unwrap();
            assert!(load.run(LENGTH).unwrap() >= 80, "{name} {mode:?}");
            assert!(load.run(LENGTH).unwrap() >= 80, "{name} {mode:?} again");
        });
    }
}

#[test]
fn every_server_echoes_messages_that_no_socket_takes_at_once() {
    for mode in [Mode::Usual, Mode::Bulk] {
        each_server(mode, |name, address| {
            let mut load = SteadyLoad::connect(address, 2, 8 << 20, 2).unwrap();
            assert!(load.run(LENGTH).unwrap() >= 4, "{name} {mode:?}");
        });
    }
}

#[test]
fn every_server_serves_connections_that_come_and_go() {
    each_server(Mode::Usual, |name, address| {
        let mut load = ChurnLoad::new(address, 10).unwrap();
        assert!(load.run(LENGTH).unwrap() >= 10, "{name}");
    });
}

#[test]
fn every_request_of_a_lone_connection_is_timed() {
    each_server(Mode::Usual, |name, address| {
        let mut load = PingLoad::connect(address, 64).unwrap();
        assert!(load.run(LENGTH).unwrap() >= 1, "{name}");
        let latency = load.latency();
        assert!(latency.p50 > 0.0 && latency.p99 >= latency.p50, "{name}");
    });
}

/// A server for one connection that sends back what `change` makes of what it received.
fn start_wrong(change: fn(&mut Vec<u8>)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        loop {
            let mut buffer = vec![0; 64];
            stream.read_exact(&mut buffer)?;
            change(&mut buffer);
            stream.write_all(&buffer)?;
        }
    });
    address
}

#[test]
fn the_load_notices_wrong_bytes() {
    let wrong: [fn(&mut Vec<u8>); 3] = [|bytes| bytes[63] ^= 1, |bytes| bytes.swap(10, 11), |bytes| bytes.push(0)];
    for change in wrong {
        let mut load = SteadyLoad::connect(start_wrong(change), 1, 64, 2).unwrap();
        assert_eq!(load.run(LENGTH).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn the_load_notices_a_closed_connection() {
    let mut load = SteadyLoad::connect(start_wrong(|_| panic!("closes")), 1, 64, 1).unwrap();
    assert!(load.run(LENGTH).is_err());
}
