//! What it takes from one mouth to the other's ear, and what the program spends on it.
//!
//! Two of the same program, registered at one Kamailio, media direct between them, each at a seat of one sound server
//! whose devices share one clock.

use std::time::{Duration, Instant};

use anyhow::bail;
use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::pulse::{Pulse, RATE};
use deskline_tests::tree;
use serde_json::json;

use super::statistics::Figure;
use super::{Extent, LIMIT, Who, chirp, figure};
use crate::shell;

/// Codecs in our words and in baresip's.
const CODECS: [(&str, &str, &str); 2] = [("PCMU", "pcmu", "pcmu"), ("Opus", "opus", "opus/48000/2")];

/// For both codecs and both programs: delay, chirps lost, processor time and memory of the caller.
pub fn measure(extent: Extent) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, ours, theirs) in CODECS {
        let mut runs: [Vec<Run>; 2] = Default::default();
        // In turn, so that both meet the same machine.
        for _ in 0..extent.calls {
            for (who, runs) in Who::ALL.into_iter().zip(&mut runs) {
                eprintln!("xtask: a call of {} with {name}", who.name());
                runs.push(call(who, if who == Who::Deskline { ours } else { theirs })?);
            }
        }
        for (who, runs) in Who::ALL.into_iter().zip(&runs) {
            let each = |value: fn(&Run) -> f64| runs.iter().map(value).collect::<Vec<_>>();
            figures.extend([
                figure(
                    format!("mouth to ear, {name}"),
                    "ms",
                    who,
                    runs.iter().flat_map(|run| run.delays.clone()).collect(),
                ),
                figure(format!("chirps lost of {}, {name}", chirp::COUNT), "", who, each(|run| run.lost)),
                figure(format!("processor time of a call, {name}"), "s/min", who, each(|run| run.cpu)),
                figure(format!("memory idle (PSS), {name}"), "MB", who, each(|run| run.idle)),
                figure(format!("memory in a call (PSS), {name}"), "MB", who, each(|run| run.busy)),
            ]);
        }
    }
    Ok(figures)
}

#[derive(Clone, Debug)]
struct Run {
    delays: Vec<f64>,
    lost: f64,
    cpu: f64,
    idle: f64,
    busy: f64,
}

fn call(who: Who, codec: &str) -> anyhow::Result<Run> {
    let pulse = Pulse::start(&["a", "b"])?;
    // From before the programs start: it holds the devices to short blocks.
    let recording = pulse.record()?;
    let kamailio = Kamailio::start(Digest::Md5, &[])?;
    let server = kamailio.address();
    let mut callee = Phone::start(who, codec, &server, "b", &pulse)?;
    let mut caller = Phone::start(who, codec, &server, "a", &pulse)?;
    let pid = [caller.pid()];
    std::thread::sleep(Duration::from_secs(2));
    let idle = tree::pss_megabytes(&pid);
    caller.dial(&format!("sip:b@{server}"))?;
    callee.established()?;
    caller.established()?;
    // The jitter buffers settle.
    std::thread::sleep(Duration::from_secs(2));

    let sound = chirp::train();
    let seconds = sound.len() as f64 / f64::from(RATE) + 1.0;
    let from = recording.len();
    let (begun, spent) = (Instant::now(), tree::cpu_seconds(&pid));
    let _playing = pulse.play_once("a", sound)?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let cpu = (tree::cpu_seconds(&pid) - spent) / begun.elapsed().as_secs_f64() * 60.0;
    let busy = tree::pss_megabytes(&pid);
    let delays = chirp::delays(&recording.microphone("a", from), &recording.speaker("b", from));
    let heard: Vec<f64> = delays.iter().copied().flatten().collect();
    Ok(Run { lost: (chirp::COUNT - heard.len().min(chirp::COUNT)) as f64, delays: heard, cpu, idle, busy })
}

/// One of the two programs.
enum Phone {
    Deskline(Headless),
    Baresip(Baresip),
}

impl Phone {
    fn start(who: Who, codec: &str, server: &str, seat: &str, pulse: &Pulse) -> anyhow::Result<Self> {
        match who {
            Who::Deskline => {
                let args = ["--server", server, "--user", seat, "--codec", codec, "--auto-answer", "0"];
                let mut command = shell::command(shell::built("release", "deskline-headless"), args);
                let mut program = Headless::spawn(command.envs(pulse.environment(seat)?))?;
                program.awaits("registered", LIMIT)?;
                Ok(Self::Deskline(program))
            }
            Who::Baresip => Ok(Self::Baresip(Baresip::start(&Settings {
                server,
                user: seat,
                password: "none",
                transport: "udp",
                codecs: codec,
                answer: Answer::Auto,
                voice: Voice::Seat { pulse, seat },
            })?)),
            Who::Sipp => bail!("sipp has no sound"),
        }
    }

    fn pid(&self) -> u32 {
        match self {
            Self::Deskline(program) => program.pid(),
            Self::Baresip(program) => program.pid(),
        }
    }

    fn dial(&mut self, uri: &str) -> anyhow::Result<()> {
        match self {
            Self::Deskline(program) => program.command(json!({ "cmd": "call", "uri": uri })).map(drop),
            Self::Baresip(program) => program.dial(uri),
        }
    }

    fn established(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Deskline(program) => program.awaits("established", LIMIT).map(drop),
            Self::Baresip(program) => program.awaits("CALL_ESTABLISHED", LIMIT).map(drop),
        }
    }
}
