//! Whole calls at a real Kamailio by each transport, with baresip at the other end, and a third party where one is needed.

use std::time::Duration;

use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::linphonec::{self, Linphonec};
use deskline_tests::pulse::{Pulse, RATE, Recording};
use deskline_tests::tone;
use serde_json::{Value, json};

use crate::seat::{PASSWORD, PEER, PEER_PASSWORD, SOON, USER};

/// The third party's account.
const THIRD: &str = "4711003";
const THIRD_PASSWORD: &str = "pass-of-4711003";

const USERS: &[(&str, &str)] = &[(USER, PASSWORD), (PEER, PEER_PASSWORD), (THIRD, THIRD_PASSWORD)];

/// What is said into our microphone.
const OURS: f64 = 500.0;
/// What baresip says.
const THEIRS: u32 = 900;
/// What the third party says.
const THIRDS: f64 = 1_300.0;

#[test]
fn calls_transfers_and_messages_over_udp() {
    Room::new(Digest::Md5).works_over("udp");
}

#[test]
fn calls_transfers_and_messages_over_tcp() {
    Room::new(Digest::Md5).works_over("tcp");
}

#[test]
fn calls_transfers_and_messages_over_tls() {
    Room::new(Digest::Md5).works_over("tls");
}

#[test]
fn calls_transfers_and_messages_over_websocket() {
    Room::new(Digest::Md5).works_over("ws");
}

#[test]
fn calls_transfers_and_messages_over_secure_websocket() {
    Room::new(Digest::Md5).works_over("wss");
}

#[test]
fn call_outlives_a_restart_of_the_server_over_udp() {
    Room::new(Digest::Md5).survives_restart_over("udp");
}

#[test]
fn call_outlives_a_restart_of_the_server_over_tcp() {
    Room::new(Digest::Md5).survives_restart_over("tcp");
}

#[test]
fn call_outlives_a_restart_of_the_server_over_tls() {
    Room::new(Digest::Md5).survives_restart_over("tls");
}

#[test]
fn call_outlives_a_restart_of_the_server_over_websocket() {
    Room::new(Digest::Md5).survives_restart_over("ws");
}

#[test]
fn call_outlives_a_restart_of_the_server_over_secure_websocket() {
    Room::new(Digest::Md5).survives_restart_over("wss");
}

#[test]
fn linphonec_is_called_holds_and_hangs_up_and_calls_us() {
    let room = Room::new(Digest::Md5);
    let mut phone = room.phone("udp");
    let mut third = room.linphonec(true);
    let _voice = room.pulse.play_tone("a", OURS).unwrap();
    let _third_voice = room.pulse.play_tone("c", THIRDS).unwrap();
    let recording = room.pulse.record().unwrap();

    phone.command(json!({ "cmd": "call", "uri": THIRD })).unwrap();
    phone.awaits("established", SOON).unwrap();
    hear_each_other(&recording, ("a", OURS), ("c", THIRDS));
    third.talks(1, SOON).unwrap();
    third.hold(SOON).unwrap();
    phone.until(SOON, "linphonec holds", |now| now["calls"][0]["held_by_peer"] == true).unwrap();
    third.resume(1).unwrap();
    phone.until(SOON, "linphonec retrieves", |now| now["calls"][0]["held_by_peer"] == false).unwrap();
    hear_each_other(&recording, ("a", OURS), ("c", THIRDS));
    third.hang_up().unwrap();
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "peer_hung_up");
    becomes_ready(&mut phone);

    third.dial(&room.uri_of(USER)).unwrap();
    phone.awaits("ringing", SOON).unwrap();
    phone.command(json!({ "cmd": "answer" })).unwrap();
    hear_each_other(&recording, ("a", OURS), ("c", THIRDS));
    third.hang_up().unwrap();
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "peer_hung_up");
    quits(phone);
}

