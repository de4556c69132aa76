//! What the peer may send, and the status that it gets where it may not.

use super::super::message::{HeaderAccess, HeaderName, Request};
use super::super::wire::Mutation;
use super::peer::*;
use super::*;

fn options(branch: &str) -> Request {
    let mut request = request_like(&invite("x"), Method::Options, 5, branch);
    request.headers.set(HeaderName::CallId, "options");
    request
}

/// The status that a changed OPTIONS, INVITE or other request gets.
fn status_of(request: Request) -> String {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    world.inject(request);
    let statuses = world.received_statuses();
    world.run_out();
    world.assert_empty();
    statuses.last().cloned().unwrap_or_default()
}

fn changed(mut request: Request, change: impl FnOnce(&mut Request)) -> Request {
    change(&mut request);
    request
}

#[test]
fn options_are_answered_with_capabilities() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    world.inject(options("1"));
    let Message::Response(response) = world.received().remove(0) else { panic!() };
    assert_eq!(response.code(), 200);
    assert!(response.headers.has_item(HeaderName::Allow, "INVITE"));
    assert!(response.headers.has_item(HeaderName::Allow, "REGISTER"));
    assert_eq!(response.headers.value(HeaderName::Accept), Some("application/sdp"));
    assert!(response.headers.value(HeaderName::Supported).is_some());
    assert!(response.headers.to_tag().is_some());
    assert_eq!(response.headers.via().unwrap().rport(), Some(Some(5060)));
    world.run_out();
    world.assert_empty();
}

#[test]
fn requests_that_cannot_be_served_get_the_status_of_the_rfc() {
    let other = |method: &str| {
        let method: Method = method.parse().unwrap();
        changed(request_like(&invite("x"), method, 5, "1"), |request| {
            request.headers.remove(HeaderName::Contact);
        })
    };
    assert_eq!(status_of(other("PUBLISH")), "405 PUBLISH");
    assert_eq!(status_of(other("REFER")), "403 REFER");
    assert_eq!(status_of(other("SUBSCRIBE")), "489 SUBSCRIBE");
    assert_eq!(status_of(other("NOTIFY")), "489 NOTIFY");
    assert_eq!(status_of(other("NEWMETHOD")), "405 NEWMETHOD");
    assert_eq!(status_of(other("BYE")), "481 BYE");
    assert_eq!(status_of(other("INFO")), "481 INFO");
    assert_eq!(status_of(other("CANCEL")), "481 CANCEL");
    let required = changed(options("1"), |request| request.headers.add(HeaderName::Require, "100rel, foo"));
    assert_eq!(status_of(required), "420 OPTIONS");
    let scheme = changed(options("1"), |request| request.uri = "http:x".parse().unwrap());
    assert_eq!(status_of(scheme), "416 OPTIONS");
    let stranger = changed(options("1"), |request| request.headers.set(HeaderName::To, "<sip:u0@x>;tag=unknown"));
    assert_eq!(status_of(stranger), "481 OPTIONS");
}

#[test]
fn invite_that_cannot_be_served_is_refused_and_its_ack_awaited() {
    type Change = fn(&mut Request);
    let cases: [(&str, Change); 4] = [
        ("415 INVITE", |request| request.set_body("text/plain", b"hello".to_vec())),
        ("415 INVITE", |request| request.headers.add(HeaderName::ContentEncoding, "gzip")),
        ("420 INVITE", |request| request.headers.add(HeaderName::Require, "precondition")),
        ("400 INVITE", |request| request.headers.remove(HeaderName::Contact)),
    ];
    for (expected, change) in cases {
        let mut world = World::new(1, Transport::Udp, &[passive]);
        let request = changed(invite("1"), change);
        world.inject(request.clone());
        let Message::Response(response) = world.received().remove(0) else { panic!() };
        assert_eq!(first_words(&wire::write(&Message::from(response.clone()))), expected);
        let ack = changed(request_like(&request, Method::Ack, 1, "1"), |ack| {
            ack.headers.set(HeaderName::To, response.headers.value(HeaderName::To).unwrap());
        });
        world.inject(ack);
        world.run_out();
        assert_eq!(world.received().len(), 0, "{expected} was repeated after its ACK");
        world.assert_empty();
    }
}

