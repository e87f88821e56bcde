//! No line of the library that calls the world is left out of the sweep.
//!
//! The lines are found in the text of `src`; those that the programs pass, in the stack of each call. What a program
//! calls in an ordinary run, the sweep makes fail, that call and no other. Not proved: that a line fails from each of the
//! places that lead to it, when several do; nor lines that are only reached after a fault, which stand in a list here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::errnos::{CANNOT_FAIL, errnos};
use super::{PROGRAMS, run};
use crate::support;

/// Lines that no ordinary run passes: how they begin, and why.
const ELSEWHERE: &[(&str, &str)] =
    &[("match world.thread(&format!(\"coracle-seeds-", "threads of a test, in no runtime")];

/// Kinds of calls that no program of the sweep makes, and why.
const NEVER: &[(&str, &str)] = &[("Random", "nothing is random yet"), ("Nap", "only a loop naps whose poller fails")];

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(path)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The methods that make a call: those that pass through the one point.
fn methods() -> Vec<String> {
    let text = std::fs::read_to_string(source("sys/world.rs")).unwrap();
    let mut found = BTreeSet::new();
    let mut method = String::new();
    for line in text.lines().map(str::trim) {
        if let Some((_, rest)) = line.split_once("fn ") {
            method = rest.split(['(', '<']).next().unwrap().to_owned();
        }
        if ["self.pass(", "self.on(", "world.pass(", "world.on("].iter().any(|point| line.contains(point)) {
            found.insert(method.clone());
        }
    }
    // Its point is that of `receive_uninit`.
    found.insert("receive".to_owned());
    found.into_iter().filter(|method| method != "on").collect()
}

/// All lines above `sys` that call one of them, such as `net/listener.rs:201`, with what stands there.
fn lines() -> Vec<(String, String)> {
    let (methods, root, mut paths, mut found) = (methods(), source(""), Vec::new(), Vec::new());
    files(&root, &mut paths);
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if name.starts_with("sys/") || name == "sys.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test") {
                break; // the tests come last
            }
            let code = line.split("//").next().unwrap();
            if methods.iter().any(|method| calls(code, before, method)) {
                found.push((format!("{name}:{}", number + 1), line.trim().to_owned()));
            }
            before = code;
        }
    }
    found
}

/// Whether the line calls this method of a world, a poller or a notifier.
fn calls(code: &str, before: &str, method: &str) -> bool {
    let call = format!(".{method}(");
    code.match_indices(&call).any(|(at, _)| {
        let receiver = if code[..at].trim().is_empty() { before } else { &code[..at] };
        let receiver = receiver.trim_end().trim_end_matches('?').trim_end_matches("()");
        ["world", "poller", "notifier"].iter().any(|name| receiver.ends_with(name))
    })
}

#[test]
fn the_text_is_understood() {
    assert!(methods().len() > 35 && methods().contains(&"accept".to_owned()), "{:?}", methods());
    assert!(lines().len() > 80, "{:?}", lines());
    assert!(calls("    self.source.world().accept(fd)", "", "accept"));
    assert!(calls("        .accept(fd)", "    let x = self.world()", "accept"));
    assert!(calls("let _ = self.poller()?.add(fd, 1);", "", "add"));
    assert!(!calls("    listener.accept()", "", "accept"));
}

/// The programs as they are, with the stack of each call.
#[test]
fn every_line_that_calls_the_world_fails_in_the_sweep() {
    if super::has_a_seed() {
        return;
    }
    support::alone("sweep::sites::every_line_that_calls_the_world_fails_in_the_sweep", || {
        run::live_in_the_world_of_the_run();
        let (mut passed, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        for (call, place) in PROGRAMS.iter().flat_map(run::places) {
            assert!(CANNOT_FAIL.contains(&call) || !errnos(call).is_empty(), "{call:?} has no errno in errnos.rs");
            kinds.insert(format!("{call:?}"));
            passed.insert(place.line);
        }
        let missing: Vec<_> = lines()
            .into_iter()
            .filter(|(line, code)| {
                !passed.contains(line) && !ELSEWHERE.iter().any(|(begin, _)| code.starts_with(begin))
            })
            .map(|(line, code)| format!("src/{line}: {code}"))
            .collect();
        assert!(missing.is_empty(), "no program of the sweep makes these calls:\n  {}", missing.join("\n  "));

        let text = std::fs::read_to_string(source("sys/hook.rs")).unwrap();
        let variants = text.split_once("pub enum Call {").unwrap().1.split_once('}').unwrap().0;
        let variants = variants.lines().filter_map(|line| line.trim().strip_suffix(','));
        let left_out: Vec<_> =
            variants.filter(|kind| !kinds.contains(*kind) && !NEVER.iter().any(|(never, _)| never == kind)).collect();
        assert!(left_out.is_empty(), "no program makes such a call: {left_out:?}");
    });
}
