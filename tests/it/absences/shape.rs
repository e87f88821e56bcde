//! Sizes, names and documents: what keeps the code readable in an afternoon.

use std::collections::HashSet;

use super::text::{File, all, library, none, tests};

/// Lines of code, without comments and empty ones, from which a file is too long.
const LONGEST_FILE: usize = 400;

#[test]
fn a_file_is_one_idea() {
    let mut found = Vec::new();
    for file in all() {
        let lines = file.code_with_tests().filter(|(_, code)| !code.trim().is_empty()).count();
        if lines > LONGEST_FILE {
            found.push(format!("src/{}: {lines} lines of code", file.path));
        }
    }
    none(found, "split it by ideas: each part with a head that says what it is and what it does not do");
}

#[test]
fn every_file_begins_with_what_it_is() {
    let files = all();
    let without = files.iter().filter(|file| !file.raw.first().is_some_and(|line| line.starts_with("//! ")));
    none(
        without.map(|file| format!("src/{}", file.path)).collect(),
        "write a head of `//!` lines: what, for whom, what not",
    );
}

/// The lines of a function, from its signature to its closing brace.
fn length_of(file: &File, function: &str) -> usize {
    let start = file.numbered().find(|(_, code)| code.contains(function)).map(|(number, _)| number);
    let start = start.unwrap_or_else(|| panic!("no `{function}` in src/{}", file.path));
    let indent = file.raw[start - 1].len() - file.raw[start - 1].trim_start().len();
    let end = format!("{}}}", " ".repeat(indent));
    1 + file.raw[start - 1..].iter().position(|line| *line == end).unwrap()
}

#[test]
fn the_turn_is_one_function_of_at_most_sixty_lines() {
    let file = library().into_iter().find(|file| file.path == "runtime/turn.rs").unwrap();
    let lines = length_of(&file, "fn turn(&self");
    assert!(lines > 10, "the wrong function was measured: {lines} lines");
    assert!(lines <= 60, "`turn` has {lines} lines: move what a step does into a method with the step's name");
}

/// The word behind `struct`, `enum` and the like.
fn defined_type(code: &str) -> Option<&str> {
    let code = code.trim_start();
    let code = code.strip_prefix("pub(crate) ").or_else(|| code.strip_prefix("pub(super) ")).unwrap_or(code);
    let code = code.strip_prefix("pub ").unwrap_or(code);
    let name = ["struct ", "enum ", "trait ", "union ", "type "].iter().find_map(|word| code.strip_prefix(word))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

#[test]
fn names_say_the_role() {
    const BANNED: [&str; 7] = ["Inner", "Core", "Shared", "Driver", "Manager", "Harness", "Context"];
    let is_banned = |name: &str| BANNED.iter().any(|word| name.starts_with(word) || name.ends_with(word));
    let mut found = Vec::new();
    for file in all() {
        for (number, code) in file.code_with_tests() {
            // The word of a task that threads share is called so in the design.
            let is_the_shared_word = file.path == "task/state.rs" && defined_type(code) == Some("Shared");
            if defined_type(code).is_some_and(is_banned) && !is_the_shared_word {
                found.push(file.place(number));
            }
        }
        let stem = file.path.trim_end_matches(".rs").trim_end_matches("/mod").rsplit('/').next().unwrap().to_owned();
        if ["util", "utils", "common", "helpers", "misc", "inner", "core"].contains(&stem.as_str()) {
            found.push(format!("src/{}", file.path));
        }
    }
    none(found, "name it by what it does for whom; these words say only where it lies");
}

/// The doc comment right above a line, and attributes in between.
fn doc_above(file: &File, number: usize) -> Vec<&str> {
    let above = file.raw[..number - 1].iter().rev().map(|line| line.trim());
    let mut lines: Vec<_> = above.take_while(|line| line.starts_with("///") || line.starts_with("#[")).collect();
    lines.retain(|line| line.starts_with("///"));
    lines.reverse();
    lines
}

/// The type whose `impl` a line stands in.
fn implemented_type(file: &File, number: usize) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(&file.raw[number - 1]);
    let block = file.raw[..number - 1].iter().rev().find(|line| indent(line) < own && !line.trim().is_empty())?;
    let block = block.trim_start().strip_prefix("impl")?;
    let name =
        if let Some(generic) = block.strip_prefix('<') { generic.split_once("> ")?.1 } else { block.trim_start() };
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned)
}

