//! Session timers (RFC 4028), in both roles.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::peer::*;
use super::*;

fn rules(seconds: u64) -> CallRules {
    CallRules { session_expires: Some(Duration::from_secs(seconds)), ..CallRules::default() }
}

fn world(seconds: u64) -> World {
    World::with_rules(1, Transport::Tcp, &[passive], rules(seconds))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A 200 of the peer that agrees on an interval, and allows UPDATE or not.
fn agreeing(request: &Request, expires: &str, updates: bool) -> Response {
    let mut ok = answer_to(request, 200, "t");
    ok.headers.set(HeaderName::SessionExpires, expires);
    ok.headers.set(HeaderName::Allow, if updates { "INVITE, ACK, BYE, UPDATE" } else { "INVITE, ACK, BYE" });
    ok
}

/// A call of end 0 whose peer agreed on an interval.
fn agreed_call(world: &mut World, expires: &str, updates: bool) -> (SessionId, Request) {
    let session = world.call(0, PEER);
    let invite = world.received_request();
    world.inject(agreeing(&invite, expires, updates));
    assert_eq!(world.received_request().method, Method::Ack);
    (session, invite)
}

/// An INVITE of the peer with these headers, that end 0 answers; the 200 and the dialog.
fn answered_with(world: &mut World, headers: &[(HeaderName, &str)]) -> (SessionId, Response, Request) {
    let mut request = invite("1");
    for (name, value) in headers {
        request.headers.add(*name, *value);
    }
    world.inject(request.clone());
    let session = world.incoming(0);
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    let Some(Message::Response(ok)) = world.received().pop() else { panic!() };
    let dialog = in_dialog(&request, ok.headers.to_tag().unwrap());
    world.inject(request_like(&dialog, Method::Ack, 1, "ack"));
    (session, ok, dialog)
}

#[test]
fn caller_that_refreshes_does_so_at_half_the_interval_by_update() {
    let mut world = world(1800);
    let (session, invite) = agreed_call(&mut world, "600;refresher=uac", true);
    assert_eq!(invite.headers.value(HeaderName::SessionExpires), Some("1800"));
    assert!(invite.headers.has_item(HeaderName::Supported, "timer"));
    for round in 0..5 {
        world.run(ms(299_999));
        assert_eq!(world.received().len(), 0, "round {round}");
        world.run(ms(1));
        let update = world.received_request();
        assert_eq!((&update.method, &*update.body), (&Method::Update, &b""[..]));
        assert_eq!(update.headers.value(HeaderName::SessionExpires), Some("600;refresher=uac"));
        assert!(update.headers.contact().is_some());
        world.inject(agreeing(&update, "600;refresher=uac", true));
    }
    assert_eq!(
        world.count(0, |event| matches!(event, Event::ReofferAnswered { .. })),
        0,
        "no news for the application"
    );
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    world.answer(&bye, 200, "t");
    world.run_out();
    world.assert_empty();
}

#[test]
fn peer_without_update_is_refreshed_by_reinvite_with_the_same_description() {
    let mut world = world(1800);
    agreed_call(&mut world, "90;refresher=uac", false);
    world.run(seconds(45));
    let reinvite = world.received_request();
    assert_eq!((&reinvite.method, &*reinvite.body), (&Method::Invite, OFFER));
    world.inject(agreeing(&reinvite, "90;refresher=uac", false));
    assert_eq!(world.received_request().method, Method::Ack);
    world.run(seconds(44));
    assert_eq!(world.received().len(), 0);
    world.run(seconds(1));
    assert_eq!(world.received_request().method, Method::Invite);
}

#[test]
fn update_that_the_peer_does_not_take_after_all_is_followed_by_reinvite() {
    let mut world = world(1800);
    agreed_call(&mut world, "600;refresher=uac", true);
    world.run(seconds(300));
    let update = world.received_request();
    world.answer(&update, 405, "t");
    world.run(ms(1));
    assert_eq!(world.received_request().method, Method::Invite);
}

#[test]
fn session_that_the_peer_should_refresh_and_does_not_ends_in_time() {
    let mut world = world(1800);
    let (_, invite) = agreed_call(&mut world, "600;refresher=uas", true);
    // A refresh of the peer begins the interval anew.
    world.run(seconds(500));
    let mut update = from_callee(&invite, Method::Update, 1);
    update.headers.add(HeaderName::Supported, "timer");
    update.headers.add(HeaderName::SessionExpires, "600;refresher=uac");
    world.inject(update);
    let Some(Message::Response(ok)) = world.received().pop() else { panic!() };
    assert_eq!(ok.headers.value(HeaderName::SessionExpires), Some("600;refresher=uac"));
    assert!(ok.headers.has_item(HeaderName::Require, "timer"));
    world.run(seconds(567));
    assert_eq!(world.ended(0), []);
    world.run(seconds(1));
    assert_eq!(world.ended(0), [EndReason::TimedOut], "32 s before the end");
    assert_eq!(world.received_request().method, Method::Bye);
    world.run_out();
    world.assert_empty();
}

#[test]
fn refresh_that_finds_no_dialog_or_no_answer_ends_the_session() {
    let mut first = world(1800);
    agreed_call(&mut first, "600;refresher=uac", true);
    first.run(seconds(300));
    let update = first.received_request();
    first.answer(&update, 481, "t");
    assert!(matches!(&first.ended(0)[..], [EndReason::Rejected { status: 481, .. }]));
    assert_eq!(first.received().len(), 0);

    let mut second = world(1800);
    agreed_call(&mut second, "600;refresher=uac", true);
    second.run(seconds(332));
    assert_eq!(second.ended(0), [EndReason::TimedOut], "no answer at all");
    assert_eq!(second.received_statuses(), ["UPDATE", "BYE"]);
}

#[test]
fn refresh_that_is_refused_is_tried_again_until_the_interval_ends() {
    let mut world = world(1800);
    agreed_call(&mut world, "90;refresher=uac", true);
    let mut refused = 0;
    for _ in 0..60 {
        world.run(seconds(1));
        for message in world.received() {
            if let Message::Request(request) = message
                && request.method == Method::Update
            {
                world.answer(&request, 503, "t");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2, "at 45 s and 10 s later");
    assert_eq!(world.ended(0), [EndReason::TimedOut], "30 s before the end, a third of it");
}

#[test]
fn interval_that_is_too_short_for_the_peer_is_asked_for_anew() {
    let mut world = world(100);
    world.call(0, PEER);
    let invite = world.received_request();
    let mut refusal = answer_to(&invite, 422, "t");
    refusal.headers.set(HeaderName::MinSe, "300");
    world.inject(refusal);
    let messages = world.received();
    let [Message::Request(ack), Message::Request(again)] = &messages[..] else { panic!("{messages:#?}") };
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(again.headers.value(HeaderName::SessionExpires), Some("300"));
    assert_eq!(again.headers.value(HeaderName::MinSe), Some("300"));
    assert_eq!(again.headers.cseq().unwrap().seq, 2);
    assert_eq!(again.headers.call_id(), invite.headers.call_id());
    // The same once more would go on for ever.
    let again = again.clone();
    let mut refusal = answer_to(&again, 422, "t");
    refusal.headers.set(HeaderName::MinSe, "300");
    world.inject(refusal);
    assert!(matches!(&world.ended(0)[..], [EndReason::Rejected { status: 422, .. }]));
}

#[test]
fn interval_below_ours_is_refused_and_other_wishes_are_granted() {
    let mut world = world(1800);
    let mut request = invite("1");
    request.headers.add(HeaderName::Supported, "timer");
    request.headers.add(HeaderName::SessionExpires, "60");
    world.inject(request);
    let Some(Message::Response(refusal)) = world.received().pop() else { panic!() };
    assert_eq!((refusal.code(), refusal.headers.value(HeaderName::MinSe)), (422, Some("90")));
    assert_eq!(world.count(0, |event| matches!(event, Event::Incoming { .. })), 0);

    let timer = (HeaderName::Supported, "timer");
    type Case<'a> = (&'a [(HeaderName, &'a str)], Option<&'a str>, bool);
    let cases: [Case<'_>; 7] = [
        (&[timer, (HeaderName::SessionExpires, "600")], Some("600;refresher=uac"), true),
        (&[timer, (HeaderName::SessionExpires, "600;refresher=uas")], Some("600;refresher=uas"), false),
        (&[timer, (HeaderName::SessionExpires, "7200;refresher=uac")], Some("1800;refresher=uac"), true),
        (&[timer, (HeaderName::SessionExpires, "7200"), (HeaderName::MinSe, "3600")], Some("3600;refresher=uac"), true),
        (&[timer], Some("1800;refresher=uas"), false),
        // A proxy wants it, the caller knows nothing of it.
        (&[(HeaderName::SessionExpires, "600")], Some("600;refresher=uas"), false),
        (&[], None, false),
    ];
    for (headers, expires, required) in cases {
        let mut world = self::world(1800);
        let (_, ok, _) = answered_with(&mut world, headers);
        assert_eq!(ok.headers.value(HeaderName::SessionExpires), expires, "{headers:?}");
        assert_eq!(ok.headers.has_item(HeaderName::Require, "timer"), required, "{headers:?}");
    }
}

#[test]
fn callee_that_refreshes_repeats_its_answer_as_an_offer() {
    let mut world = world(1800);
    let headers = [(HeaderName::Supported, "timer"), (HeaderName::SessionExpires, "600;refresher=uas")];
    let (_, _, _) = answered_with(&mut world, &headers);
    world.run(seconds(300));
    let reinvite = world.received_request();
    assert_eq!((&reinvite.method, &*reinvite.body), (&Method::Invite, ANSWER));
    assert_eq!(reinvite.headers.value(HeaderName::SessionExpires), Some("600;refresher=uac"));
}

#[test]
fn session_without_a_timer_goes_on_for_ever() {
    let mut world = world(1800);
    let (_, _) = world.answered_call();
    world.run(seconds(7000));
    assert_eq!((world.received().len(), world.ended(0)), (0, vec![]));
    assert_eq!(world.ends[0].ua.poll_timeout(), None);
}

#[test]
fn timers_that_are_off_are_neither_asked_for_nor_granted() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    let (_, invite) = agreed_call(&mut world, "90;refresher=uac", true);
    assert_eq!(invite.headers.value(HeaderName::SessionExpires), None);
    assert!(!invite.headers.has_item(HeaderName::Supported, "timer"));
    world.run(seconds(7000));
    assert_eq!((world.received().len(), world.ended(0)), (0, vec![]));
    let mut required = self::invite("9");
    required.headers.add(HeaderName::Require, "timer");
    world.inject(required);
    assert_eq!(world.received_statuses(), ["420 INVITE"]);
}

#[test]
fn two_of_us_keep_a_long_call_alive_whoever_refreshes() {
    for (caller, lost) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut world = World::with_rules(3, Transport::Udp, &[passive, answering], rules(600));
        let session = if caller {
            world.call(0, 1)
        } else {
            world.call(1, 0);
            let session = world.incoming(0);
            world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
            session
        };
        world.run(seconds(6 * 3600));
        assert!((world.ended(0).len(), world.ended(1).len()) == (0, 0), "{:#?}", world.trace);
        let refreshes = [0, 1].map(|end| world.sent_by(end).iter().filter(|line| **line == "UPDATE").count());
        assert_eq!(refreshes.iter().sum::<usize>(), 72, "every five minutes, by one side");
        assert!(refreshes.contains(&0));
        if lost {
            world.lose = Box::new(|_, _| true);
            world.run(seconds(700));
        } else {
            world.ends[0].ua.hang_up(world.now, session).unwrap();
        }
        world.run_out();
        assert_eq!((world.ended(0).len(), world.ended(1).len()), (1, 1), "both sides notice");
        world.assert_empty();
    }
}

#[test]
fn interval_survives_a_crash_of_the_process() {
    let mut world = world(1800);
    let (session, _) = agreed_call(&mut world, "600;refresher=uac", true);
    let state = world.ends[0].ua.dialog_state(session).unwrap();
    let timer = state.session_timer.unwrap();
    assert_eq!((timer.interval, timer.is_refresher, state.peer_updates), (seconds(600), true, true));
    world.crash(0);
    let identity = world.identity(0, PEER);
    let state = super::super::user_agent::DialogState::from_text(&state.to_text()).unwrap();
    world.ends[0].ua.restore(world.now, state, identity).unwrap();
    world.run(seconds(300));
    assert_eq!(world.received_request().method, Method::Update);
}

#[test]
fn peer_that_always_wants_a_longer_interval_does_not_make_us_send_without_a_pause() {
    let mut world = world(1800);
    agreed_call(&mut world, "600;refresher=uac", true);
    world.run(seconds(300));
    for minimum in [601, 602, 602, 10, u32::MAX] {
        let update = world.received_request();
        let mut more = answer_to(&update, 422, "t");
        more.headers.set(HeaderName::MinSe, minimum.to_string());
        world.inject(more);
        world.run(ms(1_500));
        assert_eq!(world.received().len(), 0, "{minimum}");
        world.run(ms(9_000));
    }
    let update = world.received_request();
    assert_eq!(update.headers.value(HeaderName::SessionExpires), Some("86400;refresher=uac"));
}
