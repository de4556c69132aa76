//! Provisional answers that must arrive (RFC 3262), in both roles.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::super::user_agent::{ForkId, Reliable};
use super::peer::*;
use super::*;

/// 18x of a fork of the peer that wants a PRACK.
fn reliably(invite: &Request, status: u16, tag: &str, rseq: u32, body: &[u8]) -> Response {
    let mut response = answer_to(invite, status, tag);
    response.headers.add(HeaderName::Require, "100rel");
    response.headers.add(HeaderName::RSeq, rseq.to_string());
    if !body.is_empty() {
        response.set_body("application/sdp", body.to_vec());
    }
    response
}

/// An INVITE of the peer that supports or requires reliable answers.
fn reliable_invite(name: HeaderName, offer: &[u8]) -> Request {
    let mut request = invite("1");
    request.headers.add(name, "100rel");
    if offer.is_empty() {
        request.body.clear();
        request.headers.remove(HeaderName::ContentType);
    }
    request
}

/// The newest answer that end 0 has sent, and the INVITE with its tag.
fn newest(world: &mut World, invite: &Request) -> (Response, Request) {
    let Some(Message::Response(response)) = world.received().pop() else { panic!("no response") };
    let dialog = in_dialog(invite, response.headers.to_tag().unwrap());
    (response, dialog)
}

fn prack(dialog: &Request, cseq: u32, rack: &str) -> Request {
    let mut prack = request_like(dialog, Method::Prack, cseq, &format!("p{cseq}"));
    prack.headers.add(HeaderName::RAck, rack);
    prack
}

fn progresses(world: &World) -> Vec<(u32, u16, Vec<u8>)> {
    let progresses = world.ends[0].events.iter().filter_map(|(_, event)| match event {
        Event::Progress { fork: ForkId(fork), status, body, .. } => Some((*fork, *status, body.clone())),
        _ => None,
    });
    progresses.collect()
}

#[test]
fn caller_acknowledges_every_reliable_answer_in_its_order() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    world.call(0, PEER);
    let invite = world.received_request();
    assert!(invite.headers.has_item(HeaderName::Supported, "100rel"));
    assert!(invite.headers.has_item(HeaderName::Allow, "PRACK"));
    world.inject(reliably(&invite, 183, "t", 7, ANSWER));
    let first = world.received_request();
    assert_eq!((&first.method, first.headers.value(HeaderName::RAck)), (&Method::Prack, Some("7 1 INVITE")));
    assert_eq!((first.headers.to_tag(), first.headers.cseq().unwrap().seq), (Some("t"), 2));
    assert_eq!(first.uri.to_string(), "sip:peer@10.0.0.10:5060");
    // Repeated, and one whose predecessor is lost: neither counts.
    world.inject(reliably(&invite, 183, "t", 7, ANSWER));
    world.inject(reliably(&invite, 180, "t", 9, b""));
    assert_eq!(world.received().len(), 0);
    world.answer(&first, 200, "t");
    world.inject(reliably(&invite, 180, "t", 8, b""));
    let second = world.received_request();
    assert_eq!(second.headers.value(HeaderName::RAck), Some("8 1 INVITE"));
    assert_eq!(second.headers.cseq().unwrap().seq, 3);
    world.answer(&second, 200, "t");
    assert_eq!(progresses(&world), [(0, 183, ANSWER.to_vec()), (0, 180, Vec::new())]);

    // The answer came reliably: whatever the 2xx says of media is no news. Its ACK has the INVITE's number.
    world.answer(&invite, 200, "t");
    let ack = world.received_request();
    assert_eq!((&ack.method, ack.headers.cseq().unwrap().seq), (&Method::Ack, 1));
    let body = world.await_event(0, |event| match event {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(body, b"");
    let session = SessionId(1);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    assert_eq!(bye.headers.cseq().unwrap().seq, 4, "the numbers of the early dialog go on");
    world.answer(&bye, 200, "t");
    world.run_out();
    world.assert_empty();
}

#[test]
fn every_fork_has_its_own_sequence_and_its_own_answer() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    let session = world.call(0, PEER);
    let invite = world.received_request();
    for (tag, rseq) in [("a", 100), ("b", 5)] {
        world.inject(reliably(&invite, 183, tag, rseq, ANSWER));
        let prack = world.received_request();
        assert_eq!(prack.headers.to_tag(), Some(tag));
        assert_eq!(prack.headers.value(HeaderName::RAck), Some(&*format!("{rseq} 1 INVITE")));
        world.answer(&prack, 200, tag);
    }
    assert_eq!(progresses(&world).iter().map(|found| found.0).collect::<Vec<_>>(), [0, 1]);
    world.answer(&invite, 200, "b");
    world.received();
    assert_eq!(world.count(0, |event| matches!(event, Event::Answered { fork: ForkId(1), .. })), 1);
    // The other fork answers too: its BYE goes on with the numbers that its PRACK began.
    world.answer(&invite, 200, "a");
    let messages = world.received();
    let [Message::Request(ack), Message::Request(bye)] = &messages[..] else { panic!("{messages:#?}") };
    assert_eq!((&ack.method, &bye.method, bye.headers.to_tag()), (&Method::Ack, &Method::Bye, Some("a")));
    assert!(bye.headers.cseq().unwrap().seq > 2);
    let bye = bye.clone();
    world.answer(&bye, 200, "a");
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    world.answer(&bye, 200, "b");
    world.run_out();
    world.assert_empty();
}

