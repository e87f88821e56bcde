//! A child whose output is read.

use std::path::Path;
use std::time::{Duration, Instant};

use coracle::process::{Command, Stdio};

use crate::support::{alone, cut_at_every_poll, descriptors};

/// Lossy: the child is dropped with the future, here to be killed, and what was read is lost.
#[test]
fn a_wait_with_output_that_is_dropped_anywhere_drops_the_child() {
    alone("cancel::process::a_wait_with_output_that_is_dropped_anywhere_drops_the_child", || {
        let before = descriptors();
        let dropped = cut_at_every_poll(|cut| {
            coracle::block_on(async {
                let child = Command::new("sh")
                    .args(["-c", "echo one; sleep 0.01; echo two; exit 3"])
                    .stdout(Stdio::piped())
                    .kill_on_drop(true)
                    .spawn()
                    .unwrap();
                let entry = format!("/proc/{}", child.id());
                if let Some(output) = cut.at(child.wait_with_output()).await {
                    let output = output.unwrap();
                    assert_eq!((&output.stdout[..], output.status.code()), (&b"one\ntwo\n"[..], Some(3)));
                }
                let begin = Instant::now();
                while Path::new(&entry).exists() {
                    assert!(begin.elapsed() < Duration::from_secs(10), "the child is there still, or a zombie");
                    coracle::time::sleep(Duration::from_millis(1)).await;
                }
            });
        });
        assert!(dropped >= 3, "{dropped}");
        assert_eq!(descriptors(), before);
    });
}
