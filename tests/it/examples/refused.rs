//! What the examples say when they cannot do what they are asked for: one line on standard error, exit status 2 for
//! wrong arguments and 1 for what the system refuses; never a panic.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use super::{Program, example, example_with_descriptors, run};

#[test]
fn wrong_arguments_end_in_a_line_and_status_2() {
    let wrong: [(&str, &[&str], &str); 18] = [
        ("echo", &["--help"], "usage: echo"),
        ("echo", &["serve"], "usage: echo"),
        ("echo", &["serve", "127.0.0.1:0", "--lower"], "usage: echo"),
        ("echo", &["serve", "127.0.0.1:0", "--upper", "more"], "usage: echo"),
        ("echo", &["serve", "nonsense"], "'nonsense' is not an address and port"),
        ("echo", &["serve", "127.0.0.1"], "'127.0.0.1' is not an address and port"),
        ("echo", &["serve", "127.0.0.1:65536"], "'127.0.0.1:65536' is not an address and port"),
        ("echo", &["serve", "name.invalid:80"], "'name.invalid:80' is not an address and port"),
        ("echo", &["clients", "127.0.0.1:1"], "usage: echo"),
        ("echo", &["clients", "127.0.0.1:1", "0"], "CLIENTS must be a number from 1"),
        ("echo", &["clients", "127.0.0.1:1", "many"], "not 'many'"),
        ("echo", &["clients", "127.0.0.1:1", "5", "-1"], "ROUNDS must be a number from 1"),
        ("producer_consumer", &["--help"], "usage: producer_consumer"),
        ("producer_consumer", &["20"], "usage: producer_consumer"),
        ("producer_consumer", &["--items"], "--items needs a number"),
        ("producer_consumer", &["--items", "-1"], "--items must be a number from 0"),
        ("producer_consumer", &["--capacity", "0"], "--capacity must be a number from 1"),
        ("producer_consumer", &["--delay-ms", "1", "--delay-ms", "soon"], "not 'soon'"),
    ];
    for (name, arguments, words) in wrong {
        let ended = run(example(name).args(arguments));
        ended.assert_refused(2, words);
        assert!(ended.lines.is_empty(), "{name} {arguments:?} printed {:?}", ended.lines);
    }
    // Not even words are to be taken for granted.
    run(example("echo").arg(OsStr::from_bytes(b"\xff"))).assert_refused(2, "usage: echo");
    run(example("producer_consumer").arg(OsStr::from_bytes(b"\xff"))).assert_refused(2, "usage: producer_consumer");
}

#[test]
fn a_port_in_use_ends_in_a_line_and_status_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(example("echo").args(["serve", &address]));
    ended.assert_refused(1, &format!("cannot listen on [{address}]: Address already in use"));
}

/// The address is one that is kept free for documentation (RFC 5737). To bind to it sends nothing.
#[test]
fn an_address_that_is_not_ours_ends_in_a_line_and_status_1() {
    run(example("echo").args(["serve", "192.0.2.1:0"])).assert_refused(1, "cannot listen on [192.0.2.1:0]: ");
}

#[test]
fn clients_without_a_server_end_in_a_line_and_status_1() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = run(example("echo").args(["clients", &gone.to_string(), "5"]));
    let words = format!("5 clients failed, the first with: cannot connect to [{gone}]: Connection refused");
    ended.assert_refused(1, &words);
    assert_eq!(ended.lines, ["echo: 0 clients, 0 round trips, 0 bytes, 0 mismatches"]);
}

#[test]
fn clients_of_a_server_that_hangs_up_end_in_a_line_and_status_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let hangs_up = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let ended = run(example("echo").args(["clients", &address, "1"]));
    hangs_up.join().unwrap();
    ended.assert_refused(1, "1 clients failed, the first with: ");
    assert_eq!(ended.lines, ["echo: 0 clients, 0 round trips, 0 bytes, 0 mismatches"]);
}

#[test]
fn clients_count_wrong_answers_and_end_with_status_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer_wrongly(stream.unwrap()));
        }
    });
    let ended = run(example("echo").args(["clients", &address, "2", "3"]));
    assert_eq!((ended.status, ended.errors.as_str()), (Some(1), ""));
    let [line] = ended.lines.as_slice() else { panic!("one line, not {:?}", ended.lines) };
    assert!(line.starts_with("echo: 2 clients, 6 round trips, ") && line.ends_with(" bytes, 6 mismatches"), "{line}");
}

fn answer_wrongly(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            n => {
                buffer[0] ^= 1;
                stream.write_all(&buffer[..n]).unwrap();
            }
        }
    }
}

#[test]
fn too_few_descriptors_for_all_clients_end_in_a_line_and_status_1() {
    let both = run(&mut example_with_descriptors("echo", 64));
    both.assert_refused(1, "1000 connections need 1024 descriptors, and 64 are allowed");
    let clients = run(example_with_descriptors("echo", 64).args(["clients", "127.0.0.1:1", "500"]));
    clients.assert_refused(1, "500 connections need 524 descriptors, and 64 are allowed");
}

#[test]
fn a_reader_that_goes_away_ends_in_a_line_and_status_1() {
    let mut command = example("producer_consumer");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // Its next line, a twentieth of a second later at most, finds nobody.
    let (_, lines) = std::sync::mpsc::channel();
    Program { child, lines }.end().assert_refused(1, "cannot print: Broken pipe");
}
