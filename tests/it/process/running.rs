//! Programs run to their end, and what they say is read.

use std::collections::HashSet;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::time::Duration;

use coracle::io::{AsyncReadExt, AsyncWriteExt};
use coracle::process::{Command, Stdio};
use coracle::signal::Signal;
use coracle::sys::Call;
use coracle::{Runtime, block_on};

use super::{children, shell, soon};
use crate::reactor::calls::{Calls, errno};
use crate::support::{self, alone};

#[test]
fn output_has_all_that_was_said_and_the_status() {
    block_on(soon(async {
        let output = shell("echo out; echo err >&2; exit 7").output().await.unwrap();
        assert_eq!(output.status.code(), Some(7));
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    }));
}

/// More than the pipes hold, on both: who reads one to its end first waits for ever.
#[test]
fn both_pipes_are_read_at_once() {
    block_on(soon(async {
        let half = "head -c 300000 /dev/zero";
        let output = shell(&format!("{half} >&2; {half}; {half} >&2; {half}")).output().await.unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (600_000, 600_000));
    }));
}

#[test]
fn arguments_environment_and_folder_arrive() {
    block_on(soon(async {
        let text = "echo \"$0 $1 $A ${B-none} ${C-none}\"; pwd";
        let output = shell(text)
            .args(["zero", "o n e"])
            .envs([("A", "a"), ("B", "b"), ("C", "c")])
            .env_remove("B")
            .env("C", "see")
            .current_dir("/")
            .output()
            .await
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "zero o n e a none see\n/\n");
        let output = Command::new("/usr/bin/env").env_clear().env("ONLY", "this").output().await.unwrap();
        assert_eq!(output.stdout, b"ONLY=this\n");
    }));
}

/// A stream that was set is left as it is; one that was not is as this way of starting has it, each time anew.
#[test]
fn a_command_can_be_used_again_in_another_way() {
    block_on(soon(async {
        let mut command = shell("cat; echo err >&2; echo out");
        command.stderr(Stdio::null());
        for _ in 0..2 {
            let output = command.output().await.unwrap();
            assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b""[..]));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        assert!(child.wait().await.unwrap().success());
        assert!(command.status().await.unwrap().success());
        assert_eq!(command.output().await.unwrap().stdout, b"");
    }));
}

#[test]
fn a_child_is_talked_to_like_a_socket() {
    block_on(soon(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        for _ in 0..3 {
            input.write_all(b"meow").await.unwrap();
            let mut answer = [0; 4];
            output.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"meow");
        }
        // Far more than the pipes hold, both ways at once.
        let writing = coracle::spawn(async move { input.write_all(&vec![7; 1_000_000]).await });
        let mut all = Vec::new();
        output.read_to_end(&mut all).await.unwrap();
        writing.await.unwrap().unwrap();
        assert!(all == vec![7; 1_000_000], "{} bytes came back", all.len());
        assert!(child.wait().await.unwrap().success());
    }));
}

/// No SIGPIPE: the write fails.
#[test]
fn writing_to_a_child_that_is_gone_is_an_error() {
    block_on(soon(async {
        let mut child = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        child.wait().await.unwrap();
        let error = input.write_all(b"anybody?").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }));
}

#[test]
fn a_child_that_a_signal_ended_says_so() {
    block_on(soon(async {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        child.signal(Signal::TERM).unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGTERM));
        // Its number may be another's by now: nothing is sent.
        child.signal(Signal::TERM).unwrap();
        child.kill().unwrap();

        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        child.kill().unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
    }));
}

#[test]
fn what_std_knows_of_commands_can_be_used() {
    block_on(soon(async {
        let mut command = Command::new("sh");
        command.as_std_mut().arg0("renamed");
        assert_eq!(command.args(["-c", "echo $0"]).output().await.unwrap().stdout, b"renamed\n");
    }));
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_that_leaves_nothing() {
    alone("process::running::a_program_that_cannot_be_started_is_an_error_that_leaves_nothing", || {
        let before = support::descriptors();
        block_on(async {
            let kind = |result: io::Result<_>| result.map(|_: coracle::process::Child| ()).unwrap_err().kind();
            assert_eq!(kind(Command::new("/no/such/program").spawn()), io::ErrorKind::NotFound);
            assert_eq!(kind(Command::new("/").stdin(Stdio::piped()).spawn()), io::ErrorKind::PermissionDenied);
            assert_eq!(kind(Command::new("zero\0byte").spawn()), io::ErrorKind::InvalidInput);
            assert_eq!(kind(Command::new("true").current_dir("/no/such/folder").spawn()), io::ErrorKind::NotFound);
            assert!(Command::new("/no/such/program").output().await.is_err());
            assert!(Command::new("/no/such/program").status().await.is_err());
        });
        let error = Command::new("true").spawn().unwrap_err();
        assert!(error.to_string().contains("no runtime on this thread"), "{error}");
        assert_eq!((support::descriptors(), children().len()), (before, 0));
    });
}

/// A fault in any call is returned; what was started by then is killed, and reaped.
#[test]
fn a_fault_while_it_is_started_leaves_nothing() {
    alone("process::running::a_fault_while_it_is_started_leaves_nothing", || {
        for call in [Call::Spawn, Call::SetOption] {
            let before = support::descriptors();
            let runtime =
                Calls::before(move |now| if now == call { Err(errno(libc::ENOMEM)) } else { Ok(()) }).runtime();
            let mut command = Command::new("sleep");
            command.arg("60").stdin(Stdio::piped()).stdout(Stdio::piped());
            let error = runtime.enter(|| command.spawn()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOMEM), "{call:?}");
            super::turn_until_there_are_no_children(&runtime);
            drop(runtime);
            assert_eq!(support::descriptors(), before, "{call:?}");
        }
    });
}

/// A child has its standard streams and nothing else of ours (tokio#3809, mio#1491).
#[test]
fn a_child_inherits_nothing_but_its_streams() {
    alone("process::running::a_child_inherits_nothing_but_its_streams", || {
        let links = || -> HashSet<String> {
            let all =
                std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
            all.map(|link| link.display().to_string()).collect()
        };
        let from_outside = links();
        Runtime::new().block_on(soon(async {
            let _signals = coracle::signal::Signals::new(&[Signal::USR1]).unwrap();
            let mut other = super::until_told(0);
            coracle::time::sleep(Duration::from_millis(1)).await; // in a poller
            let ours: HashSet<String> = links().into_iter().filter(|link| !from_outside.contains(link)).collect();
            for kind in ["socket:", "pipe:", "[eventpoll]", "pidfd"] {
                assert!(ours.iter().any(|link| link.contains(kind)), "there is a {kind}: {ours:?}");
            }
            let output = Command::new("ls").args(["-l", "/proc/self/fd"]).output().await.unwrap();
            let listed = String::from_utf8(output.stdout).unwrap();
            assert!(listed.contains("/proc/"), "ls has at least the directory open:\n{listed}");
            for link in ours {
                assert!(!listed.contains(&link), "{link} was inherited:\n{listed}");
            }
            assert!(other.wait().await.unwrap().success());
        }));
    });
}
