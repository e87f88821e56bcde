//! [`Command`]: what is to be run, and how.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::path::Path;
use std::process::Stdio;

use super::child::Child;
use super::output::{CommandOutput, CommandStatus, WaitWithOutput};
use super::running::Running;
use crate::net::{PipeReader, PipeWriter};
use crate::runtime::current_or_error;

/// A program to be run, with its arguments and surroundings: [`std::process::Command`], whose children are awaited.
///
/// It may be used again and again. Starting a program blocks the thread until the program has begun, as in std: about a
/// millisecond.
///
/// ```
/// use coracle::process::Command;
/// coracle::block_on(async {
///     let output = Command::new("echo").args(["one", "two"]).output().await?;
///     assert_eq!(output.stdout, b"one two\n");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct Command {
    command: std::process::Command,
    kill_on_drop: bool,
    /// Which of the standard streams the user has a wish for: the others are as the way of starting it has them.
    chosen: [bool; 3],
}

impl Command {
    /// Runs `program`, looked for in PATH if there is no slash in it.
    ///
    /// ```
    /// coracle::process::Command::new("true");
    /// ```
    pub fn new(program: impl AsRef<OsStr>) -> Command {
        Command { command: std::process::Command::new(program), kill_on_drop: false, chosen: [false; 3] }
    }

