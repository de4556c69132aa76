//! Calls from beginning to end, with every message in its place.

use super::*;

fn answered(event: &Event) -> Option<Vec<u8>> {
    match event {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    }
}

#[test]
fn call_is_answered_and_ended_by_the_caller() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Ws] {
        let mut world = World::new(1, transport, &[passive, answering]);
        let session = world.call(0, 1);
        assert_eq!(world.await_event(0, answered), ANSWER);
        world.await_event(1, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        world.run_out();
        assert_eq!(world.sent_by(0), ["INVITE", "ACK", "BYE"], "{transport}");
        assert_eq!(world.sent_by(1), ["100 INVITE", "180 INVITE", "200 INVITE", "200 BYE"], "{transport}");
        assert_eq!(world.ended(0), [EndReason::Local]);
        assert_eq!(world.ended(1), [EndReason::Remote { cause: None }]);
        world.assert_empty();
    }
}

#[test]
fn call_is_ended_by_the_callee() {
    let mut world = World::new(2, Transport::Udp, &[passive, answering]);
    world.call(0, 1);
    let session = world.incoming(1);
    world.await_event(1, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
    world.ends[1].ua.hang_up(world.now, session).unwrap();
    world.run_out();
    assert_eq!(world.ended(0), [EndReason::Remote { cause: None }]);
    assert_eq!(world.ended(1), [EndReason::Local]);
    world.assert_empty();
}

#[test]
fn refusal_reaches_the_caller_with_its_status() {
    let mut world = World::new(3, Transport::Udp, &[passive, ringing]);
    world.call(0, 1);
    let session = world.incoming(1);
    world.ends[1].ua.reject(world.now, session, 486, Headers::default()).unwrap();
    world.run_out();
    assert_eq!(world.ended(0), [EndReason::Rejected { status: 486, reason: "Busy Here".into() }]);
    assert_eq!(world.ended(1), [EndReason::Local]);
    world.assert_empty();
}

#[test]
fn caller_cancels_a_ringing_call() {
    let mut world = World::new(4, Transport::Udp, &[passive, ringing]);
    let session = world.call(0, 1);
    world.await_event(0, |event| matches!(event, Event::Progress { status: 180, .. }).then_some(()));
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    world.run_out();
    assert_eq!(world.sent_by(0), ["INVITE", "CANCEL", "ACK"]);
    assert_eq!(world.sent_by(1), ["100 INVITE", "180 INVITE", "200 CANCEL", "487 INVITE"]);
    assert_eq!(world.ended(0), [EndReason::Local]);
    assert_eq!(world.ended(1), [EndReason::Remote { cause: None }]);
    world.assert_empty();
}

#[test]
fn cancel_waits_for_the_first_provisional_answer() {
    let mut world = World::new(5, Transport::Udp, &[passive, ringing]);
    world.weather.delay = (ms(100), ms(100));
    let session = world.call(0, 1);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    world.run(ms(199));
    assert_eq!(world.sent_by(0), ["INVITE"]);
    world.run_out();
    assert_eq!(world.sent_by(0), ["INVITE", "CANCEL", "ACK"]);
    world.assert_empty();
}

#[test]
fn answer_that_crosses_cancel_is_acknowledged_and_ended() {
    let mut world = World::new(6, Transport::Udp, &[passive, ringing]);
    world.weather.delay = (ms(50), ms(50));
    let caller = world.call(0, 1);
    let callee = world.incoming(1);
    world.await_event(0, |event| matches!(event, Event::Progress { .. }).then_some(()));
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.ends[1].ua.answer(world.now, callee, ANSWER.to_vec(), Headers::default()).unwrap();
    world.run_out();
    assert_eq!(world.sent_by(0), ["INVITE", "CANCEL", "ACK", "BYE"]);
    assert_eq!(world.sent_by(1), ["100 INVITE", "180 INVITE", "200 INVITE", "200 CANCEL", "200 BYE"]);
    assert_eq!(world.count(0, |event| matches!(event, Event::Answered { .. })), 0);
    assert_eq!(world.ended(0), [EndReason::Local]);
    assert_eq!(world.ended(1), [EndReason::Remote { cause: None }]);
    world.assert_empty();
}

#[test]
fn hold_and_retrieve_by_either_side() {
    let mut world = World::new(7, Transport::Udp, &[answering, answering]);
    world.weather.delay = (ms(10), ms(10));
    let caller = world.call(0, 1);
    let callee = world.incoming(1);
    world.await_event(0, answered);
    for (end, session) in [(0, caller), (1, callee), (0, caller)] {
        let before = world.count(end, |event| matches!(event, Event::ReofferAnswered { .. }));
        world.ends[end].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
        world.run(ms(500));
        assert_eq!(world.count(end, |event| matches!(event, Event::ReofferAnswered { .. })), before + 1);
    }
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.run_out();
    world.assert_empty();
}

#[test]
fn both_sides_recover_from_glare() {
    for seed in 0..50 {
        let mut world = World::new(seed, Transport::Udp, &[answering, answering]);
        world.weather.delay = (ms(30), ms(30));
        let caller = world.call(0, 1);
        let callee = world.incoming(1);
        world.await_event(1, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
        world.ends[0].ua.reoffer(world.now, caller, OFFER.to_vec()).unwrap();
        world.ends[1].ua.reoffer(world.now, callee, OFFER.to_vec()).unwrap();
        world.run(ms(10_000));
        assert!(world.sent_by(0).contains(&"491 INVITE") && world.sent_by(1).contains(&"491 INVITE"));
        for end in [0, 1] {
            assert_eq!(world.count(end, |event| matches!(event, Event::ReofferAnswered { .. })), 1, "seed {seed}");
            assert_eq!(world.count(end, |event| matches!(event, Event::ReofferFailed { .. })), 0, "seed {seed}");
        }
        world.ends[0].ua.hang_up(world.now, caller).unwrap();
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn bye_during_reinvite_ends_call() {
    let mut world = World::new(8, Transport::Udp, &[passive, ringing]);
    world.weather.delay = (ms(10), ms(10));
    let caller = world.call(0, 1);
    let callee = world.incoming(1);
    world.ends[1].ua.answer(world.now, callee, ANSWER.to_vec(), Headers::default()).unwrap();
    world.await_event(1, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
    world.ends[0].ua.reoffer(world.now, caller, OFFER.to_vec()).unwrap();
    world.await_event(1, |event| matches!(event, Event::Reoffered { .. }).then_some(()));
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.run_out();
    assert!(world.sent_by(1).contains(&"487 INVITE"));
    assert_eq!(world.ended(0), [EndReason::Local]);
    assert_eq!(world.ended(1), [EndReason::Remote { cause: None }]);
    world.assert_empty();
}

#[test]
fn info_arrives_inside_the_session() {
    let mut world = World::new(9, Transport::Udp, &[passive, answering]);
    let caller = world.call(0, 1);
    world.await_event(0, answered);
    world.ends[0].ua.info(world.now, caller, "application/dtmf-relay", b"Signal=5".to_vec()).unwrap();
    let (content_type, body) = world.await_event(1, |event| match event {
        Event::Info { content_type, body, .. } => Some((content_type.clone(), body.clone())),
        _ => None,
    });
    assert_eq!((content_type.as_str(), &*body), ("application/dtmf-relay", &b"Signal=5"[..]));
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.run_out();
    world.assert_empty();
}