#[test]
fn fork_that_is_over_is_told_and_forgotten() {
    let mut world = World::new(3, Transport::Udp, &[passive]);
    world.call(0, PEER);
    let invite = world.received_request();
    for (status, tag) in [(180, "a"), (180, "b"), (199, "a"), (180, "a")] {
        world.answer(&invite, status, tag);
    }
    let seen: Vec<_> = progresses(&world).iter().map(|found| (found.0, found.1)).collect();
    assert_eq!(seen, [(0, 180), (1, 180), (0, 199), (2, 180)], "what comes after a 199 is another early dialog");
}

#[test]
fn challenged_prack_is_sent_again_with_credentials() {
    let mut world = World::new(4, Transport::Udp, &[passive]);
    world.call(0, PEER);
    let invite = world.received_request();
    world.inject(reliably(&invite, 183, "t", 1, ANSWER));
    let prack = world.received_request();
    let mut challenge = answer_to(&prack, 407, "t");
    challenge.headers.add(HeaderName::ProxyAuthenticate, "Digest realm=\"example.org\", nonce=\"n\", qop=\"auth\"");
    world.inject(challenge);
    let again = world.received_request();
    assert_eq!((&again.method, again.headers.cseq().unwrap().seq), (&Method::Prack, 3));
    assert_eq!(again.headers.value(HeaderName::RAck), Some("1 1 INVITE"));
    assert!(again.headers.value(HeaderName::ProxyAuthorization).is_some());
}

#[test]
fn offer_in_a_reliable_answer_is_answered_in_prack() {
    let mut world = World::new(5, Transport::Udp, &[passive]);
    let identity = world.identity(0, PEER);
    let target = Uri::sip("u9", "example.org");
    let invite = Invite { identity, target, offer: Vec::new(), headers: Headers::default() };
    let session = world.ends[0].ua.invite(world.now, invite).unwrap();
    let invite = world.received_request();
    assert_eq!(invite.body, b"");
    // An offer that may be lost is none.
    let mut unreliable = answer_to(&invite, 183, "t");
    unreliable.set_body("application/sdp", OFFER.to_vec());
    world.inject(unreliable);
    world.inject(reliably(&invite, 183, "t", 1, OFFER));
    assert_eq!(world.received().len(), 0, "PRACK waits for the application's answer");
    assert_eq!(progresses(&world), [(0, 183, Vec::new()), (0, 183, OFFER.to_vec())]);
    world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).unwrap();
    let prack = world.received_request();
    assert_eq!((&prack.method, &*prack.body), (&Method::Prack, ANSWER));
    assert!(world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).is_err());
    world.answer(&prack, 200, "t");
    let mut ok = answer_to(&invite, 200, "t");
    ok.body.clear();
    ok.headers.remove(HeaderName::ContentType);
    world.inject(ok);
    assert_eq!(world.received_request().method, Method::Ack);
}