#[test]
fn unsupported_extensions_are_named() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    world.inject(changed(options("1"), |request| request.headers.add(HeaderName::Require, "100rel, foo")));
    let Message::Response(response) = world.received().remove(0) else { panic!() };
    assert_eq!(response.headers.value(HeaderName::Unsupported), Some("foo"));
}

#[test]
fn merged_request_is_refused_once_the_first_is_being_served() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    world.received();
    world.inject(invite("2"));
    assert_eq!(world.received_statuses(), ["482 INVITE"]);
    assert_eq!(world.count(0, |event| matches!(event, Event::Incoming { .. })), 1);
}

#[test]
fn repeated_request_gets_the_same_answer_and_is_served_once() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    assert_eq!(world.received_statuses(), ["100 INVITE", "180 INVITE"]);
    world.inject(invite("1"));
    assert_eq!(world.received_statuses(), ["180 INVITE"]);
    assert_eq!(world.count(0, |event| matches!(event, Event::Incoming { .. })), 1);
}

#[test]
fn branch_without_the_magic_cookie_is_told_apart_by_the_call() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    for call in ["a", "b"] {
        let request = changed(options("1"), |request| {
            request.headers.set(HeaderName::Via, "SIP/2.0/UDP 10.0.0.10;branch=1");
            request.headers.set(HeaderName::CallId, call);
        });
        world.inject(request);
    }
    assert_eq!(world.received_statuses(), ["200 OPTIONS", "200 OPTIONS"]);
}

#[test]
fn lower_sequence_number_is_refused() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let (_, invite) = world.accepted_call();
    world.inject(request_like(&invite, Method::Info, 7, "i7"));
    world.inject(request_like(&invite, Method::Info, 6, "i6"));
    assert_eq!(world.received_statuses(), ["200 INFO", "500 INFO"]);
}

#[test]
fn cancel_carries_the_cause_to_the_application() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    let invite = invite("1");
    world.inject(invite.clone());
    world.received();
    let cancel = changed(request_like(&invite, Method::Cancel, 1, "1"), |cancel| {
        cancel.headers.add(HeaderName::Reason, "SIP;cause=200;text=\"Call completed elsewhere\"");
    });
    world.inject(cancel);
    assert_eq!(world.received_statuses(), ["200 CANCEL", "487 INVITE"]);
    assert_eq!(world.ended(0), [EndReason::Remote { cause: Some(200) }]);
    // Without an ACK Timer H ends it.
    world.run_out();
    world.assert_empty();
}

#[test]
fn second_invite_while_the_first_is_unanswered_must_wait() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let ringing = world.received().pop().unwrap();
    let request = in_dialog(&invite("2"), ringing.headers().to_tag().unwrap());
    world.inject(request_like(&request, Method::Invite, 2, "2"));
    let Message::Response(response) = world.received().remove(0) else { panic!() };
    assert_eq!(response.code(), 500);
    assert!(response.headers.retry_after().is_some_and(|seconds| seconds <= 10));
}

#[test]
fn offerless_invite_takes_the_answer_from_the_ack() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let invite = changed(invite("1"), |request| {
        request.body.clear();
        request.headers.remove(HeaderName::ContentType);
    });
    world.inject(invite.clone());
    let (session, offer) = world.await_event(0, |event| match event {
        Event::Incoming { session, offer, .. } => Some((*session, offer.clone())),
        _ => None,
    });
    assert_eq!(offer, b"");
    world.ends[0].ua.answer(world.now, session, OFFER.to_vec(), Headers::default()).unwrap();
    let ok = world.received().pop().unwrap();
    let mut ack = request_like(&in_dialog(&invite, ok.headers().to_tag().unwrap()), Method::Ack, 1, "ack");
    ack.set_body("application/sdp", ANSWER.to_vec());
    world.inject(ack);
    let body = world.await_event(0, |event| match event {
        Event::Confirmed { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(body, ANSWER);
}

#[test]
fn update_with_an_offer_asks_the_application_and_without_one_does_not() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let (session, invite) = world.accepted_call();
    world.inject(request_like(&invite, Method::Update, 2, "u2"));
    assert_eq!(world.received_statuses(), ["200 UPDATE"]);
    let mut update = request_like(&invite, Method::Update, 3, "u3");
    update.set_body("application/sdp", OFFER.to_vec());
    world.inject(update);
    assert_eq!(world.count(0, |event| matches!(event, Event::Reoffered { .. })), 1);
    world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).unwrap();
    assert_eq!(world.received_statuses(), ["200 UPDATE"]);
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
}