/// Whether the example is that of the item that the first line points to.
fn points_elsewhere(doc: &[&str]) -> bool {
    doc.first().is_some_and(|line| line.contains("ee [`") || line.contains("made by [`"))
}

/// Futures: the example that shows one is that of the method that makes it.
fn futures(files: &[File]) -> HashSet<String> {
    let mut types = HashSet::new();
    for file in files {
        for (number, code) in file.numbered() {
            let Some(name) = defined_type(code) else { continue };
            if doc_above(file, number).first().is_some_and(|line| line.starts_with("/// See [`")) {
                types.insert(name.to_owned());
            }
        }
    }
    types
}

#[test]
fn whatever_is_public_has_an_example() {
    let files: Vec<File> = library();
    let futures = futures(&files);
    let (mut found, mut seen) = (Vec::new(), 0);
    for file in &files {
        for (number, code) in file.numbered() {
            let item = code.trim_start();
            let is_function = ["pub fn ", "pub const fn ", "pub unsafe fn "].iter().any(|word| item.starts_with(word));
            let is_type = item.starts_with("pub ") && defined_type(item).is_some();
            let doc = doc_above(file, number);
            let shown_elsewhere = match implemented_type(file, number) {
                _ if is_type => points_elsewhere(&doc),
                owner => owner.is_some_and(|owner| futures.contains(&owner)),
            };
            if shown_elsewhere || !(is_function || is_type) {
                continue;
            }
            seen += 1;
            if !doc.iter().any(|line| line.contains("```")) {
                found.push(file.place(number));
            }
        }
    }
    assert!(seen > 100, "only {seen} public items were seen");
    none(found, "add an example to its doc comment: the shortest program that shows the promise");
}

/// The types of the library that can be awaited.
fn awaitable(files: &[File]) -> HashSet<String> {
    let mut types = HashSet::new();
    for file in files {
        for (_, code) in file.numbered() {
            let Some((_, of)) = code.trim_start().strip_prefix("impl").and_then(|code| code.split_once("Future for "))
            else {
                continue;
            };
            let name = of.split(|c: char| !c.is_alphanumeric() && c != '_').next();
            types.extend(name.filter(|name| name.len() > 1).map(str::to_owned));
        }
    }
    types
}

/// A public function's signature, up to its body.
fn signature(file: &File, number: usize) -> String {
    let mut signature = String::new();
    for line in &file.raw[number - 1..] {
        signature.push_str(line.trim());
        signature.push(' ');
        if line.ends_with('{') || line.ends_with(';') || line.ends_with('}') {
            break;
        }
    }
    signature
}

/// A public function whose result is to be awaited, and whose docs are shown.
struct Maker<'a> {
    file: &'a File,
    number: usize,
    name: String,
    /// The future is a handle, and more: its type says what its drop does.
    is_handle: bool,
}

impl Maker<'_> {
    /// The folder or file at the root of the crate.
    fn area(&self) -> &str {
        self.file.path.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

fn makers(files: &[File]) -> Vec<Maker<'_>> {
    const HANDLES: [&str; 8] =
        ["JoinHandle", "AbortOnDrop", "RemoteHandle", "Job", "Sleep", "Connect", "Child", "CaughtChild"];
    let types = awaitable(files);
    let mut makers = Vec::new();
    for file in files.iter().filter(|file| !file.is_in("sys")) {
        for (number, code) in file.numbered() {
            let item = code.trim_start();
            let is_method = item.starts_with("pub fn ") || (item.starts_with("fn ") && file.path.starts_with("io/"));
            if !(item.starts_with("pub async fn ") || is_method) || doc_above(file, number).is_empty() {
                continue;
            }
            let signature = signature(file, number);
            let result = signature.split_once("-> ").map_or("", |(_, result)| result);
            let of = first_word(result);
            // Most receivers are no futures, and the one that is comes in a pair.
            let is_one = types.contains(of) && of != "Receiver";
            if item.starts_with("pub async") || result.starts_with("impl Future") || is_one {
                let name = first_word(signature.split_once("fn ").unwrap().1).to_owned();
                makers.push(Maker { file, number, name, is_handle: HANDLES.contains(&of) });
            }
        }
    }
    assert!(makers.len() > 100, "only {} futures were seen", makers.len());
    makers
}

