//! The real window: the built program on a hidden screen, with virtual sound, worked by clicks.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deskline_tests::headless::built;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::panel::Panel;
use deskline_tests::pulse::{Pulse, RATE, Recording};
use deskline_tests::screen::Screen;
use deskline_tests::webdriver::Window;
use deskline_tests::{port, tone, tree};
use rustix::process::{Pid, Signal, kill_process};

use crate::seat::{PASSWORD, SOON, USER, USERS};

/// The simulated customer speaks first and echoes afterwards.
const AFTER_THE_SPEECH: Duration = Duration::from_secs(60);

#[test]
fn agent_signs_in_takes_a_demo_call_is_heard_holds_hangs_up_and_is_ready_again() {
    let mut desk = Desk::new();
    let recording = desk.pulse.record().unwrap();
    let panel = &desk.panel;
    panel.awaits("sign-in-form", SOON).unwrap();
    desk.shot("01-sign-in");
    panel.click("sign-in-submit", SOON).unwrap();
    panel.awaits_agent(3, SOON).unwrap();
    desk.shot("02-ready");

    panel.click("demo-call", SOON).unwrap();
    panel.awaits("answer", SOON).unwrap();
    panel.awaits_agent(6, SOON).unwrap();
    recording.hears("a", SOON, "the ring tone", |sound| tone::level(sound) > -50.0).unwrap();
    let caller = panel.text("call-number").unwrap();
    assert!(caller.chars().any(|letter| letter.is_ascii_digit()), "{caller}");
    desk.shot("03-ringing");

    panel.click("answer", SOON).unwrap();
    panel.awaits_agent(9, SOON).unwrap();
    recording.hears("a", SOON, "the customer", |sound| tone::level(sound) > -50.0).unwrap();
    desk.shot("04-talking");
    echoes(&desk.pulse, &recording, 600.0);
    echoes(&desk.pulse, &recording, 1500.0);

    panel.click("hold", SOON).unwrap();
    panel.awaits_attribute("call-state", "data-state", "held", SOON).unwrap();
    panel.awaits_agent(12, SOON).unwrap();
    desk.shot("05-held");
    recording.hears_silence("a", SOON).unwrap();
    panel.click("retrieve", SOON).unwrap();
    panel.awaits_attribute("call-state", "data-state", "talking", SOON).unwrap();
    echoes(&desk.pulse, &recording, 600.0);

    panel.click("hangup", SOON).unwrap();
    panel.awaits_agent(5, SOON).unwrap();
    panel.awaits("acw-timer", SOON).unwrap();
    desk.shot("06-after-call-work");
    panel.click("ready-now", SOON).unwrap();
    panel.awaits_agent(3, SOON).unwrap();

    panel.click("nav-calls", SOON).unwrap();
    panel.awaits("call-row", SOON).unwrap();
    assert_eq!(panel.count("call-row").unwrap(), 1);
    desk.shot("07-calls");

    // The call is on disk: the program that is started anew shows it.
    desk.panel.window_mut().close().unwrap();
    desk.panel.window_mut().reopen(&desk.program, &[]).unwrap();
    desk.panel.click("nav-calls", SOON).unwrap();
    desk.panel.awaits("call-row", SOON).unwrap();
    assert_eq!(desk.panel.count("call-row").unwrap(), 1);
}

#[test]
fn call_goes_on_while_the_page_is_loaded_anew() {
    let desk = Desk::new();
    let recording = desk.pulse.record().unwrap();
    let caller = desk.talks();
    desk.panel.window().reload().unwrap();
    desk.panel.awaits_agent(9, SOON).unwrap();
    desk.panel.awaits("call-card", SOON).unwrap();
    desk.panel.awaits_attribute("call-state", "data-state", "talking", SOON).unwrap();
    assert_eq!(desk.panel.text("call-number").unwrap(), caller);
    desk.shot("08-after-reload");
    echoes(&desk.pulse, &recording, 700.0);
    desk.panel.click("hangup", SOON).unwrap();
    desk.panel.awaits_agent(5, SOON).unwrap();
}