#[test]
fn full_user_agent_refuses_calls_and_lives_on() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.ends[0].ua.set_limits(crate::sip::user_agent::Limits { sessions: 1, transactions: 100 });
    world.inject(invite("1"));
    world.received();
    let second = changed(invite("2"), |request| request.headers.set(HeaderName::CallId, "another"));
    world.inject(second);
    assert_eq!(world.received_statuses(), ["503 INVITE"]);
    let identity = world.identity(0, PEER);
    let refused = world.ends[0].ua.invite(
        world.now,
        Invite { identity, target: Uri::sip("a", "b"), offer: Vec::new(), headers: Headers::default() },
    );
    assert_eq!(refused, Err(crate::sip::user_agent::Error::Full));
    world.ends[0].ua.set_limits(crate::sip::user_agent::Limits { sessions: 1, transactions: 1 });
    world.inject(options("3"));
    assert_eq!(world.received_statuses(), ["503 OPTIONS"]);
}

#[test]
fn flood_of_a_stranger_leaves_room_for_our_server_and_our_calls() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.register(0, PEER, 600);
    let register = world.received_request();
    world.answer(&register, 200, "r");
    world.ends[0].ua.set_limits(crate::sip::user_agent::Limits { sessions: 8, transactions: 20 });
    let scanner = std::net::SocketAddr::from(([203, 0, 113, 9], 5060));
    let stranger = Flow { id: FlowId(9_999), remote: scanner, ..world.flow(0, PEER) };
    for count in 0..100 {
        let flood = wire::write(&Message::Request(changed(options(&format!("s{count}")), |request| {
            request.headers.set(HeaderName::CallId, format!("flood{count}"));
        })));
        world.ends[0].ua.handle_received(world.now, &stranger, &flood);
        // The simulated network does not lead there.
        while world.ends[0].ua.poll_output().is_some() {}
    }
    assert_eq!(world.ends[0].ua.load().1, 10);
    world.inject(invite("1"));
    world.incoming(0);
    let identity = world.identity(0, PEER);
    let invite = Invite { identity, target: Uri::sip("a", "b"), offer: Vec::new(), headers: Headers::default() };
    world.ends[0].ua.invite(world.now, invite).unwrap();
}

#[test]
fn application_may_not_set_headers_of_the_protocol() {
    use crate::sip::message::Header;
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let cases = [
        (HeaderName::Via.with("x"), "Via"),
        (Header::new("contact", "<sip:x>"), "Contact"),
        (Header::new("v", "x"), "Via"),
        (Header::new("X-Data", "a\r\nVia: b"), "X-Data"),
        (Header::new("X Data", "a"), "X Data"),
    ];
    for (header, name) in cases {
        let headers = Headers::from_iter([header]);
        let identity = world.identity(0, PEER);
        let invite = Invite { identity, target: Uri::sip("a", "b"), offer: Vec::new(), headers };
        let refused = world.ends[0].ua.invite(world.now, invite);
        assert_eq!(refused, Err(crate::sip::user_agent::Error::Header(name.into())));
    }
    world.assert_empty();
}

#[test]
fn unknown_headers_of_an_invite_reach_the_application() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.inject(changed(invite("1"), |request| {
        request.headers.add_named("X-Call-Data", "k=v");
    }));
    let found = world.await_event(0, |event| match event {
        Event::Incoming { request, .. } => request.headers.named("x-call-data").map(str::to_owned),
        _ => None,
    });
    assert_eq!(found, "k=v");
}

