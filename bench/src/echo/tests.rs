//! Every server echoes every load right, and the load notices one that does not.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::churn::ChurnLoad;
use super::steady::SteadyLoad;
use super::{SERVERS, Server};

/// Long enough for some rounds of messages.
const LENGTH: Duration = Duration::from_millis(20);

/// The server runs in a thread that ends with the test process.
fn start(server: &'static Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || (server.serve)(listener));
    address
}

#[test]
fn every_server_echoes_small_messages() {
    for server in SERVERS {
        let mut load = SteadyLoad::connect(start(server), 20, 64, 4).unwrap();
        assert!(load.run(LENGTH).unwrap() >= 80, "{}", server.name);
        assert!(load.run(LENGTH).unwrap() >= 80, "{} again", server.name);
    }
}

#[test]
fn every_server_echoes_messages_that_no_socket_takes_at_once() {
    for server in SERVERS {
        let mut load = SteadyLoad::connect(start(server), 2, 8 << 20, 2).unwrap();
        assert!(load.run(LENGTH).unwrap() >= 4, "{}", server.name);
    }
}

#[test]
fn every_server_serves_connections_that_come_and_go() {
    for server in SERVERS {
        let mut load = ChurnLoad::new(start(server), 10).unwrap();
        assert!(load.run(LENGTH).unwrap() >= 10, "{}", server.name);
    }
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