/// linphonec asks a third phone first, then connects it with us: we are the one who is transferred.
#[test]
fn attended_transfer_by_linphonec_connects_us_with_baresip() {
    let room = Room::new(Digest::Md5);
    let mut target = room.baresip(Answer::Auto);
    let mut phone = room.phone("udp");
    let mut colleague = room.linphonec(false);
    let _voice = room.pulse.play_tone("a", OURS).unwrap();
    let recording = room.pulse.record().unwrap();

    colleague.dial(&room.uri_of(USER)).unwrap();
    phone.awaits("ringing", SOON).unwrap();
    phone.command(json!({ "cmd": "answer" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    colleague.talks(1, SOON).unwrap();
    colleague.hold(SOON).unwrap();
    phone.until(SOON, "linphonec holds", |now| now["calls"][0]["held_by_peer"] == true).unwrap();
    colleague.dial(&room.uri_of(PEER)).unwrap();
    target.awaits("CALL_ESTABLISHED", SOON).unwrap();
    colleague.talks(2, SOON).unwrap();
    colleague.connect(1, 2).unwrap();
    hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));
    phone
        .until(SOON, "we talk to the target alone", |now| {
            let calls = now["calls"].as_array().cloned().unwrap_or_default();
            calls.len() == 1 && calls[0]["number"] == PEER
        })
        .unwrap();
    quits(phone);
}

/// linphonec talks to somebody, asks us, and connects us with him: we are the target, whose call is replaced.
#[test]
fn attended_transfer_to_us_replaces_our_call_with_linphonec() {
    let room = Room::new(Digest::Md5);
    let mut customer = room.second_phone();
    let mut phone = room.phone("udp");
    let mut colleague = room.linphonec(false);
    let _voices = [("a", OURS), ("b", f64::from(THEIRS))].map(|(seat, hz)| room.pulse.play_tone(seat, hz));
    let recording = room.pulse.record().unwrap();

    colleague.dial(&room.uri_of(PEER)).unwrap();
    customer.awaits("established", SOON).unwrap();
    colleague.talks(1, SOON).unwrap();
    colleague.hold(SOON).unwrap();
    colleague.dial(&room.uri_of(USER)).unwrap();
    phone.awaits("ringing", SOON).unwrap();
    phone.command(json!({ "cmd": "answer" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    colleague.talks(2, SOON).unwrap();
    colleague.connect(1, 2).unwrap();
    hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "replaced");
    phone.until(SOON, "one call is left here", one_call).unwrap();
    quits(phone);
    quits(customer);
}

/// Two phones of others: linphonec is the customer, baresip is asked first. That takes the customer's call and does not
/// end ours for it: we leave by ourselves.
#[test]
fn attended_transfer_by_us_connects_linphonec_with_baresip() {
    let room = Room::new(Digest::Md5);
    let mut customer = room.linphonec(true);
    let mut target = room.baresip(Answer::Auto);
    let mut phone = room.phone("udp");
    let _voices = [("a", OURS), ("c", THIRDS)].map(|(seat, hz)| room.pulse.play_tone(seat, hz));
    let recording = room.pulse.record().unwrap();

    phone.command(json!({ "cmd": "call", "uri": THIRD })).unwrap();
    phone.awaits("established", SOON).unwrap();
    customer.talks(1, SOON).unwrap();
    hear_each_other(&recording, ("a", OURS), ("c", THIRDS));
    phone.command(json!({ "cmd": "consult", "to": PEER })).unwrap();
    target.awaits("CALL_ESTABLISHED", SOON).unwrap();
    hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));
    phone.command(json!({ "cmd": "transfer_complete" })).unwrap();
    customer.talks(2, SOON).unwrap();
    is_rid_of_both(&mut phone);
    // Our BYE may overtake the ACK to the customer's INVITE: what follows shows that the new call stands.
    target.awaits("CALL_CLOSED", SOON).unwrap();
    hear_each_other(&recording, ("b", f64::from(THEIRS)), ("c", THIRDS));
    // They are in a call with each other: its one end ends the other.
    customer.hang_up().unwrap();
    target.awaits("CALL_CLOSED", SOON).unwrap();
    quits(phone);
}

/// linphonec is the customer, and a colleague with a phone like ours is asked first.
#[test]
fn attended_transfer_by_us_lets_linphonec_take_our_place_at_a_colleague() {
    let room = Room::new(Digest::Md5);
    let mut customer = room.linphonec(true);
    let mut colleague = room.second_phone();
    let mut phone = room.phone("udp");
    let _voices =
        [("a", OURS), ("b", f64::from(THEIRS)), ("c", THIRDS)].map(|(seat, hz)| room.pulse.play_tone(seat, hz));
    let recording = room.pulse.record().unwrap();

    phone.command(json!({ "cmd": "call", "uri": THIRD })).unwrap();
    phone.awaits("established", SOON).unwrap();
    customer.talks(1, SOON).unwrap();
    hear_each_other(&recording, ("a", OURS), ("c", THIRDS));
    phone.command(json!({ "cmd": "consult", "to": PEER })).unwrap();
    colleague.awaits("established", SOON).unwrap();
    hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));
    phone.command(json!({ "cmd": "transfer_complete" })).unwrap();
    assert_eq!(colleague.awaits("ended", SOON).unwrap()["cause"], "replaced");
    customer.talks(2, SOON).unwrap();
    is_rid_of_both(&mut phone);
    hear_each_other(&recording, ("b", f64::from(THEIRS)), ("c", THIRDS));
    let left = colleague.snapshot().unwrap()["calls"].clone();
    assert_eq!((left.as_array().map(Vec::len), &left[0]["number"]), (Some(1), &json!(THIRD)));
    customer.hang_up().unwrap();
    assert_eq!(colleague.awaits("ended", SOON).unwrap()["cause"], "peer_hung_up");
    quits(phone);
    quits(colleague);
}

