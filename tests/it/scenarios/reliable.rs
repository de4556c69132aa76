//! Reliable provisional answers (RFC 3262), both ways.

use deskline_tests::relay::Side;

use super::{Wired, loses_first};
use crate::seat::SOON;

#[test]
fn each_reliable_answer_of_the_callee_gets_its_prack() {
    let mut wired = Wired::new();
    let sipp = wired.plays("rings_reliably", &[]);
    wired.dials();
    wired.phone.awaits("alerting", SOON).unwrap();
    wired.phone.awaits("established", SOON).unwrap();
    wired.hangs_up();
    wired.ends("hung_up");
    wired.finishes(sipp);
}

#[test]
fn lost_pracks_and_their_answers_are_repeated() {
    for (from, start, cseq) in [
        (Side::Phone, "PRACK ", "PRACK"),
        (Side::Peer(0), "SIP/2.0 200", "PRACK"),
        (Side::Peer(0), "SIP/2.0 183", "INVITE"),
    ] {
        let mut wired = Wired::new();
        loses_first(&wired.relay, from, start, cseq);
        let sipp = wired.plays("rings_reliably", &[]);
        wired.dials();
        wired.phone.awaits("established", SOON).unwrap();
        wired.hangs_up();
        wired.finishes(sipp);
    }
}

#[test]
fn caller_who_requires_reliable_answers_gets_them() {
    for lost in [false, true] {
        let mut wired = Wired::new();
        if lost {
            loses_first(&wired.relay, Side::Phone, "SIP/2.0 180", "INVITE");
        }
        let sipp = wired.plays("wants_reliable_ringing", &[]);
        // The answer may come before the PRACK does: a caller must take both orders, this one takes one.
        let pracked = |text: &str| text.starts_with("SIP/2.0 200") && text.contains(" PRACK\r\n");
        wired.relay.awaits(Side::Phone, 0, SOON, "the answer to PRACK", pracked).unwrap();
        wired.answers();
        wired.ends("peer_hung_up");
        wired.finishes(sipp);
    }
}