    /// One more argument.
    ///
    /// ```
    /// coracle::process::Command::new("echo").arg("hello");
    /// ```
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Command {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    ///
    /// ```
    /// coracle::process::Command::new("echo").args(["hello", "world"]);
    /// ```
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Command {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment, which otherwise is ours.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let output = coracle::process::Command::new("sh").args(["-c", "echo $A"]).env("A", "b").output().await;
    ///     assert_eq!(output.unwrap().stdout, b"b\n");
    /// });
    /// ```
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Command {
        self.command.env(name, value);
        self
    }

    /// Sets variables of its environment.
    ///
    /// ```
    /// coracle::process::Command::new("true").envs([("A", "1"), ("B", "2")]);
    /// ```
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Command {
        self.command.envs(variables);
        self
    }

    /// Takes a variable out of its environment.
    ///
    /// ```
    /// coracle::process::Command::new("true").env_remove("HOME");
    /// ```
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Command {
        self.command.env_remove(name);
        self
    }

    /// Begins with an empty environment.
    ///
    /// ```
    /// coracle::process::Command::new("true").env_clear();
    /// ```
    pub fn env_clear(&mut self) -> &mut Command {
        self.command.env_clear();
        self
    }

    /// The folder in which it starts. Otherwise ours.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let output = coracle::process::Command::new("pwd").current_dir("/").output().await.unwrap();
    ///     assert_eq!(output.stdout, b"/\n");
    /// });
    /// ```
    pub fn current_dir(&mut self, folder: impl AsRef<Path>) -> &mut Command {
        self.command.current_dir(folder);
        self
    }

    /// Its standard input. Default: ours; with [`output`](Command::output), nothing.
    ///
    /// ```
    /// use coracle::process::{Command, Stdio};
    /// Command::new("cat").stdin(Stdio::piped());
    /// ```
    pub fn stdin(&mut self, stream: impl Into<Stdio>) -> &mut Command {
        self.command.stdin(stream);
        self.chosen[0] = true;
        self
    }

    /// Its standard output. Default: ours; with [`output`](Command::output), a pipe.
    ///
    /// ```
    /// use coracle::process::{Command, Stdio};
    /// Command::new("ls").stdout(Stdio::null());
    /// ```
    pub fn stdout(&mut self, stream: impl Into<Stdio>) -> &mut Command {
        self.command.stdout(stream);
        self.chosen[1] = true;
        self
    }

    /// Its standard error. Default: ours; with [`output`](Command::output), a pipe.
    ///
    /// ```
    /// use coracle::process::{Command, Stdio};
    /// Command::new("ls").stderr(Stdio::null());
    /// ```
    pub fn stderr(&mut self, stream: impl Into<Stdio>) -> &mut Command {
        self.command.stderr(stream);
        self.chosen[2] = true;
        self
    }

    /// Whether a child is killed when its [`Child`] is dropped, or the future of [`output`](Command::output) or
    /// [`status`](Command::status). Default: no.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     drop(coracle::process::Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap());
    /// });
    /// ```
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Command {
        self.kill_on_drop = kill;
        self
    }

    /// What std knows about commands, for what this type does not offer: users, groups, code before the start. The
    /// standard streams are to be set here, not there.
    ///
    /// ```
    /// use std::os::unix::process::CommandExt;
    /// let mut command = coracle::process::Command::new("sleep");
    /// command.as_std_mut().process_group(0);
    /// ```
    pub fn as_std_mut(&mut self) -> &mut std::process::Command {
        &mut self.command
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) and the like if it cannot be started. Outside of a runtime. Then nothing
    /// runs.
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let mut child = coracle::process::Command::new("true").spawn().unwrap();
    ///     assert!(child.wait().await.unwrap().success());
    ///     let error = coracle::process::Command::new("no such program").spawn().unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start(Location::caller())
    }

    /// Starts it, and waits for its end. The future has the child, and nothing of this value.
    ///
    /// **Cancel safety**: lossy; a dropped future drops the [`Child`].
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::wait`].
    ///
    /// ```
    /// coracle::block_on(async {
    ///     assert!(!coracle::process::Command::new("false").status().await.unwrap().success());
    /// });
    /// ```
    #[track_caller]
    pub fn status(&mut self) -> CommandStatus {
        let at = Location::caller();
        CommandStatus { child: self.start(at), at }
    }

    /// Starts it, waits for its end, and gives what it printed. The future has the child, and nothing of this value. A
    /// stream that was set otherwise than piped is not captured.
    ///
    /// **Cancel safety**: lossy; a dropped future drops the [`Child`] and what was read.
    ///
    /// # Errors
    /// As [`spawn`](Command::spawn) and [`Child::wait_with_output`].
    ///
    /// ```
    /// coracle::block_on(async {
    ///     let output = coracle::process::Command::new("echo").arg("hello").output().await.unwrap();
    ///     assert_eq!(output.stdout, b"hello\n");
    /// });
    /// ```
    #[track_caller]
    pub fn output(&mut self) -> CommandOutput {
        let at = Location::caller();
        CommandOutput { waiting: self.start_captured(at).map(|child| WaitWithOutput::new(child, at)) }
    }

    /// Streams without a wish are ours.
    pub(super) fn start(&mut self, at: &'static Location<'static>) -> io::Result<Child> {
        self.start_with([Stdio::inherit(), Stdio::inherit(), Stdio::inherit()], at)
    }

    /// Streams without a wish are captured.
    pub(super) fn start_captured(&mut self, at: &'static Location<'static>) -> io::Result<Child> {
        self.start_with([Stdio::null(), Stdio::piped(), Stdio::piped()], at)
    }

    fn start_with(&mut self, otherwise: [Stdio; 3], at: &'static Location<'static>) -> io::Result<Child> {
        let event_loop = current_or_error()?;
        let [input, output, errors] = otherwise;
        let Command { command, chosen, kill_on_drop } = self;
        // std remembers what is set: so it is set anew each time.
        if !chosen[0] {
            command.stdin(input);
        }
        if !chosen[1] {
            command.stdout(output);
        }
        if !chosen[2] {
            command.stderr(errors);
        }
        let mut started = event_loop.world().spawn(command)?;
        let pipes = (started.stdin.take(), started.stdout.take(), started.stderr.take());
        // Whatever fails from here on, nobody can talk to it: it is killed.
        let mut child = Child::new(Running::new(&event_loop, started, at), true);
        child.stdin = pipes.0.map(|pipe| PipeWriter::try_from(OwnedFd::from(pipe))).transpose()?;
        child.stdout = pipes.1.map(|pipe| PipeReader::try_from(OwnedFd::from(pipe))).transpose()?;
        child.stderr = pipes.2.map(|pipe| PipeReader::try_from(OwnedFd::from(pipe))).transpose()?;
        child.set_kill_on_drop(*kill_on_drop);
        Ok(child)
    }
}
