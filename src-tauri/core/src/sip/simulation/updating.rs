//! UPDATE (RFC 3311) in early dialogs and confirmed ones, and what becomes of offers that had to wait.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::super::user_agent::Error;
use super::peer::*;
use super::*;

/// An early dialog of a call of ours whose answer came reliably; the session and the INVITE.
fn agreed_early(world: &mut World, updates: bool) -> (SessionId, Request) {
    let session = world.call(0, PEER);
    let invite = world.received_request();
    let mut progress = answer_to(&invite, 183, "t");
    progress.headers.add(HeaderName::Require, "100rel");
    progress.headers.add(HeaderName::RSeq, "1");
    if updates {
        progress.headers.add(HeaderName::Allow, "INVITE, UPDATE");
    }
    progress.set_body("application/sdp", ANSWER.to_vec());
    world.inject(progress);
    let prack = world.received_request();
    world.answer(&prack, 200, "t");
    (session, invite)
}

/// A call of the peer whose 183 with our answer it has acknowledged; the session and the dialog.
fn ringing_early(world: &mut World) -> (SessionId, Request) {
    let mut invite = invite("1");
    invite.headers.add(HeaderName::Require, "100rel");
    invite.headers.add(HeaderName::Allow, "INVITE, UPDATE");
    world.inject(invite.clone());
    let session = world.incoming(0);
    world.ends[0].ua.progress(world.now, session, 183, ANSWER.to_vec()).unwrap();
    let Some(Message::Response(progress)) = world.received().pop() else { panic!() };
    let dialog = in_dialog(&invite, progress.headers.to_tag().unwrap());
    let mut prack = request_like(&dialog, Method::Prack, 2, "p2");
    prack.headers.add(HeaderName::RAck, format!("{} 1 INVITE", progress.headers.value(HeaderName::RSeq).unwrap()));
    world.inject(prack);
    assert_eq!(world.received_statuses(), ["200 PRACK"]);
    (session, dialog)
}

fn update_of(mut update: Request) -> Request {
    update.set_body("application/sdp", OFFER.to_vec());
    update
}

fn is_reoffered(event: &Event) -> bool {
    matches!(event, Event::Reoffered { .. })
}

#[test]
fn caller_changes_its_early_media_by_update() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let (session, invite) = agreed_early(&mut world, true);
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    let update = world.received_request();
    assert_eq!((&update.method, &*update.body), (&Method::Update, OFFER));
    assert_eq!((update.headers.to_tag(), update.headers.cseq().unwrap().seq), (Some("t"), 3));
    assert!(world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).is_err(), "one at a time");
    // Glare: theirs meets ours.
    world.inject(update_of(from_callee(&invite, Method::Update, 1)));
    assert_eq!(world.received_statuses(), ["491 UPDATE"]);
    let mut ok = answer_to(&update, 200, "t");
    ok.set_body("application/sdp", ANSWER.to_vec());
    world.inject(ok);
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferAnswered { .. })), 1);
    // Now theirs is welcome.
    world.inject(update_of(from_callee(&invite, Method::Update, 2)));
    world.inject(update_of(from_callee(&invite, Method::Update, 3)));
    assert_eq!(world.received_statuses(), ["500 UPDATE"], "the second one comes before the first is answered");
    world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).unwrap();
    assert_eq!(world.received_statuses(), ["200 UPDATE"]);
    assert_eq!(world.count(0, is_reoffered), 1);
}

