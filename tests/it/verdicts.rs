//! What is said of a program that does not come to its end, or leaves something: stall, hang, leak, hog. And that it is
//! not said of one that waits for good reason.

use std::panic::{AssertUnwindSafe, catch_unwind};

use coracle::Stall;

mod certain;
mod cycles;
mod hangs;
mod leaks;
mod locks;
mod lost;
mod stalls;

/// The table without its first line, times and columns; lines of this folder's files as `name:line`.
fn table(stall: &Stall) -> Vec<String> {
    assert_eq!(stall.hung(), None);
    let text = stall.to_string();
    let (head, rest) = text.split_once('\n').unwrap();
    assert_eq!(head, "stalled: nothing is ready, no timer is set, and nothing outside can wake a task");
    lines(rest)
}

/// The same for what a panic says.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| plain(line.rsplit_once(", for ").map_or(line, |(line, _)| line))).collect()
}

/// Without `tests/it/verdicts/`, `.rs` and columns.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    for (index, part) in line.split("tests/it/verdicts/").enumerate() {
        if index == 0 {
            plain.push_str(part);
            continue;
        }
        let mut parts = part.splitn(3, ':');
        let (file, row, rest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        plain.push_str(&format!("{}:{row}", file.trim_end_matches(".rs")));
        plain.push_str(rest.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    plain
}

/// The message of the panic with which this code ends.
fn panic_of<T>(code: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(code)) else { panic!("it did not fail") };
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}
