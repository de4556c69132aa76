//! The program without a window, driven by JSON lines.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::process::{Output, tail};
use crate::{Process, Scratch};

/// How long a command may take to be answered.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A running `deskline-headless`.
#[derive(Debug)]
pub struct Headless {
    process: Process,
    scratch: Scratch,
    stdin: ChildStdin,
    inbox: Arc<Inbox>,
    /// The lines before this one have been seen by [`Headless::awaits`].
    seen: usize,
    next_id: u64,
}

#[derive(Debug, Default)]
struct Inbox {
    /// Each line with the time of its arrival.
    lines: Mutex<Vec<(Instant, Value)>>,
    arrived: Condvar,
}

/// Where cargo has put a program of this workspace: beside the running test, or in `target/debug`.
///
/// # Errors
/// When it has not been built.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("the path of the running program")?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built beside {}: `cargo xtask test` builds it first", own.display()))
}

impl Headless {
    /// Starts the program with `args` and with `environment` added to ours.
    ///
    /// # Errors
    /// When it is not built or does not start.
    pub fn start(args: &[&str], environment: &[(String, String)]) -> anyhow::Result<Self> {
        let mut command = Command::new(built("deskline-headless")?);
        command.args(args).envs(environment.iter().cloned());
        Self::spawn(&mut command)
    }

    /// Starts the program by a command of the caller's.
    ///
    /// # Errors
    /// When it does not start.
    pub fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let scratch = Scratch::new("headless")?;
        let mut process =
            Process::spawn("deskline-headless", command.env("HOME", scratch.path()), scratch.path(), Output::Piped)?;
        let stdin = process.stdin().context("the program's input is piped")?;
        let stdout = process.stdout().context("the program's output is piped")?;
        let inbox = Arc::new(Inbox::default());
        let sink = Arc::clone(&inbox);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "not_json": line }));
                sink.lines.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), value));
                sink.arrived.notify_all();
            }
        });
        Ok(Self { process, scratch, stdin, inbox, seen: 0, next_id: 1 })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The home folder of this program.
    pub fn home(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// Sends a command and returns its result.
    ///
    /// # Errors
    /// The program's own error as `CODE: message`; or no answer within ten seconds.
    pub fn command(&mut self, mut command: Value) -> anyhow::Result<Value> {
        let id = self.next_id;
        self.next_id += 1;
        command["id"] = json!(id);
        self.send(&command)?;
        let answer =
            self.find(ANSWER_LIMIT, &format!("the answer to {}", command["cmd"]), 0, |line| line["re"] == id)?.2;
        match answer.get("error") {
            Some(error) => {
                bail!("{}: {}", error["code"].as_str().unwrap_or("?"), error["message"].as_str().unwrap_or("?"))
            }
            None => Ok(answer["ok"].clone()),
        }
    }

    /// Sends a line and waits for nothing.
    ///
    /// # Errors
    /// When the program has closed its input.
    pub fn send(&mut self, line: &Value) -> anyhow::Result<()> {
        writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush()).with_context(|| self.trouble())
    }

    /// Waits for the next event of this name; the events before it count as seen.
    ///
    /// # Errors
    /// When `limit` passes first; with what came instead, and the log.
    pub fn awaits(&mut self, event: &str, limit: Duration) -> anyhow::Result<Value> {
        self.awaits_at(event, limit).map(|(_, value)| value)
    }

    /// As [`Headless::awaits`], with the time at which the event arrived here.
    ///
    /// # Errors
    /// As [`Headless::awaits`].
    pub fn awaits_at(&mut self, event: &str, limit: Duration) -> anyhow::Result<(Instant, Value)> {
        let (index, at, value) =
            self.find(limit, &format!("the event {event}"), self.seen, |line| line["ev"] == event)?;
        self.seen = index + 1;
        Ok((at, value))
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// When the program does not answer.
    pub fn snapshot(&mut self) -> anyhow::Result<Value> {
        self.command(json!({ "cmd": "snapshot" }))
    }

    /// Waits until the snapshot is such that `holds`.
    ///
    /// # Errors
    /// When `limit` passes first; with the last snapshot, and the log.
    pub fn until(
        &mut self,
        limit: Duration,
        what: &str,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let end = Instant::now() + limit;
        loop {
            let snapshot = self.snapshot()?;
            if holds(&snapshot) {
                return Ok(snapshot);
            }
            if Instant::now() >= end {
                bail!(
                    "not within {:.1} s: {what}; the snapshot is {snapshot:#}\n{}",
                    limit.as_secs_f64(),
                    self.trouble()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Tells the program to end and waits until it has.
    ///
    /// # Errors
    /// When it does not within ten seconds.
    pub fn quit(&mut self) -> anyhow::Result<ExitStatus> {
        self.send(&json!({ "cmd": "quit" }))?;
        self.process.until_exited(Duration::from_secs(10)).with_context(|| self.trouble())
    }

    /// Everything that the program has printed, one JSON value a line.
    pub fn lines(&self) -> Vec<Value> {
        self.inbox.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, line)| line.clone()).collect()
    }

    /// What the program has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn find(
        &self,
        limit: Duration,
        what: &str,
        from: usize,
        matches: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<(usize, Instant, Value)> {
        let end = Instant::now() + limit;
        let mut lines = self.inbox.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = lines.iter().enumerate().skip(from).find(|(_, (_, line))| matches(line));
            if let Some((index, (at, line))) = found {
                return Ok((index, *at, line.clone()));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let others: Vec<String> = lines.iter().skip(from).map(|(_, line)| line.to_string()).collect();
                drop(lines);
                let others = tail(&others.join("\n"), 20);
                bail!("not within {:.1} s: {what}; instead came:\n{others}\n{}", limit.as_secs_f64(), self.trouble());
            }
            lines = self.inbox.arrived.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn trouble(&self) -> String {
        format!("log of deskline-headless:\n{}", tail(&self.process.log(), 60))
    }
}