#[test]
fn offer_in_the_2xx_is_answered_in_the_ack() {
    let mut world = World::new(6, Transport::Udp, &[passive]);
    let identity = world.identity(0, PEER);
    let target = Uri::sip("u9", "example.org");
    let invite = Invite { identity, target, offer: Vec::new(), headers: Headers::default() };
    let session = world.ends[0].ua.invite(world.now, invite).unwrap();
    let invite = world.received_request();
    world.answer(&invite, 200, "t");
    world.answer(&invite, 200, "t");
    assert_eq!(world.received().len(), 0, "the ACK waits for the application's answer");
    assert_eq!(world.count(0, |event| matches!(event, Event::Answered { .. })), 1);
    world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).unwrap();
    let ack = world.received_request();
    assert_eq!((&ack.method, &*ack.body), (&Method::Ack, ANSWER));
    world.answer(&invite, 200, "t");
    assert_eq!(world.received_request().body, ANSWER, "repeated with its body");

    // The same inside the session.
    world.ends[0].ua.reoffer(world.now, session, Vec::new()).unwrap();
    let reinvite = world.received_request();
    assert_eq!(reinvite.body, b"");
    world.answer(&reinvite, 200, "t");
    assert_eq!(world.received().len(), 0);
    world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).unwrap();
    let ack = world.received_request();
    assert_eq!((&ack.method, &*ack.body, ack.headers.cseq().unwrap().seq), (&Method::Ack, ANSWER, 2));
}