#[test]
fn call_goes_on_when_the_web_view_is_killed() {
    let desk = Desk::new();
    let recording = desk.pulse.record().unwrap();
    desk.talks();
    let hang_up = desk.panel.awaits("hangup", SOON).unwrap();
    let place = desk.panel.window().middle(&hang_up).unwrap();
    let web_view = desk.web_view().unwrap();
    kill_process(Pid::from_raw(web_view.cast_signed()).unwrap(), Signal::KILL).unwrap();
    // The call does not notice, …
    echoes(&desk.pulse, &recording, 700.0);
    deskline_tests::until(SOON, "a new web view", || desk.web_view().is_some_and(|new| new != web_view)).unwrap();
    // … and the new page shows it: the button that ends it stands where it stood. WebKit's driver has lost the page with
    // the process, so a mouse presses it, until the customer's echo is gone.
    let _voice = desk.pulse.play_tone("a", 700.0).unwrap();
    recording.hears_tone("a", 700.0, SOON).unwrap();
    let mut heard = recording.len();
    deskline_tests::until(SOON, "the call is hung up by a click in the new page", || {
        if recording.len() < heard + RATE as usize {
            return false;
        }
        let silent = tone::level(&recording.speaker("a", recording.len() - RATE as usize / 2)) < -60.0;
        if !silent {
            desk.screen.click("Deskline", place).unwrap();
        }
        heard = recording.len();
        silent
    })
    .unwrap();
}

#[test]
fn failed_sign_in_is_said_in_both_languages_and_can_be_corrected() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let desk = Desk::new();
    let panel = &desk.panel;
    panel.fill("sign-in-server", &kamailio.address()).unwrap();
    panel.fill("sign-in-user", USER).unwrap();
    panel.fill("sign-in-password", "not it").unwrap();
    panel.click("sign-in-submit", SOON).unwrap();
    panel.awaits_attribute("sign-in-error", "data-code", "wrong_credentials", SOON).unwrap();
    desk.says("sign-in-error", "Wrong user or password", "账号或密码错误", "10-wrong-password");

    panel.fill("sign-in-server", &format!("127.0.0.1:{}", port::free())).unwrap();
    panel.fill("sign-in-user", USER).unwrap();
    panel.choose("sign-in-transport-tcp").unwrap();
    panel.click("sign-in-submit", SOON).unwrap();
    panel.awaits_attribute("sign-in-error", "data-code", "connection_refused", SOON).unwrap();
    desk.says("sign-in-error", "Connection refused", "服务器拒绝连接", "11-refused");

    panel.fill("sign-in-server", &kamailio.address()).unwrap();
    panel.fill("sign-in-user", USER).unwrap();
    panel.fill("sign-in-password", PASSWORD).unwrap();
    panel.click("sign-in-submit", SOON).unwrap();
    panel.awaits_agent(3, SOON).unwrap();
}