/// The customer has a phone like ours, and linphonec is asked first: it gives the call with us up for the customer's.
#[test]
fn attended_transfer_by_us_lets_a_customer_take_our_place_at_linphonec() {
    let room = Room::new(Digest::Md5);
    let mut customer = room.second_phone();
    let mut target = room.linphonec(true);
    let mut phone = room.phone("udp");
    let _voices =
        [("a", OURS), ("b", f64::from(THEIRS)), ("c", THIRDS)].map(|(seat, hz)| room.pulse.play_tone(seat, hz));
    let recording = room.pulse.record().unwrap();

    phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
    phone.awaits("established", SOON).unwrap();
    customer.awaits("established", SOON).unwrap();
    hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));
    phone.command(json!({ "cmd": "consult", "to": THIRD })).unwrap();
    target.talks(1, SOON).unwrap();
    hear_each_other(&recording, ("a", OURS), ("c", THIRDS));
    phone.command(json!({ "cmd": "transfer_complete" })).unwrap();
    customer.awaits("established", SOON).unwrap();
    target.awaits(&["Call 1 ", " ended"], SOON).unwrap();
    target.talks(2, SOON).unwrap();
    is_rid_of_both(&mut phone);
    hear_each_other(&recording, ("b", f64::from(THEIRS)), ("c", THIRDS));
    let with_target = |now: &Value| one_call(now) && now["calls"][0]["number"] == THIRD;
    customer.until(SOON, "the customer has one call, with the target", with_target).unwrap();
    target.hang_up().unwrap();
    customer.until(SOON, "linphonec's end is the customer's end", |now| now["calls"] == json!([])).unwrap();
    quits(phone);
    quits(customer);
}

/// A server and the sound of three seats: ours is `a`, baresip's `b`, a third party's `c`.
struct Room {
    pulse: Pulse,
    kamailio: Kamailio,
}

impl Room {
    fn new(digest: Digest) -> Self {
        Self { pulse: Pulse::start(&["a", "b", "c"]).unwrap(), kamailio: Kamailio::start(digest, USERS).unwrap() }
    }

