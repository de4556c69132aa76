//! Real calls: the program, Kamailio between, baresip at the other end. Sound is proven by tones, both ways.

use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::pulse::{Pulse, RATE, Recording};
use deskline_tests::tone;
use serde_json::json;

use crate::seat::{PEER, PEER_PASSWORD, SOON, USER, USERS, phone};

/// What is said into our microphone.
const OURS: f64 = 500.0;
/// What baresip says.
const THEIRS: u32 = 900;

#[test]
fn outbound_call_over_udp_is_heard_both_ways_held_retrieved_and_ended_by_the_peer() {
    let room = Room::new();
    let mut peer = room.baresip(Answer::Auto, "pcmu", "udp");
    let mut phone = phone(&room.pulse, &room.kamailio, "udp", "pcmu");
    let _voice = room.pulse.play_tone("a", OURS).unwrap();
    let recording = room.pulse.record().unwrap();

    phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
    phone.awaits("established", SOON).unwrap();
    both_hear(&recording);
    let call = phone.snapshot().unwrap()["calls"][0].clone();
    assert_eq!(call["direction"], "outbound");
    assert_eq!(call["codec"], "PCMU");

    phone.command(json!({ "cmd": "call_hold" })).unwrap();
    phone.until(SOON, "the call is held", |snapshot| snapshot["calls"][0]["state"] == "held").unwrap();
    hears_music(&recording);
    recording.hears_silence("a", SOON).unwrap();
    phone.command(json!({ "cmd": "call_retrieve" })).unwrap();
    phone.until(SOON, "the call is retrieved", |snapshot| snapshot["calls"][0]["state"] == "talking").unwrap();
    both_hear(&recording);

    peer.hang_up().unwrap();
    let ended = phone.awaits("ended", SOON).unwrap();
    assert_eq!(ended["cause"], "peer_hung_up");
    quits(phone);
}

#[test]
fn inbound_call_over_tcp_rings_is_answered_and_ended_by_us() {
    let room = Room::new();
    let mut peer = room.baresip(Answer::Auto, "pcma", "udp");
    let mut phone = phone(&room.pulse, &room.kamailio, "tcp", "pcma");
    let _voice = room.pulse.play_tone("a", OURS).unwrap();
    let recording = room.pulse.record().unwrap();

    peer.dial(&room.uri_of_the_phone()).unwrap();
    phone.awaits("ringing", SOON).unwrap();
    peer.awaits("CALL_RINGING", SOON).unwrap();
    let ringing = phone.snapshot().unwrap();
    assert_eq!(ringing["agent"]["code"], 6);
    assert_eq!(ringing["calls"][0]["number"], PEER);
    phone.command(json!({ "cmd": "answer" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    peer.awaits("CALL_ESTABLISHED", SOON).unwrap();
    both_hear(&recording);

    phone.command(json!({ "cmd": "hangup" })).unwrap();
    let ended = phone.awaits("ended", SOON).unwrap();
    assert_eq!(ended["cause"], "hung_up");
    peer.awaits("CALL_CLOSED", SOON).unwrap();
    quits(phone);
}

#[test]
fn inbound_opus_call_over_websocket_survives_hold_by_the_peer() {
    let room = Room::new();
    let mut peer = room.baresip(Answer::Auto, "opus/48000/2", "tcp");
    let mut phone = phone(&room.pulse, &room.kamailio, "ws", "opus");
    let _voice = room.pulse.play_tone("a", OURS).unwrap();
    let recording = room.pulse.record().unwrap();

    peer.dial(&room.uri_of_the_phone()).unwrap();
    phone.awaits("ringing", SOON).unwrap();
    phone.command(json!({ "cmd": "answer" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    both_hear(&recording);
    assert_eq!(phone.snapshot().unwrap()["calls"][0]["codec"], "opus");

    peer.hold().unwrap();
    phone.until(SOON, "the peer holds", |snapshot| snapshot["calls"][0]["held_by_peer"] == true).unwrap();
    peer.resume().unwrap();
    phone.until(SOON, "the peer retrieves", |snapshot| snapshot["calls"][0]["held_by_peer"] == false).unwrap();
    both_hear(&recording);

    peer.hang_up().unwrap();
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "peer_hung_up");
    quits(phone);
}

#[test]
fn muted_microphone_is_silent_at_the_other_end() {
    let room = Room::new();
    let _peer = room.baresip(Answer::Auto, "pcmu", "udp");
    let mut phone = phone(&room.pulse, &room.kamailio, "udp", "pcmu");
    let _voice = room.pulse.play_tone("a", OURS).unwrap();
    let recording = room.pulse.record().unwrap();
    phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
    phone.awaits("established", SOON).unwrap();
    both_hear(&recording);
    phone.command(json!({ "cmd": "call_mute", "muted": true })).unwrap();
    recording.hears_silence("b", SOON).unwrap();
    recording.hears_tone("a", f64::from(THEIRS), SOON).unwrap();
    phone.command(json!({ "cmd": "call_mute", "muted": false })).unwrap();
    both_hear(&recording);
    quits(phone);
}

#[test]
fn call_that_the_peer_does_not_take_is_cancelled_and_one_that_we_do_not_take_is_missed() {
    let room = Room::new();
    let mut peer = room.baresip(Answer::Manual, "pcmu", "udp");
    let mut phone = phone(&room.pulse, &room.kamailio, "udp", "pcmu");
    phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
    phone.awaits("alerting", SOON).unwrap();
    phone.command(json!({ "cmd": "hangup" })).unwrap();
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "cancelled");
    peer.awaits("CALL_CLOSED", SOON).unwrap();

    phone.command(json!({ "cmd": "dismiss_call" })).unwrap();
    phone.until(SOON, "the agent is ready", |snapshot| snapshot["agent"]["code"] == 3).unwrap();
    peer.dial(&room.uri_of_the_phone()).unwrap();
    phone.awaits("ringing", SOON).unwrap();
    peer.hang_up().unwrap();
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "missed");
    quits(phone);
}

/// A server and the sound of two seats: ours is `a`, baresip's `b`.
struct Room {
    pulse: Pulse,
    kamailio: Kamailio,
}

impl Room {
    fn new() -> Self {
        Self { pulse: Pulse::start(&["a", "b"]).unwrap(), kamailio: Kamailio::start(Digest::Md5, USERS).unwrap() }
    }

    fn baresip(&self, answer: Answer, codecs: &str, transport: &str) -> Baresip {
        Baresip::start(&Settings {
            server: &self.kamailio.address(),
            user: PEER,
            password: PEER_PASSWORD,
            transport,
            codecs,
            answer,
            voice: Voice::Tone { hz: THEIRS, pulse: &self.pulse, seat: "b" },
        })
        .unwrap()
    }

    fn uri_of_the_phone(&self) -> String {
        format!("sip:{USER}@{}", self.kamailio.address())
    }
}

fn both_hear(recording: &Recording) {
    recording.hears_tone("b", OURS, SOON).unwrap();
    recording.hears_tone("a", f64::from(THEIRS), SOON).unwrap();
}

/// Something sounds at the other end, and it is not our microphone.
fn hears_music(recording: &Recording) {
    recording
        .hears("b", SOON, "music and not our microphone", |sound| {
            tone::level(sound) > -50.0 && tone::share(sound, RATE, OURS) < 0.3
        })
        .unwrap();
}

fn quits(mut phone: Headless) {
    let status = phone.quit().unwrap();
    assert!(status.success(), "{status}\n{}", phone.log());
}
