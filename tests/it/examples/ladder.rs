//! The ladder: the numbered examples, each with a head that says what it prints. What it says is what it prints.
//!
//! In a head, `…` stands for whatever differs from run to run (times, counts of bytes, ports), and a line of `…` alone
//! for any number of lines. What must hold of such figures has a test of its own below.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Ended, example, run};

/// One example of the ladder: its name and its source.
struct Rung {
    name: String,
    source: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All rungs in order.
fn ladder() -> Vec<Rung> {
    let mut rungs: Vec<_> = std::fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let source = if path.is_dir() { path.join("main.rs") } else { path };
            let is_rung = name.starts_with(|first: char| first.is_ascii_digit());
            is_rung.then(|| Rung { name, source: std::fs::read_to_string(source).unwrap() })
        })
        .collect();
    rungs.sort_by(|a, b| a.name.cmp(&b.name));
    rungs
}

impl Rung {
    /// The lines at the head, without their marks.
    fn head(&self) -> Vec<&str> {
        self.source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim_start).collect()
    }

    /// The command at the head, and the lines that it prints.
    fn promise(&self) -> (&str, Vec<&str>) {
        let head = self.head();
        let mut run = head.iter().skip_while(|line| !line.starts_with("$ cargo run ")).copied();
        let command = run.next().unwrap_or_else(|| panic!("{}: no command at the head", self.name));
        (command, run.take_while(|line| *line != "```").collect())
    }

    fn lines_of_code(&self) -> usize {
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        self.source.lines().filter(is_code).count()
    }
}

/// Whether a line is what the head says, `…` being anything.
fn fits(line: &str, said: &str) -> bool {
    let mut pieces = said.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty()
}

/// Whether the lines are what the head says, a line of `…` being any number of them.
fn all_fit(lines: &[String], said: &[&str]) -> bool {
    match said {
        [] => lines.is_empty(),
        ["…", rest @ ..] => (0..=lines.len()).any(|skipped| all_fit(&lines[skipped..], rest)),
        [first, rest @ ..] => lines.first().is_some_and(|line| fits(line, first)) && all_fit(&lines[1..], rest),
    }
}

/// Runs a rung as its head says, and holds what it prints against it.
#[track_caller]
fn climb(number: &str) -> Ended {
    let rung = ladder().into_iter().find(|rung| rung.name.starts_with(number)).expect("there is such a rung");
    run_as_promised(&rung)
}

#[track_caller]
fn run_as_promised(rung: &Rung) -> Ended {
    let (command, said) = rung.promise();
    assert!(command.ends_with(&format!("--example {}", rung.name)), "{command}: another name than the file's");
    let ended = run(&mut example(&rung.name));
    ended.assert_good();
    assert!(all_fit(&ended.lines, &said), "it said\n{}\nand printed\n{}", said.join("\n"), ended.lines.join("\n"));
    ended
}

/// The number in a line, right before these words.
fn figure(ended: &Ended, line: &str, unit: &str) -> f64 {
    let found = ended.lines.iter().find(|said| said.contains(line)).unwrap_or_else(|| panic!("no line says {line}"));
    let before = found.rsplit_once(unit).unwrap_or_else(|| panic!("{found}: no figure in {unit}")).0.trim_end();
    let start = before.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    before[start..].parse().unwrap_or_else(|_| panic!("{found}: no figure before {unit}"))
}

#[test]
fn a_head_says_how_to_run_it_and_what_to_read_then() {
    let mut numbers = Vec::new();
    for rung in ladder() {
        let (command, said) = rung.promise();
        assert!(!said.is_empty(), "{}: the head does not say what {command} prints", rung.name);
        let then =
            rung.source.split_once("Then read `src/").unwrap_or_else(|| panic!("{}: then read what?", rung.name));
        let file = format!("src/{}", then.1.split_once('`').unwrap().0);
        assert!(root().join(&file).exists(), "{}: there is no {file}", rung.name);
        let lines = rung.lines_of_code();
        assert!((15..=80).contains(&lines), "{}: {lines} lines of code, one idea has 15 to 80", rung.name);
        numbers.push(rung.name[..2].parse::<usize>().unwrap());
    }
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "the rungs are numbered one after the other");
}