    fn works_over(&self, transport: &str) {
        let mut peer = self.baresip(Answer::Auto);
        let mut phone = self.phone(transport);
        let _voice = self.pulse.play_tone("a", OURS).unwrap();
        let recording = self.pulse.record().unwrap();
        let both_hear = || hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));

        phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
        phone.awaits("established", SOON).unwrap();
        both_hear();
        phone.command(json!({ "cmd": "call_hold" })).unwrap();
        phone.until(SOON, "the call is held", |now| now["calls"][0]["state"] == "held").unwrap();
        hears_music(&recording);
        phone.command(json!({ "cmd": "call_retrieve" })).unwrap();
        phone.until(SOON, "the call is retrieved", |now| now["calls"][0]["state"] == "talking").unwrap();
        both_hear();
        peer.hang_up().unwrap();
        assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "peer_hung_up");
        becomes_ready(&mut phone);

        peer.dial(&self.uri_of(USER)).unwrap();
        phone.awaits("ringing", SOON).unwrap();
        phone.command(json!({ "cmd": "answer" })).unwrap();
        phone.awaits("established", SOON).unwrap();
        both_hear();
        peer.hold().unwrap();
        phone.until(SOON, "the peer holds", |now| now["calls"][0]["held_by_peer"] == true).unwrap();
        peer.resume().unwrap();
        phone.until(SOON, "the peer retrieves", |now| now["calls"][0]["held_by_peer"] == false).unwrap();
        both_hear();
        phone.command(json!({ "cmd": "hangup" })).unwrap();
        peer.awaits("CALL_CLOSED", SOON).unwrap();
        becomes_ready(&mut phone);

        let mut third = self.silent(&self.kamailio.address(), "udp", THIRD, THIRD_PASSWORD, &[]);
        phone.command(json!({ "cmd": "call", "uri": THIRD })).unwrap();
        phone.awaits("alerting", SOON).unwrap();
        phone.command(json!({ "cmd": "hangup" })).unwrap();
        assert_eq!(third.awaits("ended", SOON).unwrap()["cause"], "missed");
        becomes_ready(&mut phone);
        becomes_ready(&mut third);
        third.command(json!({ "cmd": "call", "uri": USER })).unwrap();
        phone.awaits("ringing", SOON).unwrap();
        third.command(json!({ "cmd": "hangup" })).unwrap();
        assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "missed");
        becomes_ready(&mut phone);
        becomes_ready(&mut third);

        writes(&mut phone, &mut third, THIRD);
        writes(&mut third, &mut phone, USER);

        phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
        phone.awaits("established", SOON).unwrap();
        both_hear();
        phone.command(json!({ "cmd": "transfer", "to": THIRD })).unwrap();
        third.awaits("ringing", SOON).unwrap();
        third.command(json!({ "cmd": "answer" })).unwrap();
        third.awaits("established", SOON).unwrap();
        assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "transferred");
        assert_eq!(third.snapshot().unwrap()["calls"][0]["number"], PEER);
        quits(third);
        quits(phone);
    }

    fn survives_restart_over(mut self, transport: &str) {
        let mut peer = self.baresip(Answer::Auto);
        let mut phone = self.phone(transport);
        let _voice = self.pulse.play_tone("a", OURS).unwrap();
        let recording = self.pulse.record().unwrap();
        phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
        phone.awaits("established", SOON).unwrap();
        hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));

        self.kamailio.stop();
        if transport == "udp" {
            // No connection breaks: what is sent next is refused by the server's host.
            phone.command(json!({ "cmd": "send_message", "to": PEER, "body": "?" })).unwrap();
        }
        phone.until(SOON, "the loss is noticed", |now| now["registration"]["state"] == "reconnecting").unwrap();
        hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));
        self.kamailio.restart().unwrap();
        phone.awaits("registered", LONG).unwrap();
        hear_each_other(&recording, ("a", OURS), ("b", f64::from(THEIRS)));
        let settled = |now: &Value| now["calls"][0]["state"] == "talking" && now["calls"][0]["reconnecting"] != true;
        phone.until(SOON, "the call is as it was", settled).unwrap();
        // The far side has learned where we are to be found now.
        peer.hang_up().unwrap();
        assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "peer_hung_up");
        quits(phone);
    }

    fn baresip(&self, answer: Answer) -> Baresip {
        Baresip::start(&Settings {
            server: &self.kamailio.address(),
            user: PEER,
            password: PEER_PASSWORD,
            transport: "udp",
            codecs: "pcmu",
            answer,
            voice: Voice::Tone { hz: THEIRS, pulse: &self.pulse, seat: "b" },
        })
        .unwrap()
    }

    fn linphonec(&self, answers: bool) -> Linphonec {
        Linphonec::start(&linphonec::Settings {
            server: &self.kamailio.address(),
            user: THIRD,
            password: THIRD_PASSWORD,
            transport: "udp",
            answers,
            pulse: &self.pulse,
            seat: "c",
        })
        .unwrap()
    }

    /// The phone at seat `a`, registered by that transport.
    fn phone(&self, transport: &str) -> Headless {
        let args = ["--codec", "pcmu", "--after-call-work", "0"];
        let phone = Headless::start(&args, &self.pulse.environment("a").unwrap()).unwrap();
        self.signed_in(phone, &self.kamailio.address_for(transport), transport, USER, PASSWORD)
    }

    /// A phone of ours at seat `b`, in place of baresip, which knows no Replaces.
    fn second_phone(&self) -> Headless {
        let args = ["--codec", "pcmu", "--after-call-work", "0", "--auto-answer"];
        let phone = Headless::start(&args, &self.pulse.environment("b").unwrap()).unwrap();
        self.signed_in(phone, &self.kamailio.address(), "udp", PEER, PEER_PASSWORD)
    }

    /// A phone without sound.
    fn silent(&self, server: &str, transport: &str, user: &str, password: &str, more: &[&str]) -> Headless {
        let args = [&["--codec", "pcmu", "--after-call-work", "0", "--no-sound"], more].concat();
        self.signed_in(Headless::start(&args, &[]).unwrap(), server, transport, user, password)
    }

    fn signed_in(&self, mut phone: Headless, server: &str, transport: &str, user: &str, password: &str) -> Headless {
        let trust = self.kamailio.trust_file();
        phone
            .command(json!({
                "cmd": "sign_in", "server": server, "user": user, "password": password, "transport": transport,
                "domain": self.kamailio.address(), "options": { "tls": { "trust_file": trust } },
            }))
            .unwrap();
        phone.awaits("registered", SOON).unwrap();
        phone.until(SOON, "the agent is ready", |now| now["agent"]["code"] == 3).unwrap();
        phone
    }

    fn uri_of(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.kamailio.address())
    }
}

