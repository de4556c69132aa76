//! The program dies in the middle of a call, the server restarts: the call goes on.

use std::path::Path;

use deskline_tests::Scratch;
use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::pulse::{Pulse, Recording};
use serde_json::{Value, json};

use crate::seat::{PASSWORD, PEER, PEER_PASSWORD, SOON, USER, USERS};

/// What is said into our microphone.
const OURS: f64 = 500.0;
/// What baresip says.
const THEIRS: u32 = 900;

struct Place {
    pulse: Pulse,
    kamailio: Kamailio,
    data: Scratch,
}

impl Place {
    fn new() -> Self {
        let pulse = Pulse::start(&["a", "b"]).unwrap();
        Self { pulse, kamailio: Kamailio::start(Digest::Md5, USERS).unwrap(), data: Scratch::new("data").unwrap() }
    }

    fn baresip(&self) -> Baresip {
        Baresip::start(&Settings {
            server: &self.kamailio.address(),
            user: PEER,
            password: PEER_PASSWORD,
            transport: "udp",
            codecs: "pcmu",
            answer: Answer::Auto,
            voice: Voice::Tone { hz: THEIRS, pulse: &self.pulse, seat: "b" },
        })
        .unwrap()
    }

    /// The program, with one folder for all its lives.
    fn phone(&self, transport: &str) -> Headless {
        let server = self.kamailio.address_for(transport);
        let data: &Path = self.data.path();
        let data = data.to_str().unwrap();
        let account = ["--server", &server, "--user", USER, "--password", PASSWORD, "--transport", transport];
        let args = [&account[..], &["--codec", "pcmu", "--data", data]].concat();
        let mut phone = Headless::start(&args, &self.pulse.environment("a").unwrap()).unwrap();
        phone.awaits("registered", SOON).unwrap();
        phone
    }

    /// In a call with the peer that both hear.
    fn talking(&self, transport: &str) -> (Baresip, Headless, Recording) {
        let peer = self.baresip();
        let mut phone = self.phone(transport);
        let recording = self.pulse.record().unwrap();
        phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
        phone.awaits("established", SOON).unwrap();
        both_hear(&recording);
        (peer, phone, recording)
    }
}

#[test]
fn call_is_taken_up_after_the_program_was_killed() {
    for transport in ["udp", "tcp"] {
        let place = Place::new();
        let _voice = place.pulse.play_tone("a", OURS).unwrap();
        let (mut peer, mut phone, recording) = place.talking(transport);
        let id = phone.snapshot().unwrap()["calls"][0]["id"].clone();
        kill(&phone);
        drop(phone);
        recording.hears_silence("b", SOON).unwrap();

        let mut phone = place.phone(transport);
        let found = |now: &Value| now["calls"][0]["recovered"] == true && now["calls"][0]["reconnecting"] == false;
        let now = phone.until(SOON, "the call is found again", found).unwrap();
        assert_eq!((&now["calls"][0]["id"], &now["calls"][0]["number"]), (&id, &json!(PEER)));
        assert_eq!(now["agent"]["code"], 10);
        both_hear(&recording);
        phone.command(json!({ "cmd": "hangup" })).unwrap();
        peer.awaits("CALL_CLOSED", SOON).unwrap();
        let calls = phone.command(json!({ "cmd": "calls" })).unwrap();
        assert_eq!((&calls["total"], &calls["calls"][0]["end"]["cause"]), (&json!(1), &json!("hung_up")));
        quits(phone);
        let mut phone = place.phone(transport);
        assert_eq!(phone.snapshot().unwrap()["calls"], json!([]), "nothing is left to recover");
        quits(phone);
    }
}

#[test]
fn call_that_ended_while_the_program_was_gone_ends_there_too() {
    let place = Place::new();
    let _voice = place.pulse.play_tone("a", OURS).unwrap();
    let (mut peer, phone, _recording) = place.talking("udp");
    kill(&phone);
    drop(phone);
    peer.hang_up().unwrap();
    peer.awaits("CALL_CLOSED", SOON).unwrap();
    let mut phone = place.phone("udp");
    let ended = phone.awaits("ended", SOON).unwrap();
    assert_eq!(ended["cause"], "peer_hung_up");
    quits(phone);
}

#[test]
fn call_survives_the_restart_of_its_server() {
    let mut place = Place::new();
    let _voice = place.pulse.play_tone("a", OURS).unwrap();
    let (_peer, mut phone, recording) = place.talking("tcp");
    place.kamailio.stop();
    let lost = |now: &Value| now["calls"][0]["reconnecting"] == true && now["registration"]["state"] == "reconnecting";
    phone.until(SOON, "the call is reconnecting", lost).unwrap();
    both_hear(&recording);
    place.kamailio.restart().unwrap();
    let back = |now: &Value| now["calls"][0]["reconnecting"] == false && now["registration"]["state"] == "registered";
    phone.until(2 * SOON, "the call has its server again", back).unwrap();
    both_hear(&recording);
    phone.command(json!({ "cmd": "hangup" })).unwrap();
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "hung_up");
    quits(phone);
}

/// In a network of its own, where addresses can be changed.
#[cfg(target_os = "linux")]
#[test]
fn call_follows_the_machine_to_another_address() {
    let unshared = |program: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--net", program]);
        command
    };
    if !unshared("true").status().is_ok_and(|status| status.success()) {
        eprintln!("no network of its own can be made here");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let inside = ["--exact", "recovery::moves_to_another_address", "--ignored", "--nocapture"];
    let output = unshared(own.to_str().unwrap()).args(inside).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{}", told.lines().filter(|line| line.contains("gap")).collect::<Vec<_>>().join("\n"));
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by the test above"]
fn moves_to_another_address() {
    let ip = |line: &str| {
        let done = std::process::Command::new("ip").args(line.split(' ')).status().unwrap();
        assert!(done.success(), "ip {line}");
    };
    // The server is at 127.0.0.1, and who calls there does so from the machine's address.
    let arrives_at = |address: &str| {
        ip(&format!("addr add {address}/32 dev lo"));
        ip(&format!("route replace local 127.0.0.1 dev lo src {address} table local"));
    };
    ip("link set lo up");
    arrives_at("10.9.0.2");
    for transport in ["udp", "tcp"] {
        let place = Place::new();
        let _voice = place.pulse.play_tone("a", OURS).unwrap();
        let (mut peer, mut phone, recording) = place.talking(transport);
        for (next, former) in [("10.9.0.3", "10.9.0.2"), ("10.9.0.2", "10.9.0.3")] {
            arrives_at(next);
            let moved = std::time::Instant::now();
            ip(&format!("addr del {former}/32 dev lo"));
            both_hear(&recording);
            println!("{transport}: gap of at most {} ms in what both hear", moved.elapsed().as_millis());
            phone.until(SOON, "the call has its server again", |now| now["calls"][0]["reconnecting"] == false).unwrap();
        }
        phone.command(json!({ "cmd": "hangup" })).unwrap();
        peer.awaits("CALL_CLOSED", SOON).unwrap();
        quits(phone);
    }
}

/// Without a farewell, as a crash does.
fn kill(phone: &Headless) {
    let status = std::process::Command::new("kill").args(["-KILL", &phone.pid().to_string()]).status().unwrap();
    assert!(status.success());
}

fn both_hear(recording: &Recording) {
    recording.hears_tone("b", OURS, SOON).unwrap();
    recording.hears_tone("a", f64::from(THEIRS), SOON).unwrap();
}

fn quits(mut phone: Headless) {
    let status = phone.quit().unwrap();
    assert!(status.success(), "{status}\n{}", phone.log());
}
