//! The rigs hold by themselves: what fails here is the machine or a peer, not the product.

use std::path::Path;
use std::time::Duration;

use deskline_tests::Scratch;
use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::linphonec::{self, Linphonec};
use deskline_tests::pulse::{Pulse, RATE};
use deskline_tests::screen::Screen;
use deskline_tests::tone;
use deskline_tests::webdriver::Window;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn tone_into_microphone_is_recorded_on_its_own_channel_only() {
    let pulse = Pulse::start(&["a", "b"]).unwrap();
    let recording = pulse.record().unwrap();
    let _tone = pulse.play_tone("b", 700.0).unwrap();
    deskline_tests::until(SOON, "the tone in the microphone of seat b", || {
        let sound = recording.microphone("b", recording.len().saturating_sub(RATE as usize / 2));
        tone::share(&sound, RATE, 700.0) > 0.9
    })
    .unwrap();
    assert!(tone::level(&recording.microphone("a", 0)) < -90.0);
    assert!(tone::level(&recording.speaker("b", 0)) < -90.0);
}

#[test]
fn two_baresips_hear_each_other_through_kamailio() {
    let pulse = Pulse::start(&["a", "b"]).unwrap();
    let kamailio = Kamailio::start(Digest::Md5, &[("alice", "secret-a"), ("bob", "secret-b")]).unwrap();
    let server = kamailio.address();
    let phone = |user, password, seat, hz, transport| {
        Baresip::start(&Settings {
            server: &server,
            user,
            password,
            transport,
            codecs: "pcmu",
            answer: Answer::Auto,
            voice: Voice::Tone { hz, pulse: &pulse, seat },
        })
        .unwrap()
    };
    let mut alice = phone("alice", "secret-a", "a", 500, "udp");
    let mut bob = phone("bob", "secret-b", "b", 900, "tcp");
    let recording = pulse.record().unwrap();
    alice.dial(&format!("sip:bob@{server}")).unwrap();
    alice.awaits("CALL_ESTABLISHED", SOON).unwrap();
    recording.hears_tone("a", 900.0, SOON).unwrap();
    recording.hears_tone("b", 500.0, SOON).unwrap();
    bob.hang_up().unwrap();
    alice.awaits("CALL_CLOSED", SOON).unwrap();
}

#[test]
fn linphonec_and_baresip_hear_each_other_through_kamailio() {
    let pulse = Pulse::start(&["a", "b"]).unwrap();
    let kamailio = Kamailio::start(Digest::Md5, &[("alice", "secret-a"), ("bob", "secret-b")]).unwrap();
    let server = kamailio.address();
    let mut alice = Linphonec::start(&linphonec::Settings {
        server: &server,
        user: "alice",
        password: "secret-a",
        transport: "udp",
        answers: true,
        pulse: &pulse,
        seat: "a",
    })
    .unwrap();
    let voice = Voice::Tone { hz: 900, pulse: &pulse, seat: "b" };
    let settings = Settings {
        server: &server,
        user: "bob",
        password: "secret-b",
        transport: "udp",
        codecs: "pcmu",
        answer: Answer::Auto,
        voice,
    };
    let mut bob = Baresip::start(&settings).unwrap();
    let _voice = pulse.play_tone("a", 500.0).unwrap();
    let recording = pulse.record().unwrap();
    alice.dial(&format!("sip:bob@{server}")).unwrap();
    alice.awaits(&["Call 1", "connected"], SOON).unwrap();
    recording.hears_tone("a", 900.0, SOON).unwrap();
    recording.hears_tone("b", 500.0, SOON).unwrap();
    alice.hang_up().unwrap();
    bob.awaits("CALL_CLOSED", SOON).unwrap();
}

#[test]
fn kamailio_refuses_a_wrong_password() {
    let pulse = Pulse::start(&["a"]).unwrap();
    let kamailio = Kamailio::start(Digest::Md5, &[("alice", "secret-a")]).unwrap();
    let refused = Baresip::start(&Settings {
        server: &kamailio.address(),
        user: "alice",
        password: "wrong",
        transport: "udp",
        codecs: "pcmu",
        answer: Answer::Auto,
        voice: Voice::Tone { hz: 440, pulse: &pulse, seat: "a" },
    });
    assert!(format!("{:#}", refused.unwrap_err()).contains("401"));
}

#[test]
fn page_with_shadow_root_is_clicked_and_photographed() {
    // WebKit's own small browser, which comes with the library.
    let folder = Path::new("/usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let browser = folder.join("webkit2gtk-4.1/MiniBrowser");
    let screen = Screen::start(800, 600).unwrap();
    let window = Window::open(&browser, &["--automation"], screen.display(), &[]).unwrap();
    let script = "document.body.innerHTML = '<main></main>'; \
        document.querySelector('main').attachShadow({ mode: 'open' }).innerHTML = '<button>one</button>'; \
        const button = document.querySelector('main').shadowRoot.querySelector('button'); \
        button.addEventListener('click', () => { button.textContent = 'two'; });";
    window.run(script, &[]).unwrap();
    let root = window.shadow(&window.find("main").unwrap()).unwrap();
    let button = window.find_in(&root, "button").unwrap();
    assert_eq!(window.text(&button).unwrap(), "one");
    window.click(&button).unwrap();
    assert_eq!(window.text(&button).unwrap(), "two");
    let picture = Scratch::new("picture").unwrap();
    window.screenshot(&picture.path().join("page.png")).unwrap();
    assert!(std::fs::read(picture.path().join("page.png")).unwrap().starts_with(b"\x89PNG"));
}
