//! Bad networks: single messages lost, and weather that loses, doubles and reorders a third of them.

use super::*;

/// A third is lost, a tenth doubled, and the delay differs enough to reorder.
const STORM: Weather =
    Weather { loss: 300, doubled: 100, delay: (Duration::from_millis(5), Duration::from_millis(400)) };

/// Less of it, for tests whose end hangs on every message of a long exchange: in a storm, seven INVITEs in a row or all
/// their answers are lost now and then, and the call rightly ends by Timer B or for want of an ACK.
const RAIN: Weather = Weather { loss: 150, ..STORM };

/// Loses the first `count` messages of these words of an end.
fn lose_first(from: usize, words: &'static str, count: usize) -> Lose {
    let mut left = count;
    Box::new(move |end, message| {
        let hit = end == from && message == words && left > 0;
        left -= usize::from(hit);
        hit
    })
}

fn is_answered(event: &Event) -> Option<()> {
    matches!(event, Event::Answered { .. }).then_some(())
}

fn is_confirmed(event: &Event) -> Option<()> {
    matches!(event, Event::Confirmed { .. }).then_some(())
}

#[test]
fn lost_ack_is_sent_again_for_the_repeated_answer() {
    let mut world = World::new(1, Transport::Udp, &[passive, answering]);
    world.lose = lose_first(0, "ACK", 3);
    let caller = world.call(0, 1);
    world.await_event(1, is_confirmed);
    assert_eq!(world.elapsed(), ms(3500), "the fourth 200 brings the ACK");
    assert_eq!(world.count(0, |event| is_answered(event).is_some()), 1);
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.run_out();
    world.assert_empty();
}

#[test]
fn every_ack_lost_ends_the_call_on_both_sides() {
    let mut world = World::new(2, Transport::Udp, &[passive, answering]);
    world.lose = lose_first(0, "ACK", usize::MAX);
    world.call(0, 1);
    world.run_out();
    assert_eq!(world.ended(1), [EndReason::TimedOut]);
    assert_eq!(world.ended(0), [EndReason::Remote { cause: None }]);
    world.assert_empty();
}

#[test]
fn lost_bye_is_sent_again() {
    let mut world = World::new(3, Transport::Udp, &[passive, answering]);
    world.lose = lose_first(0, "BYE", 2);
    let caller = world.call(0, 1);
    world.await_event(1, is_confirmed);
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.await_event(1, |event| matches!(event, Event::Ended { .. }).then_some(()));
    assert_eq!(world.elapsed(), ms(1500));
    world.run_out();
    world.assert_empty();
}

#[test]
fn lost_answer_to_bye_ends_the_peer_once() {
    let mut world = World::new(4, Transport::Udp, &[passive, answering]);
    world.lose = lose_first(1, "200 BYE", 2);
    let caller = world.call(0, 1);
    world.await_event(1, is_confirmed);
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.run_out();
    assert_eq!(world.sent_by(1).iter().filter(|words| **words == "200 BYE").count(), 3);
    assert_eq!(world.ended(1).len(), 1);
    world.assert_empty();
}

#[test]
fn every_answer_lost_times_the_caller_out_and_does_not_leave_the_callee_behind() {
    let mut world = World::new(5, Transport::Udp, &[passive, answering]);
    world.lose = Box::new(|end, _| end == 1);
    world.call(0, 1);
    world.run_out();
    assert_eq!(world.ended(0), [EndReason::TimedOut]);
    assert_eq!(world.ended(1), [EndReason::TimedOut]);
    world.assert_empty();
}

#[test]
fn both_sides_hanging_up_at_once_is_a_plain_end() {
    let mut world = World::new(6, Transport::Udp, &[passive, answering]);
    world.weather.delay = (ms(50), ms(50));
    let caller = world.call(0, 1);
    let callee = world.incoming(1);
    world.await_event(1, is_confirmed);
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.ends[1].ua.hang_up(world.now, callee).unwrap();
    world.run_out();
    assert_eq!(world.sent_by(0).last(), Some(&"200 BYE"));
    assert_eq!(world.sent_by(1).last(), Some(&"200 BYE"));
    assert_eq!((world.ended(0), world.ended(1)), (vec![EndReason::Local], vec![EndReason::Local]));
    world.assert_empty();
}

#[test]
fn calls_succeed_through_a_storm() {
    for seed in 0..500 {
        let mut world = World::new(seed, Transport::Udp, &[passive, answering]);
        world.weather = STORM;
        let caller = world.call(0, 1);
        world.await_event(0, is_answered);
        world.run(ms(3000));
        world.ends[0].ua.hang_up(world.now, caller).unwrap();
        world.run_out();
        assert_eq!(world.ended(0), [EndReason::Local], "seed {seed}");
        assert_eq!(world.ended(1), [EndReason::Remote { cause: None }], "seed {seed}");
        world.assert_empty();
    }
}

#[test]
fn cancelled_calls_end_on_both_sides_through_rain() {
    for seed in 0..300 {
        let mut world = World::new(seed, Transport::Udp, &[passive, ringing]);
        world.weather = RAIN;
        let caller = world.call(0, 1);
        let callee = world.incoming(1);
        world.run(ms(seed * 7));
        world.ends[0].ua.hang_up(world.now, caller).unwrap();
        // Some answer while the CANCEL is on its way.
        if seed % 3 == 0 {
            let _ = world.ends[1].ua.answer(world.now, callee, ANSWER.to_vec(), Headers::default());
        }
        world.run_out();
        assert_eq!(world.ended(0), [EndReason::Local], "seed {seed}");
        assert_eq!(world.ended(1).len(), 1, "seed {seed}");
        world.assert_empty();
    }
}

#[test]
fn holds_of_both_sides_settle_through_rain() {
    for seed in 0..300 {
        let mut world = World::new(seed, Transport::Udp, &[answering, answering]);
        world.weather = RAIN;
        let caller = world.call(0, 1);
        let callee = world.incoming(1);
        world.await_event(0, is_answered);
        world.await_event(1, is_confirmed);
        for (end, session) in [(0, caller), (1, callee)] {
            // One may be asked by the other's offer already; then its own is not needed.
            let _ = world.ends[end].ua.reoffer(world.now, session, OFFER.to_vec());
            world.run(ms(seed % 200));
        }
        world.run(ms(60_000));
        let answered = |world: &World, end| world.count(end, |event| matches!(event, Event::ReofferAnswered { .. }));
        assert!(answered(&world, 0) + answered(&world, 1) >= 1, "seed {seed}: {:#?}", world.trace);
        assert_eq!((world.ended(0), world.ended(1)), (vec![], vec![]), "seed {seed}");
        world.ends[1].ua.hang_up(world.now, callee).unwrap();
        world.run_out();
        world.assert_empty();
    }
}
