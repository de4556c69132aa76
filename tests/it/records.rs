//! What stays when the program has ended: the call list and the tracking events.

use deskline_tests::headless::Headless;
use deskline_tests::scratch::Scratch;
use serde_json::{Value, json};

use crate::seat::SOON;

/// The demo's numbers, and how a call to each ends.
const FAILING: &[(&str, &str, u16)] = &[("9486", "busy", 486), ("9404", "not_found", 404), ("9603", "rejected", 603)];

#[test]
fn calls_stand_in_the_list_after_a_restart_each_with_its_own_end() {
    let scratch = Scratch::new("data").unwrap();
    let data = scratch.path().to_str().unwrap();
    let mut phone = Headless::start(&["--demo", "--no-sound", "--data", data], &[]).unwrap();
    phone.awaits("registered", SOON).unwrap();
    for (number, cause, status) in FAILING {
        phone.command(json!({ "cmd": "call", "uri": number })).unwrap();
        let ended = phone.awaits("ended", SOON).unwrap();
        assert_eq!((&ended["cause"], &ended["status"]), (&json!(cause), &json!(status)), "{number}");
    }
    phone.command(json!({ "cmd": "call", "uri": "9196" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    phone.command(json!({ "cmd": "send_dtmf", "digits": "12#" })).unwrap();
    phone.command(json!({ "cmd": "hangup" })).unwrap();
    phone.awaits("ended", SOON).unwrap();
    assert!(phone.quit().unwrap().success());

    let mut phone = Headless::start(&["--no-sound", "--data", data], &[]).unwrap();
    let page = phone.command(json!({ "cmd": "calls" })).unwrap();
    let rows: Vec<(&str, &str)> = page["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| (call["number"].as_str().unwrap(), call["end"]["cause"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rows,
        [("9196", "hung_up"), ("9603", "rejected"), ("9404", "not_found"), ("9486", "busy")],
        "newest first"
    );
    let found = phone.command(json!({ "cmd": "calls", "search": "948" })).unwrap();
    assert_eq!(found["total"], 1);
    assert!(phone.quit().unwrap().success());
}

#[test]
fn quitting_in_a_call_ends_it_and_writes_it_down() {
    let scratch = Scratch::new("data").unwrap();
    let data = scratch.path().to_str().unwrap();
    let mut phone = Headless::start(&["--demo", "--no-sound", "--data", data], &[]).unwrap();
    phone.awaits("registered", SOON).unwrap();
    phone.command(json!({ "cmd": "call", "uri": "9196" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    assert!(phone.quit().unwrap().success());

    let mut phone = Headless::start(&["--no-sound", "--data", data], &[]).unwrap();
    let page = phone.command(json!({ "cmd": "calls" })).unwrap();
    assert_eq!(page["calls"][0]["end"]["cause"], "hung_up");
    assert_ne!(page["calls"][0]["answered_ms"], Value::Null);
    assert!(phone.quit().unwrap().success());
}