#[test]
fn customer_is_transferred_to_a_colleague_blindly_and_after_a_consultation() {
    let desk = Desk::new();
    let panel = &desk.panel;
    desk.talks();
    // Nobody picks up there: the customer stays.
    panel.click("transfer", SOON).unwrap();
    panel.fill("transfer-input", "9404").unwrap();
    panel.click("transfer-blind", SOON).unwrap();
    panel.awaits_attribute("transfer-progress", "data-state", "failed", SOON).unwrap();
    desk.shot("20-transfer-failed");
    panel.awaits_attribute("call-state", "data-state", "talking", SOON).unwrap();
    panel.click("transfer-again", SOON).unwrap();
    panel.fill("transfer-input", "1003").unwrap();
    desk.shot("21-transfer");
    panel.click("transfer-blind", SOON).unwrap();
    panel.awaits_attribute("transfer-progress", "data-state", "ringing", SOON).unwrap();
    desk.shot("22-transfer-ringing");
    panel.awaits_agent(5, SOON).unwrap();
    panel.awaits_attribute("end-cause", "data-cause", "transferred", SOON).unwrap();

    panel.click("ready-now", SOON).unwrap();
    panel.awaits_agent(3, SOON).unwrap();
    panel.click("demo-call", SOON).unwrap();
    panel.click("answer", SOON).unwrap();
    panel.awaits_attribute("call-state", "data-state", "talking", SOON).unwrap();
    let customer = panel.text("call-number").unwrap();
    panel.click("transfer", SOON).unwrap();
    panel.fill("transfer-input", "1003").unwrap();
    panel.click("transfer-consult", SOON).unwrap();
    panel.awaits_attribute("call-state", "data-state", "talking", SOON).unwrap();
    let asked = || panel.text("call-number").is_ok_and(|shown| shown == "1003");
    deskline_tests::until(SOON, "the colleague has answered", asked).unwrap();
    panel.awaits_attribute("call-bar", "data-state", "held", SOON).unwrap();
    desk.shot("23-consulting");
    panel.click("bar-swap", SOON).unwrap();
    let back = || panel.text("call-number").is_ok_and(|shown| shown == customer);
    deskline_tests::until(SOON, "the customer is talked to again", back).unwrap();
    desk.shot("24-swapped");
    panel.awaits_attribute("call-bar", "data-state", "held", SOON).unwrap();
    panel.click("consult-complete", SOON).unwrap();
    panel.awaits_agent(5, SOON).unwrap();
    panel.awaits_attribute("end-cause", "data-cause", "transferred", SOON).unwrap();
    desk.shot("25-transferred");
}

/// What goes into the microphone comes back from the customer.
fn echoes(pulse: &Pulse, recording: &Recording, hz: f64) {
    let _voice = pulse.play_tone("a", hz).unwrap();
    recording.hears_tone("a", hz, AFTER_THE_SPEECH).unwrap();
}

/// The program in its window, with the sound of seat `a`.
struct Desk {
    // In the order in which they end.
    panel: Panel,
    screen: Screen,
    pulse: Pulse,
    program: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Desk {
    fn new() -> Self {
        // Two windows at a time are slow on a small machine, and slowness is not what is tested.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let pulse = Pulse::start(&["a"]).unwrap();
        let screen = Screen::start(1400, 900).unwrap();
        let program = built("deskline").unwrap();
        let window = Window::open(&program, &[], screen.display(), &pulse.environment("a").unwrap()).unwrap();
        Self { panel: Panel::new(window).unwrap(), screen, pulse, program, _alone: alone }
    }

    /// The element says this in English and that in Chinese; pictures of both are kept.
    fn says(&self, id: &str, english: &str, chinese: &str, name: &str) {
        for (language, text) in [("en", english), ("zh-CN", chinese)] {
            self.panel.click("nav-settings", SOON).unwrap();
            self.panel.choose(&format!("language-{language}")).unwrap();
            self.panel.click("nav-incoming", SOON).unwrap();
            let shows = || self.panel.text(id).is_ok_and(|shown| shown.contains(text));
            deskline_tests::until(SOON, text, shows).unwrap();
            self.shot(&format!("{name}-{language}"));
        }
    }

    /// Signs in and answers a demo call; returns the caller's number as it is shown.
    fn talks(&self) -> String {
        self.panel.click("sign-in-submit", SOON).unwrap();
        self.panel.awaits_agent(3, SOON).unwrap();
        self.panel.click("demo-call", SOON).unwrap();
        self.panel.click("answer", SOON).unwrap();
        self.panel.awaits_agent(9, SOON).unwrap();
        self.panel.text("call-number").unwrap()
    }

    /// The process in which the page runs.
    fn web_view(&self) -> Option<u32> {
        tree::tree(self.panel.window().driver_pid()).into_iter().find(|&pid| tree::name(pid) == "WebKitWebProces")
    }

    /// Keeps a picture among the results of the run.
    fn shot(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/shots");
        self.panel.screenshot(&folder.join(format!("{name}.png"))).unwrap();
    }
}
