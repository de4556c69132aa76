//! Every timer of RFC 3261 §17 with its exact times, and the messages that it brings about.

use super::*;

#[test]
fn unanswered_invite_over_udp_is_sent_seven_times_and_fails_after_32_seconds() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    world.call(0, 9);
    world.run_out();
    assert_eq!(
        world.trace,
        [
            "0.000 0 INVITE",
            "0.500 0 INVITE",
            "1.500 0 INVITE",
            "3.500 0 INVITE",
            "7.500 0 INVITE",
            "15.500 0 INVITE",
            "31.500 0 INVITE",
        ]
    );
    assert_eq!(world.ends[0].events.last().unwrap().0, ms(32_000));
    assert_eq!(world.ended(0), [EndReason::TimedOut]);
    world.assert_empty();
}
