//! A server without descriptors. What is looked at of its process stands in `/proc`, so this is for Linux.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::{LIMIT, Server, round_trip};
use crate::examples::example_with_descriptors;
use crate::support::alone;

/// With its descriptors used up, a server must not die of the error that accepting gives, must not try again and again
/// (the listener stays readable all the while: tokio#3529, libuv's test-emfile), and must go on as soon as one is free.
/// And what it accepts it must be able to serve: a poller that is made only now would find no descriptor either.
#[test]
fn two_hundred_clients_are_served_with_sixty_four_descriptors() {
    alone("examples::serve::exhausted::two_hundred_clients_are_served_with_sixty_four_descriptors", || {
        let server = Server::start(&mut example_with_descriptors("echo", 64), &[]);
        let pid = server.program.child.id();
        // It stands still meanwhile, so that it finds all of them waiting when it first accepts.
        server.signal(libc::SIGSTOP);
        let clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
        clients.iter().for_each(|mut client| client.write_all(b"me too").unwrap());
        server.signal(libc::SIGCONT);

        let began = Instant::now();
        while descriptors_of(pid) < 64 {
            assert!(began.elapsed() < LIMIT, "it has {} descriptors", descriptors_of(pid));
            std::thread::yield_now();
        }
        let before = processor_time(pid);
        std::thread::sleep(Duration::from_secs(1));
        let used = processor_time(pid) - before;
        assert!(used < Duration::from_millis(200), "exhausted for a second, it computed for {used:?}");

        let began = Instant::now();
        for mut client in clients {
            let mut answer = [0; 6];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"me too");
            round_trip(&client, b"again");
        }
        assert!(began.elapsed() < LIMIT, "it notices what is free again only by and by: {:?}", began.elapsed());
        let summary = server.end();
        assert!(summary.starts_with("served 200 connections, "), "{summary}");
        assert!(summary.ends_with(" at once, 2200 bytes, 0 errors"), "{summary}");
    });
}

fn descriptors_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// In user and kernel, of all threads: the 14th and 15th field of `/proc/PID/stat`, in ticks.
fn processor_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is a name in parentheses, which may contain anything; two more are before the third.
    let after_name = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    // SAFETY: no pointers.
    let ticks_a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    Duration::from_secs(ticks) / u32::try_from(ticks_a_second).unwrap()
}