#[test]
fn offer_before_anything_is_agreed_is_refused_on_both_sides() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    let session = world.call(0, PEER);
    let invite = world.received_request();
    world.answer(&invite, 180, "t");
    let refused = world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec());
    assert!(matches!(refused, Err(Error::WrongState(_))));
    world.inject(update_of(from_callee(&invite, Method::Update, 1)));
    assert_eq!(world.received_statuses(), ["491 UPDATE"], "our own offer is open");

    let mut world = World::new(2, Transport::Udp, &[ringing]);
    world.inject(self::invite("1"));
    let session = world.incoming(0);
    let ringing = world.received().pop().unwrap();
    let dialog = in_dialog(&self::invite("1"), ringing.headers().to_tag().unwrap());
    world.inject(update_of(request_like(&dialog, Method::Update, 2, "u2")));
    let Some(Message::Response(response)) = world.received().pop() else { panic!() };
    assert_eq!(response.code(), 500, "its own offer is open");
    assert!(response.headers.retry_after().is_some_and(|seconds| seconds <= 10));
    assert!(matches!(world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()), Err(Error::WrongState(_))));
}

#[test]
fn peer_that_does_not_allow_update_gets_none() {
    let mut world = World::new(3, Transport::Udp, &[passive]);
    let (session, _) = agreed_early(&mut world, false);
    assert!(matches!(world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()), Err(Error::WrongState(_))));
    assert_eq!(world.received().len(), 0);
}

#[test]
fn callee_changes_its_early_media_and_the_answer_waits_for_that() {
    let mut world = World::new(4, Transport::Udp, &[passive]);
    let (session, dialog) = ringing_early(&mut world);
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    let update = world.received_request();
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    assert_eq!(world.received().len(), 0);
    let mut ok = answer_to(&update, 200, "p");
    ok.set_body("application/sdp", ANSWER.to_vec());
    world.inject(ok);
    assert_eq!(world.received_statuses(), ["200 INVITE"]);
    world.inject(request_like(&dialog, Method::Ack, 1, "ack"));
    assert_eq!(world.count(0, |event| matches!(event, Event::Confirmed { .. })), 1);
}

#[test]
fn refused_early_offer_changes_nothing_and_frees_the_answer() {
    for status in [488, 491, 408, 481, 500] {
        let mut world = World::new(5, Transport::Udp, &[passive]);
        let (session, _) = ringing_early(&mut world);
        world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
        let update = world.received_request();
        world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
        world.answer(&update, status, "p");
        assert_eq!(world.received_statuses(), ["200 INVITE"], "{status}");
        assert_eq!(world.count(0, |event| matches!(event, Event::ReofferFailed { .. })), 1, "{status}");
    }
}

#[test]
fn early_offer_of_the_caller_is_answered_or_refused_by_the_application() {
    for accepted in [true, false] {
        let mut world = World::new(6, Transport::Udp, &[passive]);
        let (session, dialog) = ringing_early(&mut world);
        let mut update = update_of(request_like(&dialog, Method::Update, 3, "u3"));
        update.headers.set(HeaderName::Contact, "<sip:moved@10.0.0.77:5099>");
        update.headers.add_named("X-Data", "1");
        world.inject(update);
        let data = world.await_event(0, |event| match event {
            Event::Reoffered { headers, .. } => headers.named("x-data").map(str::to_owned),
            _ => None,
        });
        assert_eq!(data, "1");
        let ua = &mut world.ends[0].ua;
        if accepted {
            ua.accept_reoffer(world.now, session, ANSWER.to_vec()).unwrap();
        } else {
            ua.refuse_reoffer(world.now, session, 488).unwrap();
        }
        ua.answer(world.now, session, Vec::new(), Headers::default()).unwrap();
        assert_eq!(world.received_statuses(), [if accepted { "200 UPDATE" } else { "488 UPDATE" }, "200 INVITE"]);
        world.inject(request_like(&dialog, Method::Ack, 1, "ack"));
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        assert_eq!(world.received_request().uri.to_string(), "sip:moved@10.0.0.77:5099");
    }
}

#[test]
fn call_that_ends_with_an_early_offer_open_refuses_it() {
    let mut world = World::new(7, Transport::Udp, &[passive]);
    let (session, dialog) = ringing_early(&mut world);
    world.inject(update_of(request_like(&dialog, Method::Update, 3, "u3")));
    world.ends[0].ua.reject(world.now, session, 486, Headers::default()).unwrap();
    let mut statuses = world.received_statuses();
    statuses.sort();
    assert_eq!(statuses, ["486 INVITE", "487 UPDATE"]);
    world.inject(request_like(&dialog, Method::Ack, 1, "1"));
    world.run_out();
    world.assert_empty();
}

