//! Sound devices that are missing, come and go.

use deskline_tests::headless::Headless;
use deskline_tests::pulse::Pulse;
use serde_json::{Value, json};

use crate::seat::SOON;

#[test]
fn call_without_any_sound_device_is_possible_and_the_lack_is_said() {
    let pulse = Pulse::start(&[]).unwrap();
    let mut phone = Headless::start(&["--demo"], &pulse.server_environment().unwrap()).unwrap();
    phone.awaits("registered", SOON).unwrap();
    phone.command(json!({ "cmd": "call", "uri": "9196" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    phone
        .until(SOON, "a notice that the microphone is missing", |now| notices(now).contains(&"microphone_missing"))
        .unwrap();
    phone.command(json!({ "cmd": "hangup" })).unwrap();
    phone.awaits("ended", SOON).unwrap();
    assert!(phone.quit().unwrap().success());
}

#[test]
fn without_a_sound_server_the_program_works_and_says_what_is_missing() {
    let nowhere = ("PULSE_SERVER".to_owned(), "unix:/nonexistent/pulse".to_owned());
    let mut phone = Headless::start(&["--demo"], &[nowhere]).unwrap();
    phone.awaits("registered", SOON).unwrap();
    phone.command(json!({ "cmd": "call", "uri": "9196" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    phone
        .until(SOON, "a notice about the microphone", |now| {
            notices(now).iter().any(|code| code.starts_with("microphone_"))
        })
        .unwrap();
    assert!(phone.quit().unwrap().success());
}

#[test]
fn microphone_pulled_out_in_mid_call_is_said_and_the_call_goes_on() {
    let mut pulse = Pulse::start(&["a"]).unwrap();
    let mut phone = Headless::start(&["--demo"], &pulse.environment("a").unwrap()).unwrap();
    phone.awaits("registered", SOON).unwrap();
    phone
        .until(SOON, "the devices are listed", |now| {
            ids(&now["devices"]["inputs"]).iter().any(|id| id.contains("mic_a"))
        })
        .unwrap();
    phone.command(json!({ "cmd": "select_device", "role": "microphone", "device": "pulse:mic_a" })).ok();
    phone.command(json!({ "cmd": "call", "uri": "9196" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    pulse.unplug("mic_a").unwrap();
    phone
        .until(SOON, "the microphone is gone from the list", |now| {
            !ids(&now["devices"]["inputs"]).iter().any(|id| id.contains("mic_a"))
        })
        .unwrap();
    assert_eq!(phone.snapshot().unwrap()["calls"][0]["state"], "talking");
    assert!(phone.quit().unwrap().success());
}

fn notices(snapshot: &Value) -> Vec<&str> {
    snapshot["notices"].as_array().into_iter().flatten().filter_map(|notice| notice["code"].as_str()).collect()
}

fn ids(devices: &Value) -> Vec<String> {
    devices.as_array().into_iter().flatten().filter_map(|device| device["id"].as_str().map(str::to_owned)).collect()
}
