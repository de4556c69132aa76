//! The demonstration where there is no display: the real window on a hidden screen, with virtual sound.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use deskline_tests::panel::Panel;
use deskline_tests::pulse::{Pulse, RATE};
use deskline_tests::screen::Screen;
use deskline_tests::tone;
use deskline_tests::webdriver::Window;

use crate::shell;

const SOON: Duration = Duration::from_secs(20);
/// The simulated customer speaks first and echoes afterwards.
const AFTER_THE_SPEECH: Duration = Duration::from_secs(60);

/// Signs in, takes a demo call, talks, and hangs up. Leaves pictures and a transcript in target/demo.
///
/// # Errors
/// When any of that does not come about; the transcript tells how far it went.
pub fn demo() -> anyhow::Result<()> {
    let folder = shell::target().join("demo");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut transcript = Transcript { begun: Instant::now(), folder: folder.clone(), text: String::new(), pictures: 0 };
    let result = play(&mut transcript);
    if let Err(error) = &result {
        transcript.says(&format!("it ends here: {error:#}"));
    }
    std::fs::write(folder.join("transcript.txt"), &transcript.text).context("writing the transcript")?;
    eprintln!("xtask: pictures and transcript are in {}", folder.display());
    result
}

fn play(transcript: &mut Transcript) -> anyhow::Result<()> {
    let pulse = Pulse::start(&["a"])?;
    let recording = pulse.record()?;
    transcript.says("a sound server runs, with a virtual microphone and a virtual speaker");
    let screen = Screen::start(1400, 900)?;
    transcript.says(&format!("a hidden screen runs at {}", screen.display()));
    let window = Window::open(&shell::built("debug", "deskline"), &[], screen.display(), &pulse.environment("a")?)?;
    let panel = Panel::new(window)?;
    panel.awaits("sign-in-form", SOON)?;
    transcript.shows(&panel, "the window is open: the sign-in view, filled with a demo agent")?;

    panel.click("sign-in-submit", SOON)?;
    panel.awaits_agent(3, SOON)?;
    transcript.shows(&panel, "signed in at the embedded contact centre, and ready")?;

    panel.click("demo-call", SOON)?;
    panel.awaits("answer", SOON)?;
    recording.hears("a", SOON, "the ring tone", |sound| tone::level(sound) > -50.0)?;
    transcript.shows(&panel, "a simulated customer calls; the ring tone sounds in the speaker")?;

    panel.click("answer", SOON)?;
    panel.awaits_agent(9, SOON)?;
    let answered = recording.len();
    recording.hears("a", SOON, "the customer", |sound| tone::level(sound) > -50.0)?;
    let after = (recording.len() - answered) as f64 / f64::from(RATE);
    transcript.shows(&panel, &format!("answered; the customer is heard within {after:.1} s"))?;

    let voice = pulse.play_tone("a", 700.0)?;
    recording.hears_tone("a", 700.0, AFTER_THE_SPEECH)?;
    drop(voice);
    transcript.says("a tone of 700 Hz spoken into the microphone came back from the customer's echo");

    panel.click("hold", SOON)?;
    panel.awaits_attribute("call-state", "data-state", "held", SOON)?;
    transcript.shows(&panel, "on hold")?;
    panel.click("retrieve", SOON)?;
    panel.awaits_attribute("call-state", "data-state", "talking", SOON)?;
    transcript.says("retrieved");

    panel.click("hangup", SOON)?;
    panel.awaits_agent(5, SOON)?;
    transcript.shows(&panel, "hung up; after-call work counts down")?;
    panel.click("ready-now", SOON)?;
    panel.awaits_agent(3, SOON)?;
    panel.click("nav-calls", SOON)?;
    panel.awaits("call-row", SOON)?;
    transcript.shows(&panel, "ready again; the call stands in the call list")
}

struct Transcript {
    begun: Instant,
    folder: PathBuf,
    text: String,
    pictures: u32,
}

impl Transcript {
    fn says(&mut self, what: &str) {
        let line = format!("{:6.1} s  {what}", self.begun.elapsed().as_secs_f64());
        println!("{line}");
        let _ = writeln!(self.text, "{line}");
    }

    fn shows(&mut self, panel: &Panel, what: &str) -> anyhow::Result<()> {
        self.pictures += 1;
        let name = format!("{:02}.png", self.pictures);
        panel.screenshot(&self.folder.join(&name))?;
        self.says(&format!("{what} [{name}]"));
        Ok(())
    }
}
