//! Redirection, transfers in every role, messages and subscriptions.

use deskline_tests::relay::{Side, header};
use serde_json::{Value, json};

use super::{Wired, state};
use crate::seat::SOON;

#[test]
fn redirected_call_is_placed_anew() {
    for status in ["301", "302"] {
        let mut wired = Wired::new();
        let server = wired.plays("redirects", &[("status", status)]);
        let target = wired.other_plays("answers", &[("status", "200")]);
        wired.dials();
        wired.phone.awaits("established", SOON).unwrap();
        wired.hangs_up();
        wired.ends("hung_up");
        wired.finishes(server);
        wired.finishes(target);
    }
}

#[test]
fn blind_transfer_is_followed_to_its_end() {
    let mut wired = Wired::new();
    let sipp = wired.plays("is_asked_to_transfer", &[("refer_to", "sip:3003@"), ("status", "200")]);
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    wired.phone.command(json!({ "cmd": "transfer", "to": "3003" })).unwrap();
    for state in ["requested", "accepted", "ringing", "succeeded"] {
        assert_eq!(transfer(&mut wired), state, "{}", wired.relay.summary());
    }
    wired.ends("transferred");
    wired.finishes(sipp);
    wired.becomes_ready();
}

#[test]
fn blind_transfer_that_fails_leaves_us_the_call() {
    let mut wired = Wired::new();
    let sipp = wired.plays("is_asked_to_transfer", &[("refer_to", "sip:3003@"), ("status", "486")]);
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    wired.phone.command(json!({ "cmd": "transfer", "to": "3003" })).unwrap();
    while transfer(&mut wired) != "failed" {}
    wired.phone.until(SOON, "the call is ours again", |now| now["calls"][0]["transfer"]["status"] == 486).unwrap();
    wired.hangs_up();
    wired.finishes(sipp);
}

#[test]
fn peer_that_refuses_a_transfer_is_still_talked_to() {
    for status in ["603", "405", "501"] {
        let mut wired = Wired::new();
        let sipp = wired.plays("refuses_transfer", &[("status", status)]);
        wired.dials();
        wired.phone.awaits("established", SOON).unwrap();
        wired.phone.command(json!({ "cmd": "transfer", "to": "3003" })).unwrap();
        while transfer(&mut wired) != "failed" {}
        assert_eq!(wired.phone.snapshot().unwrap()["calls"].as_array().unwrap().len(), 1);
        wired.hangs_up();
        wired.ends("hung_up");
        wired.finishes(sipp);
    }
}

#[test]
fn transferred_by_the_peer_we_call_its_target_and_tell_how_it_goes() {
    for (target, status) in [("answers", "200"), ("refuses", "486")] {
        let mut wired = Wired::new();
        let to = format!("sip:3003@{}", wired.relay.address());
        let peer = wired.plays("transfers", &[("to", &to), ("status", status)]);
        let target = wired.other_plays(target, &[("status", status)]);
        wired.answers();
        let is_call = |text: &str| text.starts_with("INVITE sip:3003@");
        let invite = wired.relay.awaits(Side::Phone, 0, SOON, "the call to the target", is_call).unwrap();
        assert!(header(&invite.text, "Referred-By").is_some_and(|by| by.contains("sip:2002@")), "{}", invite.text);
        wired.finishes(peer);
        if status == "200" {
            wired
                .phone
                .until(SOON, "we talk to the target alone", |now| {
                    let calls = now["calls"].as_array().cloned().unwrap_or_default();
                    calls.len() == 1 && calls[0]["number"] == "3003" && calls[0]["state"] == "talking"
                })
                .unwrap();
            wired.hangs_up();
        }
        wired.finishes(target);
    }
}

