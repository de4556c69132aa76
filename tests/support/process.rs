//! A program that ends when its guard is dropped, with all that it started.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::wait;

/// A child process in a process group of its own. Its standard error goes to a file, and so does its standard output
/// unless the command says otherwise.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Where standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Into the log, with standard error.
    Log,
    /// To us: [`Process::stdout`].
    Piped,
}

impl Process {
    /// Starts `command`; its log is `folder`/NAME.log.
    ///
    /// # Errors
    /// When the program is not there or the log cannot be written.
    pub fn spawn(name: &str, command: &mut Command, folder: &Path, output: Output) -> anyhow::Result<Self> {
        let path = folder.join(format!("{name}.log"));
        let log = File::create(&path).with_context(|| format!("writing {}", path.display()))?;
        command.stderr(log.try_clone()?).process_group(0);
        match output {
            Output::Log => command.stdin(Stdio::null()).stdout(log),
            Output::Piped => command.stdin(Stdio::piped()).stdout(Stdio::piped()),
        };
        let program = command.get_program().to_string_lossy().into_owned();
        let child =
            command.spawn().with_context(|| format!("starting `{program}` (`cargo xtask setup test` installs it)"))?;
        Ok(Self { name: name.to_owned(), child, log: path })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The stream into the program; once, and only with [`Output::Piped`].
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The stream out of the program; once, and only with [`Output::Piped`].
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// What the program has logged so far.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        let _ = File::open(&self.log).and_then(|mut file| file.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    }

    /// `None` while the program runs.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until the program says by `ready` that it can be used.
    ///
    /// # Errors
    /// When it ends instead, or `limit` passes; with the log.
    pub fn until_ready(&mut self, limit: Duration, mut ready: impl FnMut(&str) -> bool) -> anyhow::Result<()> {
        let result = wait::until_some(limit, &format!("{} is ready", self.name), || {
            if let Some(status) = self.exited() {
                bail!("{} ended at its start: {status}", self.name);
            }
            Ok(ready(&self.log()).then_some(()))
        });
        result.with_context(|| format!("log of {}:\n{}", self.name, tail(&self.log(), 60)))
    }

    /// Waits for the program's own end.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn until_exited(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let name = self.name.clone();
        wait::until_some(limit, &format!("{name} has ended"), || Ok(self.exited()))
    }

    /// Ends the program and everything in its process group at once, as a crash does.
    pub fn kill(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
        }
    }

    /// Ends the program and everything in its process group.
    pub fn end(&mut self) {
        let Some(group) = Pid::from_raw(self.child.id().cast_signed()) else { return };
        let _ = kill_process_group(group, Signal::TERM);
        let _ = wait::until(Duration::from_secs(1), "end", || self.exited().is_some());
        // Also when the program itself has ended: what it left behind goes too.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The last `lines` lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