fn one_call(now: &Value) -> bool {
    now["calls"].as_array().is_some_and(|calls| calls.len() == 1)
}

/// The others have one another: our calls are over, and it was not they who broke them off.
#[track_caller]
fn is_rid_of_both(phone: &mut Headless) {
    for _ in 0..2 {
        assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "transferred");
    }
    phone.until(SOON, "we are rid of both calls", |now| now["calls"] == json!([])).unwrap();
}

/// A registrar that is not there is tried again after a while that doubles (RFC 5626, 4.5).
const LONG: Duration = Duration::from_secs(60);

/// Each seat hears what is said at the other.
#[track_caller]
fn hear_each_other(recording: &Recording, one: (&str, f64), other: (&str, f64)) {
    recording.hears_tone(one.0, other.1, SOON).unwrap();
    recording.hears_tone(other.0, one.1, SOON).unwrap();
}

/// Something sounds at the other end, and it is not our microphone.
fn hears_music(recording: &Recording) {
    recording
        .hears("b", SOON, "music and not our microphone", |sound| {
            tone::level(sound) > -50.0 && tone::share(sound, RATE, OURS) < 0.3
        })
        .unwrap();
}

fn writes(from: &mut Headless, to: &mut Headless, address: &str) {
    let text = "工单已更新 ✓";
    let id = from.command(json!({ "cmd": "send_message", "to": address, "body": text })).unwrap();
    assert_eq!(to.awaits("message", SOON).unwrap()["body"], text);
    assert_eq!(from.awaits("message_sent", SOON).unwrap()["id"], id);
}

fn becomes_ready(phone: &mut Headless) {
    phone.until(SOON, "the agent is ready", |now| now["agent"]["code"] == 3).unwrap();
}

fn quits(mut phone: Headless) {
    let status = phone.quit().unwrap();
    assert!(status.success(), "{status}\n{}", phone.log());
}
