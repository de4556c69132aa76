//! Nothing private is logged, not even at the finest level.

use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::pulse::Pulse;
use serde_json::json;

use crate::seat::{PASSWORD, PEER, PEER_PASSWORD, SOON, USER, USERS};

/// Who we are to those we call.
const NAME: &str = "Wilhelmina Quast";
/// What is typed in the call.
const DIGITS: &str = "8642097531";

#[test]
fn log_of_a_whole_call_at_the_finest_level_has_no_number_name_password_or_nonce() {
    let pulse = Pulse::start(&["a", "b"]).unwrap();
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let mut peer = Baresip::start(&Settings {
        server: &kamailio.address(),
        user: PEER,
        password: PEER_PASSWORD,
        transport: "udp",
        codecs: "pcmu",
        answer: Answer::Auto,
        voice: Voice::Tone { hz: 700, pulse: &pulse, seat: "b" },
    })
    .unwrap();
    let mut environment = pulse.environment("a").unwrap();
    environment.push(("RUST_LOG".to_owned(), "trace".to_owned()));
    let mut phone = Headless::start(&["--after-call-work", "0"], &environment).unwrap();
    phone
        .command(json!({
            "cmd": "sign_in", "server": kamailio.address(), "user": USER, "password": PASSWORD, "display_name": NAME,
        }))
        .unwrap();
    phone.awaits("registered", SOON).unwrap();

    phone.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
    phone.awaits("established", SOON).unwrap();
    phone.command(json!({ "cmd": "send_dtmf", "digits": DIGITS })).unwrap();
    phone.until(SOON, "the digits are sent", |snapshot| snapshot["calls"][0]["dtmf"] == DIGITS).unwrap();
    phone.command(json!({ "cmd": "call_hold" })).unwrap();
    phone.until(SOON, "the call is held", |snapshot| snapshot["calls"][0]["state"] == "held").unwrap();
    phone.command(json!({ "cmd": "hangup" })).unwrap();
    phone.awaits("ended", SOON).unwrap();

    phone.until(SOON, "the agent is ready", |snapshot| snapshot["agent"]["code"] == 3).unwrap();
    peer.dial(&format!("sip:{USER}@{}", kamailio.address())).unwrap();
    phone.awaits("ringing", SOON).unwrap();
    phone.command(json!({ "cmd": "hangup" })).unwrap();
    phone.awaits("ended", SOON).unwrap();
    // What is refused is not logged either.
    let _ = phone.command(json!({ "cmd": "call", "uri": "sip:+4930901820@@" }));
    phone.command(json!({ "cmd": "calls", "search": PEER })).unwrap();
    assert!(phone.quit().unwrap().success());

    let log = phone.log();
    assert!(!log.is_empty(), "there is a log at that level");
    let mut secrets =
        [USER, PASSWORD, PEER, PEER_PASSWORD, NAME, "Wilhelmina", DIGITS, "4930901820"].map(str::to_owned).to_vec();
    secrets.extend(credentials(&kamailio.log()));
    assert!(secrets.len() > 10, "the server saw our credentials: {secrets:?}");
    let found: Vec<&str> =
        log.lines().filter(|line| secrets.iter().any(|secret| line.contains(secret.as_str()))).collect();
    assert!(found.is_empty(), "{} lines of the log tell what is private, among them:\n{}", found.len(), found[0]);
}

/// The values of nonce, cnonce and response that any client has sent.
fn credentials(log: &str) -> Vec<String> {
    log.lines()
        .filter_map(|line| line.split_once("credentials ").map(|(_, header)| header))
        .flat_map(|header| header.split(','))
        .filter_map(|parameter| parameter.trim().split_once('='))
        .filter(|(name, _)| ["nonce", "cnonce", "response"].contains(&name.trim_start_matches("Digest ")))
        .map(|(_, value)| value.trim_matches('"').to_owned())
        .filter(|value| value.len() >= 8)
        .collect()
}
