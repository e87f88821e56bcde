//! What is said when a run fails: which run it was, how to run it again, its last events, and where all of them are.
//!
//! Whatever runs a scenario (a trial, a simulation, `for_seeds`) says so by a [`Running`], a guard on a thread-local
//! stack. If a panic passes it, the outermost guard reports once, with what those inside of it knew. A panic that the
//! scenario itself catches is not reported. Nothing is printed and nothing is written when all is well.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::Trace;
use crate::choices::{Choices, Kinds};

/// So many lines are kept of a run that is not one of many. An arbitrary number: about a megabyte.
pub(super) const LINES_OF_ONE_RUN: usize = 10_000;

/// A longer list nobody types in: a run that has made more choices is run again by its seed.
const MOST_CHOICES_SHOWN: usize = 1000;

/// So many lines are printed.
const LINES_SHOWN: usize = 25;

thread_local! {
    /// What runs on this thread, the outermost first.
    static RUNNING: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

struct Frame {
    /// Each has another number, and they need not end in order.
    number: usize,
    about: String,
    replay: Option<String>,
    choices: Option<Choices>,
    trace: Trace,
    /// Virtual time that passed in it.
    time: Duration,
    /// What those inside of it knew that failed.
    inside: Vec<String>,
    /// The trace of one of those, if it is another.
    trace_inside: Option<Trace>,
}

/// A run is under way on this thread, until the guard is dropped. See the head of this file.
pub(crate) struct Running {
    number: usize,
    /// It was begun by the drop of something in a panic that is none of its own.
    was_panicking: bool,
    _of_this_thread: PhantomData<Rc<()>>,
}

/// The trace of the innermost run.
pub(super) fn current_trace() -> Option<Trace> {
    RUNNING.with_borrow(|running| running.last().map(|frame| frame.trace.clone()))
}

impl Running {
    /// `about` goes on from "failed: ", such as `a simulation with seed 17`. Its trace is that of the run around it.
    pub(crate) fn new(about: impl Into<String>) -> Running {
        Running::recorded(about, Trace::current())
    }

    /// With a trace of its own.
    pub(super) fn recorded(about: impl Into<String>, trace: Trace) -> Running {
        let was_panicking = std::thread::panicking();
        let number = RUNNING.with_borrow_mut(|running| {
            if !was_panicking {
                // What failed inside before this was caught, and is over.
                running.iter_mut().for_each(Frame::forget_what_failed);
            }
            let number = running.last().map_or(0, |frame| frame.number + 1);
            running.push(Frame {
                number,
                about: about.into(),
                replay: None,
                choices: None,
                trace,
                time: Duration::ZERO,
                inside: Vec::new(),
                trace_inside: None,
            });
            number
        });
        Running { number, was_panicking, _of_this_thread: PhantomData }
    }

    /// Where it is to be recorded.
    pub(crate) fn trace(&self) -> Trace {
        self.frame(|frame| frame.trace.clone())
    }

    /// How it is run again, as a line of its own.
    pub(crate) fn replay(&self, line: impl Into<String>) {
        self.frame(|frame| frame.replay = Some(line.into()));
    }

    /// Where its choices come from; if they are kept, a failure says what they were.
    pub(crate) fn choices(&self, choices: &Choices) {
        self.frame(|frame| frame.choices = Some(choices.clone()));
    }

    /// So much virtual time passed in it.
    pub(crate) fn time_passed(&self, time: Duration) {
        self.frame(|frame| frame.time = frame.time.saturating_add(time));
    }

    /// Virtual time that passed in it, and in those inside of it that are over.
    pub(super) fn time(&self) -> Duration {
        self.frame(|frame| frame.time)
    }

    /// What it did is recorded there from now on.
    pub(crate) fn record_in(&self, trace: Trace) {
        self.frame(|frame| frame.trace = trace);
    }

    /// One thing more that a failure says.
    pub(super) fn add(&self, line: impl Into<String>) {
        self.frame(|frame| frame.inside.push(line.into()));
    }

    /// It failed, and its panic was caught.
    pub(super) fn failed(self) {
        self.end(true);
        std::mem::forget(self);
    }

    fn frame<T>(&self, act: impl FnOnce(&mut Frame) -> T) -> T {
        RUNNING.with_borrow_mut(|running| {
            let frame = running.iter_mut().find(|frame| frame.number == self.number);
            act(frame.expect("it stands there until its guard is dropped"))
        })
    }

    fn end(&self, failed: bool) {
        let outermost = RUNNING.with_borrow_mut(|running| {
            let index = running.iter().position(|frame| frame.number == self.number)?;
            let frame = running.remove(index);
            match index.checked_sub(1) {
                None => return failed.then_some(frame),
                Some(outer) => running[outer].take_over(frame, failed),
            }
            None
        });
        if let Some(frame) = outermost {
            eprint!("{}", frame.report());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(!self.was_panicking && std::thread::panicking());
    }
}

impl Frame {
    fn forget_what_failed(&mut self) {
        self.inside.clear();
        self.trace_inside = None;
    }

    fn take_over(&mut self, inner: Frame, failed: bool) {
        self.time = self.time.saturating_add(inner.time);
        if !failed {
            return;
        }
        let mut lines = vec![format!("in it: {}", inner.about)];
        lines.extend(inner.how_again());
        lines.extend(inner.inside);
        self.inside.splice(..0, lines);
        self.trace_inside = inner.trace_inside.or(Some(inner.trace));
    }

    fn how_again(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(replay) = &self.replay {
            lines.push(format!("run it again: {replay}"));
        }
        let made = self.choices.as_ref().map(Choices::made).unwrap_or_default();
        if let Some(last) = made.iter().rposition(|made| made.chosen != 0) {
            let list: Vec<u32> = made[..=last].iter().map(|made| made.chosen).collect();
            let kinds = self.choices.as_ref().map_or(Kinds::ALL, Choices::kinds);
            if list.len() <= MOST_CHOICES_SHOWN {
                lines.push(format!("its choices again: {:?}", Choices::replay(list).only(kinds)));
            }
        }
        lines
    }

    fn report(&self) -> String {
        let mut text = format!("coracle: failed: {}\n", self.about);
        for line in self.how_again().iter().chain(&self.inside) {
            let _ = writeln!(text, "  {line}");
        }
        let trace = self.trace_inside.as_ref().unwrap_or(&self.trace);
        let lines = trace.lines();
        if lines.is_empty() {
            return text;
        }
        let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        let _ = writeln!(text, "  the last {} of {} events:", shown.len(), trace.len());
        for line in shown {
            let _ = writeln!(text, "    {line}");
        }
        let _ = match write_file(&file_name(&self.about), trace) {
            Ok(path) => writeln!(text, "  all that is kept: {}", path.display()),
            Err(error) => writeln!(text, "  the trace could not be written to a file: {error}"),
        };
        text
    }
}

/// The name of the test that runs on this thread, if this is the thread of one: the test harness names it so.
pub(super) fn test_name() -> Option<String> {
    std::thread::current().name().filter(|name| *name != "main").map(str::to_owned)
}

fn file_name(about: &str) -> String {
    let test = test_name().map(|name| name + "-").unwrap_or_default();
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    // File systems have names of up to 255 bytes.
    format!("{test}{about}").chars().map(plain).take(200).collect()
}

/// Into the folder `traces` beside the program that runs, which is that of the tests.
fn write_file(name: &str, trace: &Trace) -> io::Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.set_file_name("traces");
    std::fs::create_dir_all(&path)?;
    path.push(name);
    path.set_extension("txt");
    std::fs::write(&path, trace.to_string())?;
    Ok(path)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_runs_inside_of_another_is_recorded_with_it_and_its_time_counts() {
        let outer = Running::recorded("outer", Trace::new());
        {
            let inner = Running::new("inner");
            inner.trace().note("from inside");
            inner.time_passed(Duration::from_secs(2));
            Running::new("innermost").time_passed(Duration::from_secs(3));
            assert_eq!(inner.time(), Duration::from_secs(5));
        }
        assert_eq!(outer.trace().lines(), ["from inside"]);
        assert_eq!(outer.time(), Duration::from_secs(5));
    }

    #[test]
    fn guards_may_end_in_any_order() {
        let (first, second, third) = (Running::new("first"), Running::new("second"), Running::new("third"));
        drop(second);
        let fourth = Running::new("fourth");
        drop(first);
        third.trace().note("still there");
        drop(third);
        assert_eq!(fourth.trace().lines(), ["still there"]);
        drop(fourth);
        assert!(current_trace().is_none());
    }

    #[test]
    fn a_report_says_the_run_the_way_back_and_the_last_events() {
        let running = Running::recorded("a trial", Trace::last(0));
        let choices = Choices::replay([0, 2, 0]);
        let _chosen = [(); 3].map(|()| choices.choose(3));
        running.choices(&choices);
        running.replay("CORACLE_SEEDS=3 cargo test");
        let text = running.frame(|frame| frame.report());
        assert_eq!(
            text,
            "coracle: failed: a trial\n  run it again: CORACLE_SEEDS=3 cargo test\n  its choices again: \
             Choices::replay([0, 2])\n"
        );
    }

    #[test]
    fn files_have_the_names_of_their_test_and_run() {
        let test = test_name().unwrap_or_default().replace(':', "-");
        let name = file_name("seed 17 / of many");
        assert!(name.ends_with("seed-17---of-many") && name.starts_with(&test), "{name}");
        assert!(file_name(&"x".repeat(300)).len() <= 200);
    }
}
