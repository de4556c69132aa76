//! What signalling costs: a phone that answers every call, under `sipp -sn uac`, beside sipp's own; and how soon a phone is
//! registered again when its server is back.

use std::process::Command;
use std::time::{Duration, Instant};

use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::process::Output;
use deskline_tests::{Process, Scratch, port, sipp, tree};
use serde_json::json;

use super::statistics::Figure;
use super::{Extent, LIMIT, Who, figure};
use crate::shell;

/// Calls a second while processor time is measured: far from what either can do.
const RATE: usize = 1_000;
/// Dialogs that stand at once while memory is measured.
const DIALOGS: usize = 10_000;
/// Until the transactions of what was sent last are forgotten: 64·T1 and some (RFC 3261 §17.2.1, RFC 6026).
const TRANSACTIONS: Duration = Duration::from_secs(36);

/// All of them.
pub fn measure(extent: Extent) -> anyhow::Result<Vec<Figure>> {
    shell::run(shell::cargo(["build", "--release", "--package", "deskline-engine", "--example", "uas"]))?;
    let mut figures = processor_time(extent)?;
    figures.push(calls_a_second()?);
    figures.extend(memory_of_dialogs()?);
    figures.push(memory_after_many_calls(extent)?);
    figures.push(registered_again(extent)?);
    Ok(figures)
}

/// User and system time a call, of the side that answers.
fn processor_time(extent: Extent) -> anyhow::Result<Vec<Figure>> {
    let what = "processor time of an answered call";
    let (ours, theirs) = (Answering::deskline()?, Answering::sipp()?);
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for _ in 0..extent.calls.max(3) {
        us.push(ours.cost_of(5 * RATE)?);
        them.push(theirs.cost_of(5 * RATE)?);
    }
    Ok(vec![figure(what, "µs", Who::Deskline, us), figure(what, "µs", Who::Sipp, them)])
}

/// The highest of some rates at which no call fails and none is late.
fn calls_a_second() -> anyhow::Result<Figure> {
    let ours = Answering::deskline()?;
    let mut best = 0;
    for rate in [1_000, 2_000, 3_000, 4_000, 5_000, 6_000] {
        let begun = Instant::now();
        let clean = ours.is_called(3 * rate, rate, Duration::ZERO)?.until_exited(LIMIT).is_ok_and(|end| end.success());
        // Within a tenth of what was asked for: the machine kept up.
        if !clean || begun.elapsed() > Duration::from_millis(3_300) {
            break;
        }
        best = rate;
    }
    Ok(figure("calls a second without a failure, at least", "", Who::Deskline, vec![best as f64]))
}

/// Memory that ten thousand dialogs take, over their number.
fn memory_of_dialogs() -> anyhow::Result<Vec<Figure>> {
    let what = "memory of an established dialog";
    let mut figures = Vec::new();
    for (who, answering) in [(Who::Deskline, Answering::deskline()?), (Who::Sipp, Answering::sipp()?)] {
        let before = answering.kilobytes();
        let length = Duration::from_secs(10) + TRANSACTIONS + Duration::from_secs(30);
        let _callers = answering.is_called(DIALOGS, RATE, length)?;
        std::thread::sleep(Duration::from_secs((DIALOGS / RATE) as u64) + TRANSACTIONS);
        figures.push(figure(what, "KB", who, vec![(answering.kilobytes() - before) / DIALOGS as f64]));
    }
    Ok(figures)
}

/// How much memory grows between the first calls and as many again, when all have ended.
fn memory_after_many_calls(extent: Extent) -> anyhow::Result<Figure> {
    let calls = if extent.window { 50_000 } else { 20_000 };
    let answering = Answering::deskline()?;
    let mut after = Vec::new();
    for _ in 0..2 {
        let mut callers = answering.is_called(calls, 2 * RATE, Duration::ZERO)?;
        callers.until_exited(Duration::from_secs(120))?;
        std::thread::sleep(TRANSACTIONS);
        after.push(answering.kilobytes());
    }
    let what = format!("growth of memory from {calls} calls to {}", 2 * calls);
    Ok(figure(what, "KB", Who::Deskline, vec![after[1] - after[0]]))
}