#[test]
fn call_that_replaces_another_takes_its_place_and_no_other_can() {
    let mut wired = Wired::new();
    let first = wired.plays("holds_the_line", &[]);
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    let answer = |text: &str| text.starts_with("SIP/2.0 200") && text.contains(" INVITE\r\n");
    let answer = wired.relay.awaits(Side::Peer(0), 0, SOON, "the answer", answer).unwrap().text;
    let tag = |name| header(&answer, name).and_then(|value| value.split("tag=").nth(1)).unwrap_or_default().to_owned();
    let (call, ours, theirs) = (header(&answer, "Call-ID").unwrap().to_owned(), tag("From"), tag("To"));

    for (replaces, status) in [
        (format!("{call};to-tag={theirs};from-tag={ours}"), "481"),
        (format!("{call};to-tag={ours};from-tag=other"), "481"),
        (format!("other-{call};to-tag={ours};from-tag={theirs}"), "481"),
        (format!("{call};to-tag={ours};from-tag={theirs};early-only"), "486"),
    ] {
        let thief = wired.other_plays("replaces_in_vain", &[("replaces", &replaces), ("status", status)]);
        wired.finishes(thief);
        assert_eq!(state(&mut wired.phone), "talking");
    }

    let replaces = format!("{call};to-tag={ours};from-tag={theirs}");
    let second = wired.other_plays("replaces", &[("replaces", &replaces)]);
    wired.ends("replaced");
    wired.finishes(first);
    wired
        .phone
        .until(SOON, "we talk to the one who came", |now| {
            let calls = now["calls"].as_array().cloned().unwrap_or_default();
            calls.len() == 1 && calls[0]["state"] == "talking"
        })
        .unwrap();
    wired.hangs_up();
    wired.finishes(second);
}

#[test]
fn messages_reach_the_application_whatever_their_kind() {
    let mut wired = Wired::new();
    let sipp = wired.plays("writes", &[]);
    let message = wired.phone.awaits("message", SOON).unwrap();
    assert_eq!(message["body"].as_str().unwrap_or_default().trim_end(), "客户在线 ☎");
    assert!(message["from"].as_str().is_some_and(|from| from.contains("2002")), "{message}");
    let message = wired.phone.awaits("message", SOON).unwrap();
    assert_eq!(message["content_type"], "application/vnd.example+xml");
    wired.finishes(sipp);
}

#[test]
fn message_is_told_as_delivered_or_refused() {
    for (status, event) in [("200", "message_sent"), ("202", "message_sent"), ("404", "message_failed")] {
        let mut wired = Wired::new();
        let sipp = wired.plays("is_written_to", &[("status", status)]);
        let id = wired.phone.command(json!({ "cmd": "send_message", "to": "2002", "body": "您好" })).unwrap();
        let told = wired.phone.awaits(event, SOON).unwrap();
        assert_eq!(told["id"], id);
        wired.finishes(sipp);
    }
}

#[test]
fn presence_that_is_asked_for_is_told_until_it_is_no_longer_wanted() {
    let mut wired = Wired::new();
    let sipp = wired.plays("is_watched", &[]);
    let id = wired.phone.command(json!({ "cmd": "subscribe", "event": "presence", "target": "2002" })).unwrap();
    // The answer to SUBSCRIBE may tell of a state before there is any news.
    let news = std::iter::repeat_with(|| wired.phone.awaits("notified", SOON).unwrap()).find(|news| news["body"] != "");
    let news = news.unwrap();
    assert_eq!(news["subscription"], id);
    assert!(news["body"].as_str().is_some_and(|body| body.contains("<basic>open</basic>")), "{news}");
    let active = wired.phone.lines().iter().any(|line| line["ev"] == "notified" && line["state"] == "active");
    if !active {
        assert_eq!(wired.phone.awaits("notified", SOON).unwrap()["state"], "active");
    }
    wired.phone.command(json!({ "cmd": "unsubscribe", "subscription": id })).unwrap();
    wired.finishes(sipp);
}

fn transfer(wired: &mut Wired) -> Value {
    wired.phone.awaits("transfer", SOON).unwrap()["state"].clone()
}
