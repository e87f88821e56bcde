//! The command line: what is to be run, or the one sentence that says why not.

use std::path::PathBuf;

pub const USAGE: &str = "\
usage: coracle-bench echo  [options] [--conns N] [--size BYTES] [--depth N] [--calls]
       coracle-bench micro [options]
       coracle-bench build [options]      what depending on it costs: a clean build of an echo server
       coracle-bench all   [options]      all three; without further choice the results are written beside README.md
       coracle-bench clock                how many requests time out falsely on a paused clock

options: --quick           shorter samples and fewer: all rows in under five minutes
         --rounds N        rounds of interleaved samples (default 9, or 5 with --quick)
         --only A,B,..     only these rivals
         --rows A,B,..     only these rows
         --json FILE       also write the results to FILE
         --out FOLDER      write RESULTS.md, results.json and plots/ to FOLDER

--conns, --size or --depth run one shape of that kind (default 50, 64, 1) in place of the rows.
--calls counts system calls a request with strace in an extra pass.";

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Command {
    Echo,
    Micro,
    Build,
    All,
    Clock,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Args {
    pub command: Command,
    pub quick: bool,
    pub rounds: usize,
    /// Empty: all.
    pub only: Vec<String>,
    /// Empty: all.
    pub rows: Vec<String>,
    pub json: Option<PathBuf>,
    pub out: Option<PathBuf>,
    pub custom: Option<Custom>,
    pub calls: bool,
}

/// A shape of the user's.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Custom {
    pub connections: usize,
    pub size: usize,
    pub depth: usize,
}

/// Beyond these the load generator would need gigabytes.
const MOST_CONNECTIONS: usize = 10_000;
const MOST_IN_FLIGHT: usize = 64 << 20;

/// Reads the arguments after the program's name. Which rivals and rows there are is the caller's to check.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Args, String> {
    let mut args = args.into_iter();
    let command = match args.next().as_deref() {
        Some("echo") => Command::Echo,
        Some("micro") => Command::Micro,
        Some("build") => Command::Build,
        Some("all") => Command::All,
        Some("clock") => Command::Clock,
        Some(other) => return Err(format!("there is no command `{other}` (echo, micro, build, all, clock)")),
        None => return Err("which command? (echo, micro, build, all, clock)".to_string()),
    };
    let mut parsed = Args {
        command,
        quick: false,
        rounds: 0,
        only: Vec::new(),
        rows: Vec::new(),
        json: None,
        out: None,
        custom: None,
        calls: false,
    };
    while let Some(option) = args.next() {
        if command == Command::Clock {
            return Err(format!("clock has no options, and no `{option}`"));
        }
        let mut value = || args.next().ok_or(format!("{option} needs a value"));
        match option.as_str() {
            "--quick" => parsed.quick = true,
            "--rounds" => parsed.rounds = positive(&option, value()?)?,
            "--only" => parsed.only = names(&option, value()?)?,
            "--rows" => parsed.rows = names(&option, value()?)?,
            "--json" => parsed.json = Some(value()?.into()),
            "--out" => parsed.out = Some(value()?.into()),
            "--calls" if command == Command::Echo => parsed.calls = true,
            "--conns" if command == Command::Echo => parsed.custom().connections = positive(&option, value()?)?,
            "--size" if command == Command::Echo => parsed.custom().size = positive(&option, value()?)?,
            "--depth" if command == Command::Echo => parsed.custom().depth = positive(&option, value()?)?,
            "--calls" | "--conns" | "--size" | "--depth" => return Err(format!("{option} belongs to echo")),
            _ => return Err(format!("there is no option `{option}`")),
        }
    }
    if parsed.rounds == 0 {
        parsed.rounds = if parsed.quick { 5 } else { 9 };
    }
    parsed.check()
}

impl Args {
    /// Is this part to be run, of those that `all` has?
    pub fn runs(&self, part: Command) -> bool {
        self.command == part || self.command == Command::All
    }