/// A description with a version.
fn described(version: u64, text: &str) -> Vec<u8> {
    format!("v=0\r\no=- 77 {version} IN IP4 10.0.0.1\r\ns={text}\r\n").into_bytes()
}

fn text(body: &[u8]) -> String {
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn offer_that_waits_out_a_glare_goes_out_in_its_newest_form() {
    let mut world = World::new(8, Transport::Tcp, &[passive]);
    let (session, invite) = world.answered_call();
    let ua = &mut world.ends[0].ua;
    ua.reoffer(world.now, session, described(2, "hold")).unwrap();
    let first = world.received_request();
    world.answer(&first, 491, "t");
    world.received();
    // Meanwhile the peer's own offer is answered, with a version beyond that of the offer that waits.
    let reinvite = from_callee(&invite, Method::Invite, 1);
    world.inject(reinvite);
    world.ends[0].ua.accept_reoffer(world.now, session, described(3, "answer")).unwrap();
    world.received();
    world.inject(from_callee(&invite, Method::Ack, 1));
    world.run(ms(4_000));
    let again = world.received_request();
    assert_eq!(text(&again.body), text(&described(4, "hold")), "a lower version would be taken for an old one");
    world.answer(&again, 491, "t");
    world.received();
    // The application has changed its mind while it waits.
    world.ends[0].ua.reoffer(world.now, session, described(9, "retrieve")).unwrap();
    assert_eq!(world.received().len(), 0);
    world.run(ms(4_000));
    let newest = world.received_request();
    assert_eq!(text(&newest.body), text(&described(9, "retrieve")));
    world.answer(&newest, 200, "t");
    world.received();
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferAnswered { .. })), 1);
    // What is repeated unchanged keeps its version.
    world.ends[0].ua.reoffer(world.now, session, described(9, "retrieve")).unwrap();
    assert_eq!(text(&world.received_request().body), text(&described(9, "retrieve")));
}

#[test]
fn update_of_a_confirmed_session_follows_the_same_rules() {
    let mut world = World::new(9, Transport::Udp, &[passive]);
    let (session, invite) = world.answered_call();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    world.received();
    world.inject(update_of(from_callee(&invite, Method::Update, 1)));
    // Without an offer there is nothing that could cross.
    let mut plain = from_callee(&invite, Method::Update, 2);
    plain.headers.add(HeaderName::PAssertedIdentity, "<sip:other@example.org>");
    world.inject(plain);
    assert_eq!(world.received_statuses(), ["491 UPDATE", "200 UPDATE"]);
    let named = world.await_event(0, |event| match event {
        Event::Updated { headers, .. } => headers.value(HeaderName::PAssertedIdentity).map(str::to_owned),
        _ => None,
    });
    assert_eq!(named, "<sip:other@example.org>");
}

#[test]
fn any_2xx_answers() {
    for status in [202, 204, 250, 299] {
        let mut world = World::new(10, Transport::Tcp, &[passive]);
        let session = world.call(0, PEER);
        let invite = world.received_request();
        let described = |mut response: Response| {
            response.set_body("application/sdp", ANSWER.to_vec());
            response
        };
        world.inject(described(answer_to(&invite, status, "t")));
        assert_eq!(world.received_request().method, Method::Ack);
        world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
        let reinvite = world.received_request();
        world.inject(described(answer_to(&reinvite, status, "t")));
        assert_eq!(world.received_request().method, Method::Ack);
        assert_eq!(world.count(0, |event| matches!(event, Event::ReofferAnswered { .. })), 1);
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        let bye = world.received_request();
        world.answer(&bye, status, "t");
        world.run_out();
        world.assert_empty();
    }
}