#[test]
fn hanging_up_instead_of_answering_the_offer_acknowledges_and_says_bye() {
    let mut world = World::new(7, Transport::Udp, &[passive]);
    let identity = world.identity(0, PEER);
    let target = Uri::sip("u9", "example.org");
    let invite = Invite { identity, target, offer: Vec::new(), headers: Headers::default() };
    let session = world.ends[0].ua.invite(world.now, invite).unwrap();
    let invite = world.received_request();
    world.answer(&invite, 200, "t");
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    assert_eq!(world.received_statuses(), ["ACK", "BYE"]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn required_answer_is_repeated_until_prack_and_then_no_more() {
    let mut world = World::new(8, Transport::Udp, &[ringing]);
    let invite = reliable_invite(HeaderName::Require, OFFER);
    world.inject(invite.clone());
    world.run(ms(4_000));
    assert_eq!(world.sent_by(0), ["100 INVITE", "180 INVITE", "180 INVITE", "180 INVITE", "180 INVITE"]);
    let (ringing, dialog) = newest(&mut world, &invite);
    assert!(ringing.headers.has_item(HeaderName::Require, "100rel"));
    let rseq: u32 = ringing.headers.value(HeaderName::RSeq).unwrap().parse().unwrap();
    for rack in [format!("{} 1 INVITE", rseq + 1), format!("{rseq} 2 INVITE"), format!("{rseq} 1 BYE")] {
        let cseq = 10 + rack.len() as u32 + rack.ends_with("BYE") as u32 * 5 + rack.contains(" 2 ") as u32;
        world.inject(prack(&dialog, cseq, &rack));
        let refused = world.received_statuses();
        assert!(refused == ["481 PRACK"] || refused == ["400 PRACK"], "{rack}: {refused:?}");
    }
    world.inject(prack(&dialog, 90, &format!("{rseq} 1 INVITE")));
    assert_eq!(world.received_statuses(), ["200 PRACK"]);
    world.inject(prack(&dialog, 91, &format!("{rseq} 1 INVITE")));
    assert_eq!(world.received_statuses(), ["481 PRACK"], "it has been acknowledged");
    world.run(ms(20_000));
    assert_eq!(world.received().len(), 0);
}

#[test]
fn call_whose_reliable_answer_is_never_acknowledged_is_refused_after_32_seconds() {
    let mut world = World::new(9, Transport::Tcp, &[ringing]);
    world.inject(reliable_invite(HeaderName::Require, OFFER));
    world.run(ms(31_999));
    assert_eq!(world.ended(0), []);
    let sent = world.sent_by(0).iter().filter(|line| **line == "180 INVITE").count();
    assert_eq!(sent, 7, "at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s");
    world.run(ms(1));
    assert_eq!(world.ended(0), [EndReason::TimedOut]);
    assert_eq!(world.received_statuses().last().unwrap(), "504 INVITE");
    world.run_out();
    world.assert_empty();
}

#[test]
fn next_reliable_answer_and_the_2xx_wait_for_prack() {
    let mut world = World::new(10, Transport::Udp, &[passive]);
    let invite = reliable_invite(HeaderName::Supported, OFFER);
    world.inject(invite.clone());
    let session = world.incoming(0);
    world.received();
    let ua = &mut world.ends[0].ua;
    ua.progress(world.now, session, 183, ANSWER.to_vec()).unwrap();
    ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    assert!(ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).is_err());
    assert!(ua.progress(world.now, session, 180, Vec::new()).is_err());
    let (progress, dialog) = newest(&mut world, &invite);
    assert_eq!((progress.code(), &*progress.body), (183, ANSWER));
    let rseq = progress.headers.value(HeaderName::RSeq).unwrap().to_owned();
    world.run(ms(400));
    assert_eq!(world.received().len(), 0);
    world.inject(prack(&dialog, 2, &format!("{rseq} 1 INVITE")));
    let messages = world.received();
    let [Message::Response(ok), Message::Response(answer)] = &messages[..] else { panic!("{messages:#?}") };
    assert_eq!((ok.headers.cseq().unwrap().method, ok.code()), (Method::Prack, 200));
    assert_eq!((answer.headers.cseq().unwrap().method, answer.code()), (Method::Invite, 200));
    assert_eq!(answer.body, b"", "all has been said in the 183");
    world.inject(request_like(&dialog, Method::Ack, 1, "ack"));
    assert_eq!(world.count(0, |event| matches!(event, Event::Confirmed { .. })), 1);
}

#[test]
fn reliable_answers_follow_one_another() {
    let rules = CallRules { session_expires: None, reliable: Reliable::Supported, ..CallRules::default() };
    let mut world = World::with_rules(11, Transport::Udp, &[passive], rules);
    let invite = reliable_invite(HeaderName::Supported, OFFER);
    world.inject(invite.clone());
    let session = world.incoming(0);
    world.received();
    for status in [180, 182, 181] {
        world.ends[0].ua.progress(world.now, session, status, Vec::new()).unwrap();
    }
    let mut last = None;
    for (cseq, status) in [(2, 180), (3, 182), (4, 181)] {
        let (progress, dialog) = newest(&mut world, &invite);
        let rseq: u32 = progress.headers.value(HeaderName::RSeq).unwrap().parse().unwrap();
        assert_eq!((progress.code(), last.is_none_or(|last| rseq == last + 1)), (status, true));
        last = Some(rseq);
        world.inject(prack(&dialog, cseq, &format!("{rseq} 1 INVITE")));
    }
    assert_eq!(world.received_statuses(), ["200 PRACK"]);
}

#[test]
fn prack_that_the_2xx_has_overtaken_is_answered() {
    let rules = CallRules { session_expires: None, reliable: Reliable::Supported, ..CallRules::default() };
    let mut world = World::with_rules(12, Transport::Udp, &[answering], rules);
    let invite = reliable_invite(HeaderName::Supported, OFFER);
    world.inject(invite.clone());
    let messages = world.received();
    let [_, Message::Response(ringing), Message::Response(ok)] = &messages[..] else { panic!("{messages:#?}") };
    assert_eq!((ringing.code(), ok.code()), (180, 200), "without a description nothing waits");
    let dialog = in_dialog(&invite, ok.headers.to_tag().unwrap());
    let rack = format!("{} 1 INVITE", ringing.headers.value(HeaderName::RSeq).unwrap());
    world.inject(prack(&dialog, 2, &rack));
    world.inject(prack(&dialog, 3, &rack));
    assert_eq!(world.received_statuses(), ["200 PRACK", "481 PRACK"]);
}

#[test]
fn our_offer_in_a_reliable_answer_is_answered_by_prack() {
    let mut world = World::new(13, Transport::Udp, &[passive]);
    let invite = reliable_invite(HeaderName::Require, b"");
    world.inject(invite.clone());
    let session = world.incoming(0);
    world.received();
    world.ends[0].ua.progress(world.now, session, 180, Vec::new()).unwrap();
    assert_eq!(world.received().len(), 0, "the first reliable answer would have to bring the offer");
    world.ends[0].ua.progress(world.now, session, 183, OFFER.to_vec()).unwrap();
    let (progress, dialog) = newest(&mut world, &invite);
    let rseq = progress.headers.value(HeaderName::RSeq).unwrap().to_owned();
    let mut request = prack(&dialog, 2, &format!("{rseq} 1 INVITE"));
    request.set_body("application/sdp", ANSWER.to_vec());
    world.inject(request);
    let body = world.await_event(0, |event| match event {
        Event::EarlyAnswer { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(body, ANSWER);
    assert_eq!(world.received_statuses(), ["200 PRACK"]);
    world.ends[0].ua.answer(world.now, session, OFFER.to_vec(), Headers::default()).unwrap();
    let (ok, _) = newest(&mut world, &invite);
    assert_eq!((ok.code(), &*ok.body), (200, &b""[..]));
}

#[test]
fn offer_in_prack_is_answered_in_its_200() {
    let mut world = World::new(14, Transport::Udp, &[passive]);
    let invite = reliable_invite(HeaderName::Require, OFFER);
    world.inject(invite.clone());
    let session = world.incoming(0);
    world.received();
    world.ends[0].ua.progress(world.now, session, 183, ANSWER.to_vec()).unwrap();
    let (progress, dialog) = newest(&mut world, &invite);
    let rseq = progress.headers.value(HeaderName::RSeq).unwrap().to_owned();
    let mut request = prack(&dialog, 2, &format!("{rseq} 1 INVITE"));
    request.set_body("application/sdp", OFFER.to_vec());
    world.inject(request);
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    assert_eq!(world.received().len(), 0, "the 2xx waits for the answer to this offer");
    world.ends[0].ua.accept_reoffer(world.now, session, ANSWER.to_vec()).unwrap();
    assert_eq!(world.received_statuses(), ["200 PRACK", "200 INVITE"]);
}

#[test]
fn two_of_us_agree_early_and_stay_with_it() {
    for seed in 0..20 {
        let rules = CallRules { session_expires: None, reliable: Reliable::Supported, ..CallRules::default() };
        let mut world = World::with_rules(seed, Transport::Udp, &[passive, early], rules);
        world.weather = Weather { loss: 150, doubled: 100, delay: (ms(5), ms(200)) };
        let caller = world.call(0, 1);
        world.await_event(0, |event| matches!(event, Event::Answered { .. }).then_some(()));
        world.await_event(1, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
        assert!(world.sent_by(0).contains(&"PRACK"), "{:#?}", world.trace);
        world.ends[0].ua.hang_up(world.now, caller).unwrap();
        world.run_out();
        world.assert_empty();
    }
}

/// Early media, then a ring, then the answer.
fn early(ua: &mut UserAgent, now: Instant, event: &Event) {
    if let Event::Incoming { session, .. } = event {
        ua.progress(now, *session, 183, ANSWER.to_vec()).unwrap();
        ua.progress(now, *session, 180, Vec::new()).unwrap();
        ua.answer(now, *session, ANSWER.to_vec(), Headers::default()).unwrap();
    }
}
