//! Session timers (RFC 4028), both roles.

use std::time::{Duration, Instant};

use deskline_tests::sipp::{Play, Sipp};

use super::Wired;
use crate::seat::SOON;

#[test]
fn callee_who_finds_our_interval_too_small_gets_a_longer_one() {
    let mut wired = Wired::new();
    let sipp = wired.plays("interval_too_small", &[]);
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    wired.hangs_up();
    wired.ends("hung_up");
    wired.finishes(sipp);
}

#[test]
fn caller_whose_interval_is_too_small_is_told_and_then_served() {
    let mut wired = Wired::new();
    let sipp = wired.plays("asks_for_a_session_timer", &[]);
    wired.answers();
    wired.ends("peer_hung_up");
    wired.finishes(sipp);
}

/// The shortest interval that there is, so this takes a minute.
#[test]
fn peer_who_has_vanished_gets_a_bye_before_the_session_expires() {
    let mut wired = Wired::new();
    let (contact, to) = (wired.relay.phone(SOON).unwrap(), wired.relay.address());
    let limit = Duration::from_secs(80);
    let words = [("phone", contact.as_str())];
    let sipp = Play { words: &words, limit, ..Play::once("leaves_without_a_word", wired.at, &to) };
    let sipp = Sipp::start(&sipp).unwrap();
    wired.dials();
    wired.phone.awaits("established", SOON).unwrap();
    let start = Instant::now();
    let ended = wired.phone.awaits("ended", limit).unwrap();
    assert_eq!(ended["cause"], "timed_out");
    // A third of 90 seconds ahead of the end.
    let after = start.elapsed().as_secs_f64();
    assert!((58.0..65.0).contains(&after), "after {after} s");
    wired.finishes(sipp);
}