/// The server answers again → the phone is registered again.
fn registered_again(extent: Extent) -> anyhow::Result<Figure> {
    let mut times = Vec::new();
    for _ in 0..extent.calls.max(3) {
        let mut kamailio = Kamailio::start(Digest::Md5, &[("1001", "secret")])?;
        let mut command = shell::command(
            shell::built("release", "deskline-headless"),
            [
                "--server",
                &kamailio.address(),
                "--user",
                "1001",
                "--password",
                "secret",
                "--transport",
                "tcp",
                "--no-sound",
            ],
        );
        let mut phone = Headless::spawn(&mut command)?;
        phone.awaits("registered", LIMIT)?;
        kamailio.stop();
        phone.until(LIMIT, "the loss is noticed", |now| now["registration"]["state"] == "reconnecting")?;
        kamailio.restart()?;
        let begun = Instant::now();
        let (registered, _) = phone.awaits_at("registered", 3 * LIMIT)?;
        times.push(registered.saturating_duration_since(begun).as_secs_f64());
        phone.command(json!({ "cmd": "sign_out" }))?;
    }
    Ok(figure("server answers again → registered again, TCP", "s", Who::Deskline, times))
}

/// A program that answers every call.
struct Answering {
    process: Process,
    scratch: Scratch,
    address: String,
}

impl Answering {
    fn deskline() -> anyhow::Result<Self> {
        let at = sipp::place().to_string();
        let mut command = Command::new(shell::target().join("release/examples/uas"));
        command.arg(&at);
        Self::start("uas", command, at)
    }

    fn sipp() -> anyhow::Result<Self> {
        let at = sipp::place();
        let mut command = Command::new("sipp");
        command.args(["-sn", "uas", "-nostdin", "-i", "127.0.0.1", "-p", &at.port().to_string()]);
        command.args(["-mp", &port::free_run(4).to_string()]);
        Self::start("sipp-uas", command, at.to_string())
    }

    fn start(name: &str, mut command: Command, address: String) -> anyhow::Result<Self> {
        let scratch = Scratch::new(name)?;
        command.current_dir(scratch.path()).env("TERM", "dumb");
        let process = Process::spawn(name, &mut command, scratch.path(), Output::Log)?;
        let answering = Self { process, scratch, address };
        // The first calls wait for it, and warm it up.
        answering.is_called(200, 200, Duration::ZERO)?.until_exited(LIMIT)?;
        Ok(answering)
    }

    /// Starts so many calls of that length by sipp.
    fn is_called(&self, calls: usize, rate: usize, length: Duration) -> anyhow::Result<Process> {
        let mut command = Command::new("sipp");
        command.args(["-sn", "uac", &self.address, "-i", "127.0.0.1", "-nostdin"]).env("TERM", "dumb");
        command.args(["-p", &port::free().to_string(), "-mp", &port::free_run(4).to_string()]);
        command.args(["-m", &calls.to_string(), "-r", &rate.to_string(), "-l", &(2 * DIALOGS).to_string()]);
        command.args(["-d", &length.as_millis().to_string()]).current_dir(self.scratch.path());
        Process::spawn("sipp-uac", &mut command, self.scratch.path(), Output::Log)
    }

    /// Microseconds of processor a call.
    fn cost_of(&self, calls: usize) -> anyhow::Result<f64> {
        let before = tree::cpu_seconds(&[self.process.pid()]);
        self.is_called(calls, RATE, Duration::ZERO)?.until_exited(2 * LIMIT)?;
        Ok((tree::cpu_seconds(&[self.process.pid()]) - before) * 1e6 / calls as f64)
    }

    fn kilobytes(&self) -> f64 {
        tree::pss_megabytes(&[self.process.pid()]) * 1000.0
    }
}
