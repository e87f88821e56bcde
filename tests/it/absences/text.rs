//! The files of `src` as the rules see them: line by line, without comments, strings and tests.

use std::path::{Path, PathBuf};

/// One file of `src`.
pub(super) struct File {
    /// From `src`, such as `task/state.rs`.
    pub(super) path: String,
    /// As they stand there.
    pub(super) raw: Vec<String>,
    /// The same lines without comments and without what is in strings.
    code: Vec<String>,
    /// Lines that belong to a `#[cfg(test)]` item.
    test: Vec<bool>,
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files of `src`.
pub(super) fn all() -> Vec<File> {
    below("src")
}

/// All files of these tests, with their paths from `tests/it`.
pub(super) fn tests() -> Vec<File> {
    below("tests/it")
}

fn below(folder: &str) -> Vec<File> {
    let (folder, mut paths) = (root().join(folder), Vec::new());
    collect(&folder, &mut paths);
    paths.sort();
    assert!(paths.len() > 40, "only {} files were found", paths.len());
    paths.iter().map(|path| File::read(&folder, path)).collect()
}

/// All files of `src` but those that only its tests include.
pub(super) fn library() -> Vec<File> {
    let files = all();
    let tests: Vec<String> = files.iter().flat_map(File::test_modules).collect();
    let is_test = |file: &File| {
        tests.iter().any(|module| file.path == format!("{module}.rs") || file.path.starts_with(&format!("{module}/")))
    };
    files.into_iter().filter(|file| !is_test(file)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

impl File {
    fn read(folder: &Path, path: &Path) -> File {
        let text = std::fs::read_to_string(path).unwrap();
        File::parse(path.strip_prefix(folder).unwrap().to_str().unwrap(), &text)
    }

    fn parse(path: &str, text: &str) -> File {
        let raw: Vec<String> = text.lines().map(str::to_owned).collect();
        let code: Vec<String> = without_comments(text).lines().map(str::to_owned).collect();
        let mut test = vec![false; raw.len()];
        for at in 0..code.len() {
            if is_test_attribute(&code[at]) {
                let end = end_of_item(&code, at + 1);
                test[at..=end].fill(true);
            }
        }
        File { path: path.to_owned(), raw, code, test }
    }

    /// Whether it is `module.rs` or in the folder `module`.
    pub(super) fn is_in(&self, module: &str) -> bool {
        self.path == format!("{module}.rs") || self.path.starts_with(&format!("{module}/"))
    }

    /// The lines of code that are no tests, counted from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.iter().zip(&self.test).enumerate();
        lines.filter(|(_, (_, test))| !**test).map(|(at, (code, _))| (at + 1, code.as_str()))
    }

    /// All lines of code, the tests too.
    pub(super) fn code_with_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().map(|(at, code)| (at + 1, code.as_str()))
    }

    /// A place and what stands there, for messages.
    pub(super) fn place(&self, number: usize) -> String {
        format!("src/{}:{number}: {}", self.path, self.raw[number - 1].trim())
    }

    pub(super) fn lines_where(&self, is_it: impl Fn(&str) -> bool) -> Vec<String> {
        self.numbered().filter(|(_, code)| is_it(code)).map(|(number, _)| self.place(number)).collect()
    }

    /// The numbers of the lines of all items that begin with `start`, to their closing braces.
    pub(super) fn blocks_of(&self, start: &str) -> Vec<usize> {
        let begins = (0..self.code.len()).filter(|at| self.code[*at].trim_start().starts_with(start));
        begins.flat_map(|at| at + 1..=end_of_item(&self.code, at) + 1).collect()
    }

    /// The text of the first item whose line begins so, to its closing brace.
    pub(super) fn item(&self, start: &str) -> Option<String> {
        let at = self.code.iter().position(|code| code.trim_start().starts_with(start))?;
        Some(self.raw[at..=end_of_item(&self.code, at)].join("\n"))
    }

    /// The modules at the root of the crate that this file names, with the places: `crate::x`, `use crate::{x, y}`, and
    /// as many `super::` as lead there.
    pub(super) fn root_names(&self) -> Vec<(String, String)> {
        let to_root = "super::".repeat(self.depth());
        let mut found = Vec::new();
        for (number, code) in self.numbered() {
            for way in ["crate::", &to_root] {
                let after = code.match_indices(way).filter(|(at, _)| !code[..*at].ends_with([':', '_']));
                for (at, _) in after {
                    for name in first_names(&code[at + way.len()..]) {
                        found.push((name, self.place(number)));
                    }
                }
            }
        }
        found
    }

    /// How many modules deep it is: 1 for those at the root.
    fn depth(&self) -> usize {
        let path = self.path.trim_end_matches(".rs");
        path.trim_end_matches("/mod").split('/').count()
    }

    /// The files and folders that a `#[cfg(test)] mod name;` includes, from `src`.
    fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs")) => format!("{folder}/"),
            _ if self.path == "lib.rs" => String::new(),
            _ => format!("{}/", self.path.trim_end_matches(".rs")),
        };
        let lines = self.code.iter().zip(&self.test).filter(|(_, test)| **test);
        let modules = lines.filter_map(|(code, _)| code.trim().strip_prefix("mod ")?.strip_suffix(';'));
        modules.map(|module| format!("{folder}{module}")).collect()
    }
}

