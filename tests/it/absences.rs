//! The architecture is a list of absences: what a module does not know. Here they are read off the text of `src`.
//!
//! Each test is a rule, and its message says what to do when it fails. What counts is code: not comments, not what stands
//! in strings, and, where a rule is about the library, not its tests. `text` reads the files; `safety` and `shape` have
//! the rules about `unsafe` and about sizes, names and documents.

mod safety;
mod shape;
mod text;

use text::{File, library, none};

/// The lines of the library, outside of some places, that contain one of these.
fn naming(words: &[&str], outside: impl Fn(&File) -> bool) -> Vec<String> {
    let has_one = |code: &str| words.iter().any(|word| code.contains(word));
    library().iter().filter(|file| outside(file)).flat_map(|file| file.lines_where(has_one)).collect()
}

#[test]
fn only_sys_talks_to_the_operating_system() {
    const WORDS: [&str; 8] = [
        "libc::",
        "use libc",
        "Instant::now",
        "SystemTime::now",
        "thread::spawn",
        "thread::Builder",
        "thread::sleep",
        "thread::park",
    ];
    let found = naming(&WORDS, |file| !file.is_in("sys"));
    none(found, "ask the `World` for it, and add it to the contract in sys/mod.rs if it is new");
}

#[test]
fn only_one_file_names_operating_systems() {
    let found = naming(&["target_os", "target_vendor", "target_family", "cfg(unix", "cfg(windows"], |file| {
        file.path != "sys/os.rs"
    });
    none(found, "put the difference under one name into sys/os.rs");
}

/// The modules at the root of the crate that a module uses, with the places.
fn uses(module: &str, except: &[&str]) -> Vec<(String, String)> {
    let files = library();
    let of_it: Vec<&File> =
        files.iter().filter(|file| file.is_in(module) && !except.contains(&file.path.as_str())).collect();
    assert!(!of_it.is_empty() || !except.is_empty(), "there is no module {module}");
    of_it.iter().flat_map(|file| file.root_names()).collect()
}

fn must_not_use(module: &str, except: &[&str], others: &[&str]) {
    let found = uses(module, except);
    let found = found.into_iter().filter(|(name, _)| others.contains(&name.as_str())).map(|(_, place)| place);
    none(
        found.collect(),
        &format!("`{module}` knows none of {others:?}: turn the call round, or move it to `runtime`"),
    );
}

/// What programs use: nothing below knows any of it.
const UPPER: [&str; 14] = [
    "net",
    "io",
    "sync",
    "time",
    "scope",
    "coroutine",
    "group",
    "blocking",
    "signal",
    "process",
    "fs",
    "cores",
    "sim",
    "testing",
];

