//! Where `unsafe` may stand, and what must stand above it.

use super::text::{File, all, library, none};

fn has_unsafe(code: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

#[test]
fn unsafe_stands_only_where_memory_is_managed_or_the_system_is_called() {
    let may = |file: &File| {
        file.is_in("sys")
            || file.is_in("task")
            || ["executor/mod.rs", "runtime/mod.rs", "runtime/current.rs", "projection.rs"]
                .contains(&file.path.as_str())
    };
    let found = library().iter().filter(|file| !may(file)).flat_map(|file| file.lines_where(has_unsafe)).collect();
    none(found, "use the safe interface of `sys` or `task`, or make one there");
}

/// A task whose future borrows is made in one place and ended in one place.
#[test]
fn the_one_unsafe_function_of_the_executor_has_one_caller_outside() {
    let files = library();
    let lines = |path: &str, word: &str| {
        files.iter().find(|file| file.path == path).unwrap().lines_where(|code| code.contains(word))
    };
    let functions = lines("executor/mod.rs", "unsafe fn ");
    assert_eq!(functions.len(), 1, "executor: one unsafe function, `spawn_unchecked`: {functions:#?}");
    let blocks = lines("runtime/mod.rs", "unsafe");
    assert_eq!(blocks.len(), 1, "runtime: one unsafe block, in `block_on`: {blocks:#?}");
    let blocks = lines("runtime/current.rs", "unsafe");
    assert_eq!(blocks.len(), 1, "runtime: one more, that finds the current loop: {blocks:#?}");
}

/// How far above an `unsafe` its reason may begin: the comment itself, and a statement that is broken over lines.
const LINES_ABOVE: usize = 4;

#[test]
fn every_unsafe_names_the_rule_that_allows_it() {
    let mut found = Vec::new();
    let mut blocks = 0;
    for file in &all() {
        for (number, code) in file.code_with_tests() {
            if !code.contains("unsafe {") && !code.contains("unsafe impl") {
                continue;
            }
            blocks += 1;
            let above = &file.raw[number.saturating_sub(1 + LINES_ABOVE)..number];
            if !above.iter().any(|line| line.contains("SAFETY:")) {
                found.push(file.place(number));
            }
        }
    }
    assert!(blocks > 50, "only {blocks} blocks were seen");
    none(found, "write `// SAFETY:` right above, with the rule (T1, S1, H1 ..) or the reason");
}
