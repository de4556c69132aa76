//! Calls with losses, repetitions, crossings, forks and old peers.

use deskline_tests::relay::{Fate, Side};
use serde_json::json;

use super::{Wired, loses_first, state};
use crate::seat::SOON;

#[test]
fn every_success_makes_a_call_whatever_its_number() {
    let mut wired = Wired::new();
    for status in ["200", "202", "299"] {
        let sipp = wired.plays("answers", &[("status", status)]);
        wired.dials();
        wired.phone.awaits("alerting", SOON).unwrap();
        wired.phone.awaits("established", SOON).unwrap();
        wired.hangs_up();
        wired.ends("hung_up");
        wired.finishes(sipp);
        wired.becomes_ready();
    }
}

#[test]
fn refusals_are_told_by_their_cause() {
    let mut wired = Wired::new();
    for (status, cause) in [
        ("486", "busy"),
        ("600", "busy"),
        ("480", "no_answer"),
        ("603", "rejected"),
        ("488", "not_acceptable"),
        ("415", "not_acceptable"),
        ("404", "not_found"),
        ("403", "forbidden"),
        ("500", "server_error"),
        ("499", "failed"),
    ] {
        let sipp = wired.plays("refuses", &[("status", status)]);
        wired.dials();
        let ended = wired.phone.awaits("ended", SOON).unwrap();
        assert_eq!((&ended["cause"], &ended["status"]), (&json!(cause), &json!(status.parse::<u16>().unwrap())));
        wired.finishes(sipp);
        wired.becomes_ready();
    }
}

#[test]
fn lost_messages_of_an_outbound_call_are_repeated() {
    for (from, start, cseq) in [
        (Side::Phone, "INVITE ", "INVITE"),
        (Side::Peer(0), "SIP/2.0 200", "INVITE"),
        (Side::Phone, "ACK ", "ACK"),
        (Side::Phone, "BYE ", "BYE"),
    ] {
        let mut wired = Wired::new();
        loses_first(&wired.relay, from, start, cseq);
        let sipp = wired.plays("answers", &[("status", "200")]);
        wired.dials();
        wired.phone.awaits("established", SOON).unwrap();
        if start == "ACK " {
            let is_ack = |text: &str| text.starts_with("ACK ");
            let mark =
                wired.relay.awaits(Side::Phone, 0, SOON, "the first ACK", is_ack).map(|_| wired.relay.mark()).unwrap();
            wired.relay.awaits(Side::Phone, mark, SOON, "another ACK for the repeated 200", is_ack).unwrap();
        }
        wired.hangs_up();
        wired.finishes(sipp);
        assert!(wired.relay.trace().iter().any(|seen| seen.fate == Fate::Lost), "{start} was to be lost");
    }
}

#[test]
fn lost_messages_of_an_inbound_call_are_repeated() {
    for (from, start, cseq) in [
        (Side::Peer(0), "INVITE ", "INVITE"),
        (Side::Phone, "SIP/2.0 200", "INVITE"),
        (Side::Peer(0), "ACK ", "ACK"),
        (Side::Peer(0), "BYE ", "BYE"),
        (Side::Phone, "SIP/2.0 200", "BYE"),
    ] {
        let mut wired = Wired::new();
        loses_first(&wired.relay, from, start, cseq);
        let sipp = wired.plays("calls", &[]);
        wired.answers();
        wired.ends("peer_hung_up");
        wired.finishes(sipp);
        assert!(wired.relay.trace().iter().any(|seen| seen.fate == Fate::Lost), "{start} was to be lost");
        let rang = wired.phone.lines().iter().filter(|line| line["ev"] == "ringing").count();
        assert_eq!(rang, 1, "a repeated INVITE is no further call");
    }
}

#[test]
fn repeated_messages_change_nothing() {
    let mut wired = Wired::new();
    wired.relay.rule(|_, _| Fate::Repeated);
    let sipp = wired.plays("calls", &[]);
    wired.answers();
    wired.ends("peer_hung_up");
    wired.finishes(sipp);
    let ends = wired.phone.lines().iter().filter(|line| line["ev"] == "ended").count();
    assert_eq!(ends, 1);
}

#[test]
fn answer_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let mut wired = Wired::new();
    let sipp = wired.plays("answer_crosses_cancel", &[]);
    wired.dials();
    wired.phone.awaits("alerting", SOON).unwrap();
    wired.hangs_up();
    wired.ends("cancelled");
    wired.finishes(sipp);
    wired.becomes_ready();
}

#[test]
fn of_two_phones_that_answer_one_is_talked_to_and_the_other_is_hung_up() {
    let mut wired = Wired::new();
    let sipp = wired.plays("forks", &[]);
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    let is_bye = |text: &str| text.starts_with("BYE ");
    wired.relay.awaits(Side::Phone, 0, SOON, "BYE to the second phone", is_bye).unwrap();
    assert_eq!(state(&mut wired.phone), "talking");
    wired.hangs_up();
    wired.ends("hung_up");
    wired.finishes(sipp);
}