/// [`UPPER`], and more.
fn upper_and(others: &[&'static str]) -> Vec<&'static str> {
    UPPER.iter().chain(others).copied().collect()
}

#[test]
fn task_knows_no_executor() {
    // `task/mod.rs` re-exports what programs look for there.
    must_not_use("task", &["task/mod.rs"], &upper_and(&["executor", "reactor", "timers", "runtime"]));
    let below: Vec<_> = upper_and(&["executor", "reactor", "timers"]).into_iter().filter(|m| *m != "group").collect();
    must_not_use("task", &[], &below);
    let head = library().into_iter().find(|file| file.path == "task/mod.rs").unwrap();
    for module in ["crate::runtime", "crate::group"] {
        let re_export = format!("pub use {module}::");
        let other = |code: &str| code.contains(module) && !code.trim_start().starts_with(&re_export);
        none(head.lines_where(other), "task/mod.rs may re-export from `runtime` and `group`, and not use them");
    }
}

#[test]
fn executor_knows_no_descriptor_and_does_not_sleep() {
    must_not_use("executor", &[], &upper_and(&["reactor", "timers", "runtime", "sys"]));
}

#[test]
fn reactor_and_timers_know_wakers_and_not_tasks() {
    for module in ["reactor", "timers"] {
        must_not_use(module, &[], &upper_and(&["executor", "runtime"]));
        let allowed = ["std::task::", "task::wake(", "task::wake)", "task::keep(", "task::let_go("];
        let other =
            |code: &str| allowed.iter().fold(code.to_owned(), |code, word| code.replace(word, "")).contains("task::");
        let found =
            library().iter().filter(|file| file.is_in(module)).flat_map(|file| file.lines_where(other)).collect();
        none(found, "of `task` only `task::wake`, `task::keep` and `task::let_go` are used here");
    }
    must_not_use("reactor", &[], &["timers"]);
    must_not_use("timers", &[], &["reactor", "sys"]);
}

/// The source of choices is used by the executor and by worlds; it is data, and knows neither.
#[test]
fn choices_know_nobody() {
    must_not_use(
        "choices",
        &[],
        &upper_and(&["sys", "task", "executor", "reactor", "timers", "runtime", "observer", "wait_list"]),
    );
}

/// A world is chosen when a runtime is built. What stands above asks it for what it needs, never for its name.
#[test]
fn only_tests_and_sys_know_which_worlds_there_are() {
    let words = ["hostile(", "paused(", "simulated", "Layer"];
    let found = naming(&words, |file| !["sys", "sim", "testing"].iter().any(|place| file.is_in(place)));
    none(found, "what differs between worlds belongs to the contract in sys/mod.rs");
}

#[test]
fn runtime_knows_nothing_of_what_stands_on_it() {
    must_not_use("runtime", &[], &UPPER);
}

#[test]
fn sync_io_coroutine_and_scope_run_on_any_executor() {
    for module in ["sync", "io", "coroutine", "scope"] {
        must_not_use(module, &[], &["runtime", "executor", "reactor", "timers", "net", "time", "sys"]);
    }
}

/// Between the tasks of one thread there is nothing to lock. What crosses threads stands in a folder of its own.
#[test]
fn sync_holds_no_lock_and_no_atomic() {
    let words = ["std::sync::", "Mutex<", "Condvar", "Atomic"];
    let own = ["struct Mutex<", "struct ReentrantMutex<", "impl", "Mutex<T>", "Mutex<'"];
    let found = library();
    let found = found.iter().filter(|file| file.is_in("sync") && !file.is_in("sync/remote")).flat_map(|file| {
        file.lines_where(|code| words.iter().any(|word| code.contains(word)) && !own.iter().any(|w| code.contains(w)))
    });
    none(found.collect(), "cells are enough on one thread; what is for several belongs to `sync::remote`");
}

#[test]
fn sys_knows_nothing_above_it() {
    must_not_use("sys", &[], &upper_and(&["task", "executor", "reactor", "timers", "runtime", "observer"]));
}

#[test]
fn only_the_state_and_the_inbox_exchange() {
    let places = ["task/state.rs", "task/inbox.rs"];
    let found = naming(&["compare_exchange", "fetch_update"], |file| !places.contains(&file.path.as_str()));
    none(found, "a transition of a task is a method in task/state.rs");
}

/// What is `static` outlives every runtime. A thread-local that says where this thread is, a table of functions, what
/// `sys` counts for the process, and what a whole test program says of its runtimes are all there is.
#[test]
fn nothing_is_global_but_thread_locals() {
    let mut found = Vec::new();
    for file in library().iter().filter(|file| !file.is_in("sys")) {
        let local = file.blocks_of("thread_local!");
        for (number, code) in file.numbered() {
            let Some((before, item)) = code.split_once("static ") else { continue };
            let is_item = before.trim().is_empty() || before.trim() == "pub" || before.ends_with("pub(crate) ");
            let is_table = item.contains(": RawWakerVTable");
            let is_for_tests = file.path == "runtime/surroundings.rs" && item.starts_with("EVERYWHERE:");
            if is_item && !is_table && !is_for_tests && !local.contains(&number) {
                found.push(file.place(number));
            }
        }
    }
    none(found, "keep it in the `Runtime`, or make it thread-local if it says what this thread is doing");
}

#[test]
fn the_library_depends_on_two_packages() {
    let manifest = std::fs::read_to_string(text::root().join("Cargo.toml")).unwrap();
    let mut section = "";
    let mut packages = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
            let spelled_out = section.starts_with("[dependencies.") || section.contains("build-dependencies");
            let for_one_target = section.contains(".dependencies]");
            assert!(!spelled_out && !for_one_target, "{section}: dependencies stand in `[dependencies]`, one a line");
        } else if section == "[dependencies]" && !line.trim().is_empty() && !line.starts_with('#') {
            let (name, rest) = line.split_once('=').unwrap();
            // Adapters to other crates' traits are optional: nobody has them who did not ask.
            if !rest.contains("optional = true") {
                packages.push(name.trim());
            }
        }
    }
    packages.sort_unstable();
    assert_eq!(packages, ["libc", "slab"], "the library is to stay small: do without, or make it optional");
}
