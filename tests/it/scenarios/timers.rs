//! Session timers (RFC 4028), both roles.

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
