//! `process`: children are started, talked to, waited for, and leave nothing behind.
//!
//! | file          | what is held                                                                   |
//! |---------------|--------------------------------------------------------------------------------|
//! | `running.rs`  | programs run to their end, and what they say is read                           |
//! | `waiting.rs`  | every end is seen, by whatever means, and can be asked for again               |
//! | `leaving.rs`  | whoever loses interest leaves no zombie, no descriptor and no thread           |
//!
//! What looks at all children of the process runs alone.

mod leaving;
mod running;
mod waiting;

use std::future::Future;
use std::time::{Duration, Instant};

use coracle::Runtime;
use coracle::process::{Child, Command, Stdio};
use coracle::sys::Call;

use crate::reactor::calls::{Calls, errno};

/// A shell with this text.
fn shell(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]);
    command
}

/// A child that ends when its standard input does, with this status.
fn until_told(status: i32) -> Child {
    shell(&format!("read line; exit {status}")).stdin(Stdio::piped()).spawn().unwrap()
}

/// Awaits what must come soon.
async fn soon<F: Future>(future: F) -> F::Output {
    coracle::time::timeout(Duration::from_secs(10), future).await.expect("it never came")
}

/// All children of this process, dead ones too.
fn children() -> Vec<u32> {
    let mut all = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let listed = std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default();
        all.extend(listed.split_whitespace().map(|number| number.parse::<u32>().unwrap()));
    }
    all
}

/// Turns until there is none left.
fn turn_until_there_are_no_children(runtime: &Runtime) {
    let begin = Instant::now();
    runtime.block_on(async {
        while !children().is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(10), "there are still {:?}", children());
            coracle::time::sleep(Duration::from_millis(2)).await;
        }
    });
}

/// A runtime whose kernel has no way to show the end of a child as a descriptor.
fn without_exit_descriptors() -> Runtime {
    Calls::before(|call| if call == Call::ExitDescriptor { Err(errno(libc::ENOSYS)) } else { Ok(()) }).runtime()
}