/// Whatever comes, nothing panics, and nothing stays: every phase of a call is met by damaged messages of both kinds.
#[test]
fn ten_thousand_damaged_messages_break_nothing_and_leave_nothing_behind() {
    let mut mutation = Mutation::new(1);
    for round in 0..100 {
        let mut world = World::new(round, Transport::Udp, &[answering]);
        let mut valid = vec![
            wire::write(&options("o").into()),
            wire::write(&invite("i").into()),
            wire::write(&request_like(&invite("i"), Method::Cancel, 1, "i").into()),
            wire::write(&request_like(&invite("r"), Method::Register, 1, "r").into()),
        ];
        let session = world.call(0, PEER);
        let outgoing = world.received_request();
        for status in [100, 180, 200, 302, 407, 486] {
            valid.push(wire::write(&answer_to(&outgoing, status, "t").into()));
        }
        if round % 2 == 0 {
            world.answer(&outgoing, 200, "t");
            for method in [Method::Invite, Method::Update, Method::Info, Method::Ack] {
                valid.push(wire::write(&from_callee(&outgoing, method, 5).into()));
            }
        }
        for index in 0..100 {
            let damaged = mutation.apply(&valid[index % valid.len()]);
            world.inject_bytes(&damaged);
            world.received();
            world.run(ms(100));
        }
        let _ = world.ends[0].ua.hang_up(world.now, session);
        let rest = world.ends[0].events.iter().filter_map(|(_, event)| match event {
            Event::Incoming { session, .. } => Some(*session),
            _ => None,
        });
        for session in rest.collect::<Vec<_>>() {
            let _ = world.ends[0].ua.hang_up(world.now, session);
        }
        // A provisional answer leaves a cancelled call to its own limit.
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn requests_while_ringing_do_not_confuse_the_ack() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    let ringing = world.received().pop().unwrap();
    let invite = in_dialog(&invite("1"), ringing.headers().to_tag().unwrap());
    world.inject(request_like(&invite, Method::Info, 2, "i2"));
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    world.inject(request_like(&invite, Method::Ack, 1, "ack"));
    assert_eq!(world.count(0, |event| matches!(event, Event::Confirmed { .. })), 1);
}

#[test]
fn cancelled_reinvite_leaves_the_session_as_it_was() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let (session, invite) = world.accepted_call();
    world.received();
    let mut reinvite = request_like(&invite, Method::Invite, 2, "2");
    reinvite.set_body("application/sdp", OFFER.to_vec());
    world.inject(reinvite.clone());
    world.inject(request_like(&reinvite, Method::Cancel, 2, "2"));
    assert_eq!(world.received_statuses(), ["100 INVITE", "200 CANCEL", "487 INVITE"]);
    assert!(world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).is_err());
    assert_eq!(world.ended(0), []);
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
}

#[test]
fn caller_may_end_a_ringing_call_by_bye() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let ringing = world.received().pop().unwrap();
    let invite = in_dialog(&invite("1"), ringing.headers().to_tag().unwrap());
    world.inject(request_like(&invite, Method::Bye, 2, "b"));
    assert_eq!(world.received_statuses(), ["200 BYE", "487 INVITE"]);
    assert_eq!(world.ended(0), [EndReason::Remote { cause: None }]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn bye_of_a_callee_whose_answer_was_lost_ends_the_call() {
    let mut world = World::new(1, Transport::Tcp, &[passive]);
    world.call(0, PEER);
    let outgoing = world.received_request();
    world.answer(&outgoing, 180, "t");
    world.inject(from_callee(&outgoing, Method::Bye, 1));
    assert_eq!(world.received_statuses(), ["200 BYE", "CANCEL"]);
    assert_eq!(world.ended(0), [EndReason::Remote { cause: None }]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn request_that_may_go_no_further_is_answered_where_it_has_arrived() {
    let mut world = World::new(1, Transport::Udp, &[ringing]);
    for request in [options("1"), invite("2")] {
        world.inject(changed(request, |request| request.headers.set(HeaderName::MaxForwards, "0")));
    }
    assert_eq!(world.received_statuses(), ["200 OPTIONS", "100 INVITE", "180 INVITE"]);
}

#[test]
fn every_request_of_ours_may_go_seventy_hops() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let session = world.call(0, PEER);
    let outgoing = world.received_request();
    world.answer(&outgoing, 200, "t");
    world.ends[0].ua.info(world.now, session, "text/plain", b"x".to_vec()).unwrap();
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let sent = world.received();
    assert_eq!(sent.len(), 3);
    for message in sent.iter().map(Message::headers).chain([&outgoing.headers]) {
        assert_eq!(message.max_forwards(), Some(70));
    }
}
