//! From a command to the wire, from the wire to an event, from start to registration.

use std::time::{Duration, Instant};

use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::headless::Headless;
use deskline_tests::pulse::Pulse;
use serde_json::json;

use super::counterpart::Counterpart;
use super::statistics::Figure;
use super::{Extent, LIMIT, Who, figure};
use crate::shell;

/// All of them.
pub fn measure(extent: Extent) -> anyhow::Result<Vec<Figure>> {
    let pulse = Pulse::start(&["a"])?;
    let mut figures = starts(extent, &pulse)?;
    figures.extend(calls_of_ours(extent, &pulse)?);
    figures.push(calls_of_baresip(extent, &pulse)?);
    Ok(figures)
}

/// exec → REGISTER at the registrar.
fn starts(extent: Extent, pulse: &Pulse) -> anyhow::Result<Vec<Figure>> {
    let what = "start of the program → REGISTER at the registrar";
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..extent.repetitions.min(10) {
        let counterpart = Counterpart::start()?;
        let begun = Instant::now();
        let _program = deskline(pulse, &counterpart)?;
        ours.push(milliseconds(begun, counterpart.awaits("REGISTER ", 0, LIMIT)?));

        let counterpart = Counterpart::start()?;
        let begun = Instant::now();
        let _program = baresip(pulse, &counterpart)?;
        theirs.push(milliseconds(begun, counterpart.awaits("REGISTER ", 0, LIMIT)?));
    }
    Ok(vec![figure(what, "ms", Who::Deskline, ours), figure(what, "ms", Who::Baresip, theirs)])
}

const DIAL: &str = "command to dial → INVITE on the wire";

fn calls_of_ours(extent: Extent, pulse: &Pulse) -> anyhow::Result<Vec<Figure>> {
    let counterpart = Counterpart::start()?;
    let mut program = deskline(pulse, &counterpart)?;
    program.awaits("registered", LIMIT)?;
    let (mut dial, mut ring, mut sound) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..extent.repetitions {
        let mark = counterpart.mark();
        let begun = Instant::now();
        program.send(&json!({ "cmd": "call", "uri": "1002" }))?;
        dial.push(milliseconds(begun, counterpart.awaits("INVITE ", mark, LIMIT)?));
        program.awaits("ended", LIMIT)?;
        ready(&mut program)?;

        let begun = counterpart.invite()?;
        let (rung, _) = program.awaits_at("ringing", LIMIT)?;
        ring.push(milliseconds(begun, rung));
        let begun = Instant::now();
        program.send(&json!({ "cmd": "answer" }))?;
        sound.push(milliseconds(begun, counterpart.awaits_sound(LIMIT)?));
        program.awaits("established", LIMIT)?;
        program.command(json!({ "cmd": "hangup" }))?;
        program.awaits("ended", LIMIT)?;
        ready(&mut program)?;
    }
    Ok(vec![
        figure(DIAL, "ms", Who::Deskline, dial),
        figure("INVITE on the wire → ringing event at the client", "ms", Who::Deskline, ring),
        figure("command to answer → first RTP packet out", "ms", Who::Deskline, sound),
    ])
}

fn calls_of_baresip(extent: Extent, pulse: &Pulse) -> anyhow::Result<Figure> {
    let counterpart = Counterpart::start()?;
    let mut program = baresip(pulse, &counterpart)?;
    let mut dial = Vec::new();
    for _ in 0..extent.repetitions {
        let mark = counterpart.mark();
        let begun = Instant::now();
        program.dial(&format!("sip:1002@{}", counterpart.address()))?;
        dial.push(milliseconds(begun, counterpart.awaits("INVITE ", mark, LIMIT)?));
        program.awaits("CALL_CLOSED", LIMIT)?;
    }
    Ok(figure(DIAL, "ms", Who::Baresip, dial))
}

fn deskline(pulse: &Pulse, counterpart: &Counterpart) -> anyhow::Result<Headless> {
    let mut command = shell::command(
        shell::built("release", "deskline-headless"),
        ["--server", &counterpart.address(), "--user", "1001", "--codec", "pcmu", "--after-call-work", "0"],
    );
    Headless::spawn(command.envs(pulse.environment("a")?))
}

fn baresip(pulse: &Pulse, counterpart: &Counterpart) -> anyhow::Result<Baresip> {
    Baresip::start(&Settings {
        server: &counterpart.address(),
        user: "1001",
        password: "none",
        transport: "udp",
        codecs: "pcmu",
        answer: Answer::Manual,
        voice: Voice::Seat { pulse, seat: "a" },
    })
}

fn ready(program: &mut Headless) -> anyhow::Result<()> {
    program.until(LIMIT, "the agent is ready", |now| now["agent"]["code"] == 3).map(drop)
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    to.checked_duration_since(from).unwrap_or(Duration::ZERO).as_secs_f64() * 1e3
}