    /// Where the results are written to as files: where the user says, and the whole of a full run to its own place.
    pub fn folder(&self) -> Option<PathBuf> {
        let whole = self.command == Command::All && !self.quick && self.only.is_empty() && self.rows.is_empty();
        self.out.clone().or_else(|| whole.then(|| env!("CARGO_MANIFEST_DIR").into()))
    }

    fn custom(&mut self) -> &mut Custom {
        self.custom.get_or_insert(Custom { connections: 50, size: 64, depth: 1 })
    }

    fn check(self) -> Result<Args, String> {
        let Some(custom) = self.custom else { return Ok(self) };
        if !self.rows.is_empty() {
            return Err("--rows and --conns, --size, --depth exclude each other".to_string());
        }
        if custom.connections > MOST_CONNECTIONS {
            return Err(format!("--conns is at most {MOST_CONNECTIONS}"));
        }
        let in_flight = custom.size.checked_mul(custom.depth);
        if in_flight.is_none_or(|bytes| bytes > MOST_IN_FLIGHT) {
            return Err(format!("--size times --depth is at most {MOST_IN_FLIGHT} bytes"));
        }
        Ok(self)
    }
}

fn positive(option: &str, value: String) -> Result<usize, String> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{option} needs a positive number, not `{value}`")),
    }
}

fn names(option: &str, value: String) -> Result<Vec<String>, String> {
    let names: Vec<String> = value.split(',').map(|name| name.trim().to_string()).collect();
    if names.iter().any(String::is_empty) {
        return Err(format!("{option} needs names with commas between, not `{value}`"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::{Command, Custom, parse};

    fn parse_line(line: &str) -> Result<super::Args, String> {
        parse(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn a_full_line_is_read() {
        let args = parse_line("echo --quick --rounds 5 --only raw,tokio --size 128 --json out.json --calls").unwrap();
        assert_eq!(args.command, Command::Echo);
        assert!(args.quick && args.calls);
        assert_eq!(args.rounds, 5);
        assert_eq!(args.only, ["raw", "tokio"]);
        assert_eq!(args.custom, Some(Custom { connections: 50, size: 128, depth: 1 }));
        assert_eq!(args.json, Some("out.json".into()));
    }

    #[test]
    fn only_a_full_run_of_everything_writes_files_without_being_told_to() {
        assert!(parse_line("all").unwrap().folder().is_some_and(|folder| folder.join("Cargo.toml").exists()));
        for less in ["all --quick", "all --only tokio", "all --rows c50", "echo"] {
            assert_eq!(parse_line(less).unwrap().folder(), None, "for `{less}`");
        }
        assert_eq!(parse_line("echo --out somewhere").unwrap().folder(), Some("somewhere".into()));
    }

    #[test]
    fn a_quick_run_has_fewer_rounds_unless_it_is_told_how_many() {
        let rounds = ["all", "all --quick", "all --rounds 3 --quick"].map(|line| parse_line(line).unwrap().rounds);
        assert_eq!(rounds, [9, 5, 3]);
    }

    #[test]
    fn each_mistake_is_named() {
        for (line, mistake) in [
            ("", "which command? (echo, micro, build, all, clock)"),
            ("ping", "there is no command `ping` (echo, micro, build, all, clock)"),
            ("echo --fast", "there is no option `--fast`"),
            ("echo --conns", "--conns needs a value"),
            ("echo --conns 0", "--conns needs a positive number, not `0`"),
            ("echo --conns 10001", "--conns is at most 10000"),
            ("echo --size 67108864 --depth 2", "--size times --depth is at most 67108864 bytes"),
            ("echo --only raw,,tokio", "--only needs names with commas between, not `raw,,tokio`"),
            ("clock --quick", "clock has no options, and no `--quick`"),
            ("micro --depth 2", "--depth belongs to echo"),
            ("echo --depth 2 --rows c50", "--rows and --conns, --size, --depth exclude each other"),
        ] {
            assert_eq!(parse_line(line).unwrap_err(), mistake, "for `{line}`");
        }
    }
}
