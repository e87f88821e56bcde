//! Rivals that are programs of their own: Go, and Python's asyncio, uvloop and gevent. Run only where they are
//! installed.
//!
//! The worker becomes the program (`exec`), so that it stays on its CPU and dies with the parent as all workers do. It
//! speaks as `worker.rs` does, and told `rows` it says which it offers. The sources are in `programs/`.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::row::Row;

#[derive(Clone, Copy)]
pub enum Program {
    Go,
    /// A flavour of `micro.py`.
    Python(&'static str),
}

/// One line per program.
pub const PROGRAMS: [(&str, Program); 4] = [
    ("go", Program::Go),
    ("asyncio", Program::Python("asyncio")),
    ("uvloop", Program::Python("uvloop")),
    ("gevent", Program::Python("gevent")),
];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");

impl Program {
    pub fn by_name(name: &str) -> Option<Program> {
        PROGRAMS.iter().find(|(its_name, _)| *its_name == name).map(|(_, program)| *program)
    }

    /// Makes it ready and asks for the rows that it offers: none where what it needs is not installed.
    pub fn rows(self) -> io::Result<Vec<&'static Row>> {
        if let Program::Go = self {
            let mut build = Command::new("go");
            build.args(["build", "-o"]).arg(go_binary()?).arg("micro.go").current_dir(format!("{FOLDER}/go"));
            if !build.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
                return Ok(Vec::new());
            }
        }
        let mut command = self.command()?;
        let told = command.arg("rows").stdin(Stdio::null()).stderr(Stdio::null()).output()?;
        let names = String::from_utf8_lossy(&told.stdout);
        Ok(names.split_whitespace().filter_map(Row::by_name).collect())
    }

    /// Becomes the program. Returns only if that fails.
    pub fn become_it(self) -> io::Error {
        match self.command() {
            Ok(mut command) => command.exec(),
            Err(error) => error,
        }
    }

    fn command(self) -> io::Result<Command> {
        Ok(match self {
            Program::Go => Command::new(go_binary()?),
            Program::Python(flavour) => {
                // `BENCH_PYTHON` says which interpreter, for one with uvloop and gevent.
                let mut python = Command::new(std::env::var("BENCH_PYTHON").unwrap_or("python3".to_string()));
                python.arg(format!("{FOLDER}/micro.py")).arg(flavour);
                python
            }
        })
    }
}

/// Where the Go program is built to: beside this one.
fn go_binary() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("coracle-bench-micro-go"))
}
