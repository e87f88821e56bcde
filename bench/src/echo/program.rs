//! Servers that are programs of their own: Go, and Python's asyncio, uvloop and gevent. Run only where they are
//! installed.
//!
//! The child of the benchmark becomes the program (`exec`), so that it stays on its CPU and dies with the parent as all
//! servers do; the listener is handed to it as an open descriptor. The sources are in `programs/`.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER};

/// A program, by what it needs to be there.
#[derive(Clone, Copy)]
pub enum Program {
    Go,
    /// A flavour of `echo.py`, and the module that it needs.
    Python(&'static str),
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs");

impl Program {
    /// Makes it ready, or says why it cannot be run here.
    pub fn prepare(self) -> Result<(), String> {
        let mut command = match self {
            Program::Go => {
                let mut go = Command::new("go");
                go.args(["build", "-o"]).arg(go_binary().map_err(|error| error.to_string())?).arg("echo.go");
                go.current_dir(format!("{FOLDER}/go"));
                go
            }
            Program::Python(flavour) => {
                let mut python = Command::new(python());
                python.args(["-c", &format!("import {flavour}")]);
                python
            }
        };
        match command.stdin(Stdio::null()).stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(match self {
                Program::Go => "no Go compiler that works".to_string(),
                Program::Python(flavour) => format!("{} has no module {flavour}", python()),
            }),
        }
    }

    /// The command that serves on `listener`, which it inherits; the listener has to be made inheritable and stay open.
    pub fn command(self, listener: &TcpListener, mode: Mode) -> io::Result<Command> {
        let size = if mode == Mode::Bulk { BULK_BUFFER } else { BUFFER };
        let descriptor = listener.as_raw_fd().to_string();
        let mut command = match self {
            Program::Go => Command::new(go_binary()?),
            Program::Python(flavour) => {
                let mut python = Command::new(python());
                python.arg(format!("{FOLDER}/echo.py")).arg(flavour);
                python
            }
        };
        command.args([descriptor, size.to_string()]);
        Ok(command)
    }
}

/// The interpreter: `BENCH_PYTHON` in the environment says which, for one with uvloop and gevent.
fn python() -> String {
    std::env::var("BENCH_PYTHON").unwrap_or("python3".to_string())
}

/// Where the Go server is built to: beside this program.
fn go_binary() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("coracle-bench-echo-go"))
}
