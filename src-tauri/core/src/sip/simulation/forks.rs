//! Answers of several forks (RFC 3261 §13.2.2.4, §12.1), and 2xx that come again.

use super::super::message::{HeaderAccess, HeaderName};
use super::peer::*;
use super::*;

fn requests(messages: &[Message]) -> Vec<(Method, String)> {
    messages
        .iter()
        .map(|message| match message {
            Message::Request(request) => (request.method.clone(), request.headers.to_tag().unwrap().to_owned()),
            Message::Response(_) => panic!("{message:?}"),
        })
        .collect()
}

#[test]
fn first_fork_wins_and_later_ones_are_acknowledged_and_ended() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let session = world.call(0, PEER);
    let invite = world.received_request();
    for tag in ["a", "b"] {
        world.answer(&invite, 180, tag);
    }
    assert_eq!(world.count(0, |event| matches!(event, Event::Progress { .. })), 2);
    world.answer(&invite, 200, "b");
    assert_eq!(requests(&world.received()), [(Method::Ack, "b".into())]);
    world.answer(&invite, 200, "a");
    let messages = world.received();
    assert_eq!(requests(&messages), [(Method::Ack, "a".into()), (Method::Bye, "a".into())]);
    let Message::Request(bye) = &messages[1] else { unreachable!() };
    world.answer(bye, 200, "a");
    assert_eq!(world.count(0, |event| matches!(event, Event::Answered { .. })), 1);
    assert_eq!(world.ended(0), []);

    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    assert_eq!(bye.headers.to_tag(), Some("b"));
    world.answer(&bye, 200, "b");
    world.run_out();
    world.assert_empty();
}

#[test]
fn every_repeated_2xx_is_acknowledged_again_and_tells_nothing_new() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    let (session, invite) = world.answered_call();
    for _ in 0..3 {
        world.answer(&invite, 200, "t");
        assert_eq!(world.received_request().method, Method::Ack);
    }
    assert_eq!(world.count(0, |event| matches!(event, Event::Answered { .. })), 1);
    // Timer M ends the transaction; what comes later is stray.
    world.run(ms(32_000));
    world.answer(&invite, 200, "t");
    assert_eq!(world.received().len(), 0);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    world.answer(&bye, 200, "t");
    world.run_out();
    world.assert_empty();
}

#[test]
fn fork_that_answers_after_the_call_has_ended_is_ended_too() {
    let mut world = World::new(3, Transport::Udp, &[passive]);
    let (session, invite) = world.answered_call();
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    world.answer(&bye, 200, "t");
    world.answer(&invite, 200, "late");
    assert_eq!(requests(&world.received()), [(Method::Ack, "late".into()), (Method::Bye, "late".into())]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn requests_follow_the_route_set_of_the_answer() {
    let mut world = World::new(4, Transport::Udp, &[passive]);
    let mut identity = world.identity(0, PEER);
    identity.destination = Destination::Address(Transport::Udp, "10.0.0.20:5060".parse().unwrap());
    let target = Uri::sip("u9", "example.org");
    let invite = Invite { identity, target, offer: OFFER.to_vec(), headers: Headers::default() };
    world.ends[0].ua.invite(world.now, invite).unwrap();
    let invite = world.received_request();
    let mut ok = answer_to(&invite, 200, "t");
    ok.headers.add(HeaderName::RecordRoute, "<sip:10.0.0.30:5070;lr>, <sip:10.0.0.31;lr>");
    world.inject(ok);
    let ack = world.received_request();
    let routes: Vec<_> = ack.headers.items(HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:10.0.0.31;lr>", "<sip:10.0.0.30:5070;lr>"]);
    assert_eq!(ack.uri.to_string(), "sip:peer@10.0.0.10:5060");
}

#[test]
fn fork_that_answers_is_heard_again_if_another_one_has_spoken_since() {
    for (last, winner) in [("b", "a"), ("a", "a"), ("b", "b")] {
        let mut world = World::new(5, Transport::Udp, &[passive]);
        world.call(0, PEER);
        let invite = world.received_request();
        let first = if last == "a" { "b" } else { "a" };
        for tag in [first, last] {
            let mut progress = answer_to(&invite, 183, tag);
            progress.headers.add(HeaderName::Require, "100rel");
            progress.headers.add(HeaderName::RSeq, "1");
            progress.set_body("application/sdp", tag.as_bytes().to_vec());
            world.inject(progress);
            world.received();
        }
        world.answer(&invite, 200, winner);
        let body = world.await_event(0, |event| match event {
            Event::Answered { body, .. } => Some(body.clone()),
            _ => None,
        });
        assert_eq!(body, if last == winner { b"".to_vec() } else { winner.as_bytes().to_vec() });
    }
}

#[test]
fn bye_of_one_fork_leaves_the_others_ringing() {
    let mut world = World::new(6, Transport::Udp, &[passive]);
    world.call(0, PEER);
    let invite = world.received_request();
    for tag in ["t", "u"] {
        world.answer(&invite, 180, tag);
    }
    world.inject(from_callee(&invite, Method::Bye, 1));
    assert_eq!(world.received_statuses(), ["200 BYE"]);
    assert_eq!(world.ended(0), []);
    world.answer(&invite, 200, "u");
    assert_eq!(requests(&world.received()), [(Method::Ack, "u".into())]);
    assert_eq!(world.count(0, |event| matches!(event, Event::Answered { .. })), 1);
}