#[test]
fn the_readme_leads_to_every_seed_its_example_and_its_test() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut seeds = BTreeSet::new();
    for row in readme.lines().filter(|line| line.starts_with("| S")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        seeds.insert(cells[1][1..].parse::<usize>().unwrap());
        let links: Vec<_> = row.match_indices("](").map(|(at, _)| row[at + 2..].split(')').next().unwrap()).collect();
        let examples = links.iter().filter(|link| link.starts_with("examples/") || link.starts_with("bench"));
        let tests = links.iter().filter(|link| link.starts_with("tests/"));
        assert!(examples.count() > 0 && tests.count() > 0, "an example and a test: {row}");
        for link in links {
            assert!(Path::new(&root().join(link)).exists(), "{row}: there is no {link}");
        }
    }
    assert_eq!(seeds, (1..=18).collect(), "a row for every seed program");
    for rung in ladder() {
        assert!(readme.contains(&rung.name), "{} stands in no row", rung.name);
    }
}

/// Makes a test of each rung that needs no further check.
macro_rules! rungs {
    ($($name:ident $number:literal)*) => {
        $(#[test]
        fn $name() {
            climb($number);
        })*
    };
}

rungs! {
    waker_by_hand "01"
    poller_by_hand "02"
    runtime_by_hand "03"
    generator_that_is_answered "04"
    round_robin_without_a_scheduler "05"
    transfer_to_a_named_peer "06"
    tasks_with_names_and_numbers "08"
    results_and_errors_by_task "10"
    queues_in_three_orders "11"
    echo_with_difficult_clients "12"
    upper_case_with_another_handler "13"
    five_hundred_clients_in_one_thread "14"
    downloads_that_overlap "15"
    pool_of_threads_and_locks_for_tasks "17"
    cores_that_share_a_port "19"
    a_million_tasks "20"
}

/// Sleeping never ends early, and it overlaps.
#[test]
fn sleeps_overlap() {
    let ended = climb("09");
    let seconds = |line| figure(&ended, line, " s");
    assert!(seconds("one after the other: slept") >= 6.0);
    assert!((4.0..40.0).contains(&seconds("together: 2 s")));
    assert!(seconds("ten of 1 s, one after") >= 10.0);
    assert!((1.0..10.0).contains(&seconds("ten of 1 s, together")));
}

/// A switch costs something, and no switch costs as much as a wait in the kernel would.
#[test]
fn switches_cost_nanoseconds() {
    let ended = climb("07");
    for how in ["in a generator", "in a task"] {
        let each = figure(&ended, how, " ns");
        assert!(each > 0.0 && each < 100_000.0, "{how}: {each} ns a switch");
    }
}

/// The unlucky seed is as unlucky the second time.
#[test]
fn a_thousand_runs_of_minutes_are_functions_of_their_seeds() {
    let ended = climb("21");
    let once = figure(&ended, "is the most unlucky one", " questions");
    assert!(once > 1.0);
    assert_eq!(figure(&ended, "the same seed again", " questions"), once);
}

/// The rung about cores, grown up: in processes too. Every connection is served by one of them.
#[test]
fn many_cores_share_a_port_in_threads_and_in_processes() {
    let source = std::fs::read_to_string(root().join("examples/many_cores/main.rs")).unwrap();
    let ended = run_as_promised(&Rung { name: "many_cores".into(), source });
    for line in &ended.lines {
        let served = line.split_once("connections served: ").unwrap().1;
        assert_eq!(served.split(' ').map(|n| n.parse::<usize>().unwrap()).sum::<usize>(), 100, "{line}");
    }
}

/// Two dialogues, whose times are the machine's.
#[test]
fn a_dialogue_with_and_without_sleeps() {
    let source = std::fs::read_to_string(root().join("examples/spin.rs")).unwrap();
    let ended = run_as_promised(&Rung { name: "spin".into(), source });
    assert!(["asleep", "spinning"].iter().all(|how| figure(&ended, how, " µs") > 0.0));
}

/// While the thread blocks nobody runs; while threads of the pool do, others run.
#[test]
fn the_pool_lets_others_run() {
    let ended = climb("16");
    assert!(figure(&ended, "called in the pool", " heartbeats") > 0.0);
}

/// Every cure lets the others run, and the one without is found by name.
#[test]
fn a_hog_is_found_and_cured() {
    let ended = climb("18");
    for cure in ["cure 1", "cure 2", "cure 3"] {
        assert!(figure(&ended, cure, " times") > 0.0, "{cure}");
    }
}

#[test]
fn whatever_stands_for_anything_fits_it_and_nothing_else() {
    assert!(fits("took 12 ms, at last", "took … ms, …"));
    assert!(fits("a", "a") && fits("", "") && fits("anything", "…"));
    assert!(!fits("took 12 s", "took … ms") && !fits("ab", "a") && !fits("a", "ab"));
    let lines = ["one", "two", "three"].map(String::from);
    assert!(all_fit(&lines, &["one", "…", "three"]) && all_fit(&lines, &["one", "two", "three", "…"]));
    assert!(!all_fit(&lines, &["one", "…", "two"]) && !all_fit(&lines, &["one", "two"]));
}
