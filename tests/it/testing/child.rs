//! Runs a test of this program again in a process of its own, and gives what it said: reports go to standard error.

use std::process::Command;

const MARK: &str = "CORACLE_TEST_CHILD";

/// How a child ended.
pub(super) struct Said {
    pub(super) passed: bool,
    /// Standard output, then standard error.
    pub(super) text: String,
}

/// Whether this is the child that runs this test.
pub(super) fn is_this(test: &str) -> bool {
    std::env::var(MARK).is_ok_and(|marked| marked == test)
}

/// Runs one test, by its full name, with these variables.
pub(super) fn run(test: &str, variables: &[(&str, &str)]) -> Said {
    let output = Command::new(std::env::current_exe().unwrap())
        // With one thread the test would run on the main one, whose name is not that of the test.
        .args([test, "--exact", "--nocapture", "--test-threads=2"])
        .env(MARK, test)
        .env_remove("CORACLE_SEEDS")
        .env_remove("CORACLE_TRACE_INTO")
        .env_remove("RUST_BACKTRACE")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(text.contains("running 1 test"), "no test is called {test}:\n{text}");
    Said { passed: output.status.success(), text }
}
