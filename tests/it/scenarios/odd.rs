//! Odd but legal formatting, and what must be refused.

use deskline_tests::relay::Side;
use serde_json::{Value, json};

use super::Wired;
use crate::seat::SOON;

#[test]
fn requests_outside_calls_are_answered_as_the_rfc_says() {
    let wired = Wired::new();
    let sipp = wired.plays("asks", &[]);
    wired.finishes(sipp);
    assert!(wired.phone.lines().iter().all(|line| line["ev"] != "ringing"), "nothing of it is a call");
}

#[test]
fn odd_but_legal_requests_are_understood() {
    for (contact, from, number, name) in [
        ("<sip:odd@127.0.0.1:9;transport=UDP>;unknown", "Odd One <sip:2002@h>;tag=a", "2002", "Odd One"),
        ("sip:2002@127.0.0.1:9;expires=1", "sip:2002@example.com;tag=b", "2002", ""),
        (
            "<sip:[field1]::1[field2]:9>",
            "\"A \\\"B\\\" C\" <sip:2002@[field1]2001:db8::9[field2]:5060>  ;  tag = c",
            "2002",
            "A \"B\" C",
        ),
        ("*:* <sips:2002@127.0.0.1:9>", "tel:+86-10-5555;tag=d", "+86-10-5555", ""),
        (
            "<sip:%32002@127.0.0.1:9>",
            "Bell <SIP:%32002:pass@EXAMPLE.com;Unknown?Priority=urgent&Subject=x>;tag=e",
            "2002",
            "Bell",
        ),
    ] {
        let mut wired = Wired::new();
        let sipp = wired.plays_with("calls_oddly", &[("contact", contact), ("from", from)], &[" ;[;]"]);
        wired.phone.awaits("ringing", SOON).unwrap();
        let call = wired.phone.snapshot().unwrap()["calls"][0].clone();
        assert_eq!(call["number"], number, "{from}");
        assert_eq!(call["name"].as_str().unwrap_or_default(), name, "{from}");
        wired.phone.command(json!({ "cmd": "answer" })).unwrap();
        wired.phone.awaits("established", SOON).unwrap();
        wired.ends("peer_hung_up");
        wired.finishes(sipp);
    }
}

#[test]
fn odd_but_legal_answers_are_understood() {
    let mut wired = Wired::new();
    let sipp = wired.plays_with("answers_oddly", &[], &[" ;"]);
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    wired.hangs_up();
    wired.ends("hung_up");
    wired.finishes(sipp);
}

#[test]
fn digits_that_a_peer_refuses_go_another_way_or_are_reported() {
    for (first, second, notice) in
        [("415", "200", "dtmf_other_way"), ("405", "501", "dtmf_refused"), ("501", "415", "dtmf_refused")]
    {
        let mut wired = Wired::new();
        let sipp = wired.plays("calls_without_dtmf", &[("first", first), ("second", second)]);
        wired.dials();
        wired.phone.awaits("established", SOON).unwrap();
        wired.phone.command(json!({ "cmd": "send_dtmf", "digits": "5" })).unwrap();
        let told =
            |now: &Value| now["notices"].as_array().is_some_and(|all| all.iter().any(|one| one["code"] == notice));
        wired.phone.until(SOON, notice, told).unwrap();
        let answered = |text: &str| text.contains(" INFO\r\n") && text.starts_with(&format!("SIP/2.0 {second} "));
        wired.relay.awaits(Side::Peer(0), 0, SOON, "the answer to the second INFO", answered).unwrap();
        wired.hangs_up();
        wired.finishes(sipp);
    }
}