#[test]
fn early_media_and_a_late_ringing_leave_the_call_as_it_is() {
    let mut wired = Wired::new();
    let sipp = wired.plays("early_media", &[]);
    wired.dials();
    wired.phone.awaits("alerting", SOON).unwrap();
    wired.phone.awaits("established", SOON).unwrap();
    let is_late = |text: &str| text.starts_with("SIP/2.0 180");
    let mark = wired.relay.trace().iter().position(|seen| seen.text.starts_with("ACK ")).unwrap_or_default();
    wired.relay.awaits(Side::Peer(0), mark, SOON, "the late 180", is_late).unwrap();
    assert_eq!(state(&mut wired.phone), "talking");
    wired.hangs_up();
    wired.finishes(sipp);
}

#[test]
fn bye_that_crosses_our_reinvite_ends_the_call() {
    let mut wired = Wired::new();
    let sipp = wired.plays("bye_crosses_reinvite", &[]);
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    wired.phone.command(json!({ "cmd": "call_hold" })).unwrap();
    wired.ends("peer_hung_up");
    wired.finishes(sipp);
    wired.becomes_ready();
}

#[test]
fn both_sides_that_offer_at_once_come_to_terms() {
    let mut wired = Wired::new();
    let sipp = wired.plays("glare", &[]);
    wired.answers();
    wired.phone.command(json!({ "cmd": "call_hold" })).unwrap();
    wired.phone.until(SOON, "the call is held", |now| now["calls"][0]["state"] == "held").unwrap();
    wired.hangs_up();
    wired.ends("hung_up");
    wired.finishes(sipp);
}

#[test]
fn invite_without_an_offer_gets_ours() {
    let mut wired = Wired::new();
    let sipp = wired.plays("offerless", &[]);
    wired.answers();
    wired.phone.until(SOON, "the codec is agreed", |now| now["calls"][0]["codec"] == "PCMU").unwrap();
    wired.ends("peer_hung_up");
    wired.finishes(sipp);
}

#[test]
fn hold_by_an_address_of_zeros_is_a_hold() {
    let mut wired = Wired::new();
    let sipp = wired.plays("holds_by_null_address", &[]);
    wired.answers();
    wired.phone.until(SOON, "the peer holds", |now| now["calls"][0]["held_by_peer"] == true).unwrap();
    wired.phone.until(SOON, "the peer retrieves", |now| now["calls"][0]["held_by_peer"] == false).unwrap();
    wired.hangs_up();
    wired.finishes(sipp);
}

#[test]
fn update_refreshes_and_holds() {
    let mut wired = Wired::new();
    let sipp = wired.plays("updates", &[]);
    wired.answers();
    wired.phone.until(SOON, "the peer holds", |now| now["calls"][0]["held_by_peer"] == true).unwrap();
    wired.hangs_up();
    wired.finishes(sipp);
}

#[test]
fn caller_who_gives_up_is_missed_unless_somebody_else_has_answered() {
    for (reason, cause) in [
        ("Reason: Q.850;cause=16", "missed"),
        ("Reason: SIP;cause=200;text=\"Call completed elsewhere\"", "answered_elsewhere"),
    ] {
        let mut wired = Wired::new();
        let sipp = wired.plays("gives_up", &[("reason", reason)]);
        wired.phone.awaits("ringing", SOON).unwrap();
        wired.ends(cause);
        wired.finishes(sipp);
    }
}

#[test]
fn cancel_that_comes_after_our_answer_ends_nothing() {
    let mut wired = Wired::new();
    let sipp = wired.plays("cancel_too_late", &[]);
    wired.answers();
    wired.ends("peer_hung_up");
    wired.finishes(sipp);
}

#[test]
fn bye_before_the_ack_ends_the_call() {
    let mut wired = Wired::new();
    let sipp = wired.plays("bye_before_ack", &[]);
    wired.answers();
    wired.ends("peer_hung_up");
    wired.finishes(sipp);
    wired.becomes_ready();
}

#[test]
fn ack_that_never_comes_for_a_while_keeps_the_call_and_repeats_the_answer() {
    let mut wired = Wired::new();
    wired.relay.rule(
        |from, text| {
            if from == Side::Peer(0) && text.starts_with("ACK ") { Fate::Held } else { Fate::Passes }
        },
    );
    let sipp = wired.plays("is_held", &[]);
    wired.answers();
    let is_answer = |text: &str| text.starts_with("SIP/2.0 200");
    let repeated = |wired: &Wired| wired.relay.count(Side::Phone, "SIP/2.0 200") >= 3;
    deskline_tests::until(SOON, "the 200 is repeated", || repeated(&wired)).unwrap();
    let mark = wired.relay.mark();
    // Our own hold has to wait for that ACK, and goes out with it.
    wired.phone.command(json!({ "cmd": "call_hold" })).unwrap();
    wired.relay.rule(|_, _| Fate::Passes);
    wired.relay.release();
    wired.relay.awaits(Side::Phone, mark, SOON, "our re-INVITE", |text| text.starts_with("INVITE ")).unwrap();
    wired.relay.awaits(Side::Peer(0), mark, SOON, "its answer", is_answer).unwrap();
    wired.phone.until(SOON, "the call is held", |now| now["calls"][0]["state"] == "held").unwrap();
    wired.hangs_up();
    wired.finishes(sipp);
}