fn first_word(code: &str) -> &str {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()
}

#[test]
fn whatever_is_awaited_says_what_dropping_it_leaves_behind() {
    let files = library();
    let mut found = Vec::new();
    for maker in makers(&files).iter().filter(|maker| !maker.is_handle) {
        let doc = doc_above(maker.file, maker.number);
        let promise =
            doc.iter().skip_while(|line| !line.contains("**Cancel safety**")).take_while(|line| **line != "///");
        let promise: String = promise.copied().collect();
        if !["cancel-safe", "prefix-safe", "lossy", ": as "].iter().any(|word| promise.contains(word)) {
            found.push(maker.file.place(maker.number));
        }
    }
    none(found, "add `**Cancel safety**: cancel-safe, prefix-safe or lossy`, and what is left behind");
}

/// Makers that no `cut.at(…)` names, and the tests that drop what they make by other means: in a table or by a macro,
/// poll by poll, or in a process or thread of its own.
const CUT_BY_HAND: [(&str, &[&str], &str); 8] = [
    (
        "fs",
        &["copy", "rename", "remove_file", "remove_dir", "remove_dir_all", "create_dir", "create_dir_all"],
        "an_operation_that_is_dropped_anywhere_is_done_whole_or_not_at_all",
    ),
    (
        "fs",
        &["read_to_string", "read_dir", "symlink_metadata", "exists", "canonicalize"],
        "a_look_that_is_dropped_anywhere_changes_nothing",
    ),
    (
        "group",
        &["join_all", "try_join_all", "try_join", "race", "race_ok"],
        "dropped_joins_and_races_drop_their_futures",
    ),
    ("group", &["shutdown"], "a_dropped_shutdown_has_aborted_all_or_none"),
    ("net", &["write_vectored"], "a_cancelled_vectored_write_has_written_nothing"),
    ("runtime", &["spawn"], "a_handle_that_is_dropped_anywhere_leaves_its_task_alone"),
    ("signal", &["ctrl_c"], "ctrl_c_is_watched_from_the_call_to_the_end_of_the_future"),
    ("cores", &["stopped"], "a_wait_for_the_stop_of_a_crew_that_is_dropped_anywhere_changes_nothing"),
];

/// Whether the function of this name is called there.
fn calls(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let after = &text[at + name.len()..];
        let is_whole = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        is_whole && (after.starts_with('(') || after.starts_with("::<"))
    })
}

/// What stands in the parentheses of each `cut.at(…)` of a test.
fn cut_arguments(text: &str) -> String {
    let mut arguments = String::new();
    for (at, _) in text.match_indices(".at(") {
        if !text[..at].trim_end().ends_with("cut") {
            continue;
        }
        let mut depth = 1;
        for c in text[at + ".at(".len()..].chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth == 0 {
                break;
            }
            arguments.push(c);
        }
        arguments.push('\n');
    }
    arguments
}

/// A file of an area is `area.rs`, lies in `area/`, or is `cancel/area.rs`.
#[test]
fn whatever_is_awaited_is_dropped_at_every_await() {
    let (files, tests) = (library(), tests());
    let makers = makers(&files);
    let mut found = Vec::new();
    for maker in &makers {
        let (area, name) = (maker.area(), maker.name.as_str());
        let is_cut = tests.iter().any(|test| {
            let path = test.path.strip_prefix("cancel/").unwrap_or(&test.path);
            let is_there = path == format!("{area}.rs") || path.starts_with(&format!("{area}/"));
            is_there && calls(&cut_arguments(&test.raw.join("\n")), name)
        });
        let by_hand = CUT_BY_HAND.iter().any(|(of, names, _)| *of == area && names.contains(&name));
        if !is_cut && !by_hand {
            found.push(maker.file.place(maker.number));
        }
    }
    none(found, "drop what it makes in a `cut.at(…)`, and hold what is left against its *Cancel safety*");
    for (area, names, test) in CUT_BY_HAND {
        let function = format!("fn {test}()");
        let body = tests.iter().find_map(|file| file.item(&function)).unwrap_or_else(|| panic!("no test `{test}`"));
        for name in names {
            assert!(makers.iter().any(|maker| maker.area() == area && maker.name == *name), "no {area} `{name}`");
            assert!(calls(&body, name), "`{test}` does not call `{name}`");
        }
    }
}