fn is_test_attribute(code: &str) -> bool {
    let code = code.trim_start();
    code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(all(test")
}

/// The first names of a path, or of each path of a group in braces. A group goes to the end of its line at least.
fn first_names(path: &str) -> Vec<String> {
    let name =
        |path: &str| path.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    match path.strip_prefix('{') {
        None => vec![name(path)],
        Some(group) => group.split(',').map(name).filter(|name| !name.is_empty()).collect(),
    }
}

/// The last line of the item that begins at line `at`: its closing brace stands under its beginning.
fn end_of_item(code: &[String], at: usize) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(&code[at]);
    for (number, line) in code.iter().enumerate().skip(at) {
        let closes = indent(line) == own && (line.trim_start().starts_with('}') || line.trim_start().starts_with(')'));
        let is_all = number == at && (line.trim_end().ends_with(';') || line.trim_end().ends_with('}'));
        if closes || is_all {
            return number;
        }
    }
    code.len() - 1
}

/// The text with comments, and what is between quotation marks, replaced by nothing. Line breaks stay.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    while let Some(c) = chars.next() {
        match c {
            '\n' => code.push(c),
            '\\' if in_string => {
                if chars.next() == Some('\n') {
                    code.push('\n');
                }
            }
            '"' => {
                in_string = !in_string;
                code.push(c);
            }
            _ if in_string => {}
            '/' if chars.peek() == Some(&'/') => while chars.next_if(|c| *c != '\n').is_some() {},
            '\'' => {
                // A character, or a lifetime: only the first can be a quotation mark or a backslash.
                code.push(c);
                if let Some(first) = chars.next_if(|c| *c == '"' || *c == '\\') {
                    if first == '\\' {
                        chars.next();
                    }
                }
            }
            _ => code.push(c),
        }
    }
    code
}

/// Fails with all that was `found`, and with what to do about it.
#[track_caller]
pub(super) fn none(found: Vec<String>, what_to_do: &str) {
    assert!(found.is_empty(), "{what_to_do}.\n  {}", found.join("\n  "));
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "let a = \"x // \\\" libc\"; // libc\nlet b = '\"'; call();\n/// doc\nfn f<'a>() {}\n\
                #[cfg(test)]\nmod tests {\n    fn g() {}\n}\n#[cfg(all(test, loom))]\nmod other;\nfn h() {}\n";
    let file = File::parse("task/mod.rs", text);
    let code: Vec<_> = file.numbered().filter(|(_, code)| !code.is_empty()).collect();
    assert_eq!(code, [(1, "let a = \"\"; "), (2, "let b = ''; call();"), (4, "fn f<'a>() {}"), (11, "fn h() {}")]);
    assert_eq!(file.test_modules(), ["task/other"]);
    assert_eq!(file.place(4), "src/task/mod.rs:4: fn f<'a>() {}");
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let names = |path: &str, text: &str| -> Vec<String> {
        File::parse(path, text).root_names().into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names("task/state.rs", "use crate::{net, io::Read};\ncrate::sys::f();"), ["net", "io", "sys"]);
    assert_eq!(names("task/state.rs", "use super::super::net;\nuse super::other;"), ["net"]);
    assert_eq!(names("task/mod.rs", "use super::net;"), ["net"]);
    assert_eq!(names("observer.rs", "// crate::net\nuse super::task::here;"), ["task"]);
}

#[test]
fn the_files_that_only_tests_include_are_not_the_library() {
    let (all, library) = (all().len(), library());
    assert!(library.len() < all && library.len() > 35, "{} of {all}", library.len());
    assert!(!library.iter().any(|file| file.path.starts_with("sys/suite") || file.path.starts_with("task/model")));
}
