//! INFO: digits one after another, what the peer refuses, and what either side adds of its own.

use super::super::message::{HeaderAccess, HeaderName, Request};
use super::super::user_agent::{DtmfForm, Error};
use super::peer::*;
use super::*;

fn text(request: &Request) -> &str {
    std::str::from_utf8(&request.body).unwrap()
}

fn refused(world: &World) -> Vec<(u16, String)> {
    let refused = world.ends[0].events.iter().filter_map(|(_, event)| match event {
        Event::DigitsRefused { status, unsent, .. } => Some((*status, unsent.expose().clone())),
        _ => None,
    });
    refused.collect()
}

#[test]
fn digits_go_out_one_after_another_in_the_form_asked_for() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.send_digits(world.now, session, "1#d", DtmfForm::Relay).unwrap();
    world.ends[0].ua.send_digits(world.now, session, "*", DtmfForm::Plain).unwrap();
    let expected = [
        ("application/dtmf-relay", "Signal=1\r\nDuration=160\r\n"),
        ("application/dtmf-relay", "Signal=#\r\nDuration=160\r\n"),
        ("application/dtmf-relay", "Signal=D\r\nDuration=160\r\n"),
        ("application/dtmf", "*"),
    ];
    for (cseq, (content_type, body)) in (2..).zip(expected) {
        world.run(ms(200));
        let info = world.received_request();
        assert_eq!((&info.method, info.headers.content_type(), text(&info)), (&Method::Info, Some(content_type), body));
        assert_eq!(info.headers.cseq().unwrap().seq, cseq);
        world.answer(&info, 200, "t");
    }
    assert_eq!(world.received().len(), 0);
    assert_eq!(refused(&world), []);
}

#[test]
fn refused_digit_takes_all_that_follow_another_way() {
    for status in [405, 415, 501, 603] {
        let mut world = World::new(2, Transport::Udp, &[passive]);
        let (session, _) = world.answered_call();
        world.ends[0].ua.send_digits(world.now, session, "12", DtmfForm::Relay).unwrap();
        world.ends[0].ua.info(world.now, session, "text/plain", b"between".to_vec()).unwrap();
        world.ends[0].ua.send_digits(world.now, session, "3", DtmfForm::Relay).unwrap();
        let info = world.received_request();
        world.answer(&info, 200, "t");
        let info = world.received_request();
        world.answer(&info, status, "t");
        assert_eq!(refused(&world), [(status, "23".to_owned())]);
        let info = world.received_request();
        assert_eq!(text(&info), "between", "what is no digit still goes out");
        world.answer(&info, status, "t");
        assert_eq!(world.count(0, |event| matches!(event, Event::InfoFailed { .. })), 1);
        assert_eq!(world.ended(0), []);
    }
}

#[test]
fn challenged_digit_is_sent_again_before_the_next() {
    let mut world = World::new(3, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.send_digits(world.now, session, "78", DtmfForm::Plain).unwrap();
    let info = world.received_request();
    let mut challenge = answer_to(&info, 407, "t");
    challenge.headers.add(HeaderName::ProxyAuthenticate, "Digest realm=\"example.org\", nonce=\"n\", qop=\"auth\"");
    world.inject(challenge);
    let again = world.received_request();
    assert_eq!((text(&again), again.headers.value(HeaderName::ProxyAuthorization).is_some()), ("7", true));
    world.answer(&again, 200, "t");
    assert_eq!(text(&world.received_request()), "8");
}

#[test]
fn what_is_no_digit_or_too_much_is_refused_here() {
    let mut world = World::new(4, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    let ua = &mut world.ends[0].ua;
    for digits in ["1 2", "x", "1\r\nSignal=2", "１"] {
        assert!(matches!(ua.send_digits(world.now, session, digits, DtmfForm::Relay), Err(Error::WrongState(_))));
    }
    assert_eq!(ua.send_digits(world.now, session, &"1".repeat(200), DtmfForm::Relay), Err(Error::Full));
    assert_eq!(world.received().len(), 0);
    let calling = world.call(0, PEER);
    let early = world.ends[0].ua.send_digits(world.now, calling, "1", DtmfForm::Relay);
    assert!(matches!(early, Err(Error::WrongState(_))));
}

#[test]
fn info_that_finds_no_dialog_ends_the_session_and_so_does_silence() {
    for (status, reason, bye) in [
        (481, EndReason::Rejected { status: 481, reason: "Call/Transaction Does Not Exist".into() }, 0),
        (408, EndReason::TimedOut, 1),
    ] {
        let mut world = World::new(5, Transport::Udp, &[passive]);
        let (session, _) = world.answered_call();
        world.ends[0].ua.send_digits(world.now, session, "12", DtmfForm::Relay).unwrap();
        let info = world.received_request();
        world.answer(&info, status, "t");
        assert_eq!(world.ended(0), [reason]);
        assert_eq!(world.received().len(), bye);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn session_that_outlives_silence_says_so_and_stands() {
    use super::super::user_agent::Silence;
    let rules = CallRules { session_expires: None, silence: Silence::Reported, ..CallRules::default() };
    let mut world = World::with_rules(6, Transport::Udp, &[passive], rules);
    let (session, _) = world.answered_call();
    world.ends[0].ua.send_digits(world.now, session, "12", DtmfForm::Relay).unwrap();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    world.run(Duration::from_secs(40));
    assert_eq!(world.ended(0), []);
    assert_eq!(refused(&world), [(408, "12".to_owned())]);
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferFailed { status: 408, .. })), 1);
    world.received();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    assert_eq!(world.received_request().method, Method::Invite);
}

#[test]
fn info_of_the_peer_reaches_the_application_whatever_it_holds() {
    let mut world = World::new(7, Transport::Udp, &[passive]);
    let (_, invite) = world.accepted_call();
    world.received();
    let mut info = request_like(&invite, Method::Info, 2, "i2");
    info.set_body("application/vnd.centre+json;charset=utf-8", b"{}".to_vec());
    info.headers.add_named("X-Queue", "sales");
    world.inject(info);
    let told = world.await_event(0, |event| match event {
        Event::Info { content_type, body, headers, .. } => {
            Some((content_type.clone(), body.clone(), headers.named("X-Queue").map(str::to_owned)))
        }
        _ => None,
    });
    assert_eq!(told, ("application/vnd.centre+json".into(), b"{}".to_vec(), Some("sales".into())));
    let mut package = request_like(&invite, Method::Info, 3, "i3");
    package.headers.add(HeaderName::InfoPackage, "foo");
    world.inject(package);
    assert_eq!(world.received_statuses(), ["200 INFO", "469 INFO"]);
}

#[test]
fn application_adds_headers_to_info_bye_refusal_and_answer() {
    let own = || Headers::from([("X-Call-Data", "k=v"), ("User-to-User", "00af;encoding=hex")]);
    let found =
        |request: &Headers| request.named("x-call-data") == Some("k=v") && request.named("user-to-user").is_some();
    let mut world = World::new(8, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    let ua = &mut world.ends[0].ua;
    ua.info_with(world.now, session, "text/plain", b"x".to_vec(), own()).unwrap();
    let info = world.received_request();
    assert!(found(&info.headers));
    world.answer(&info, 200, "t");
    world.ends[0].ua.hang_up_with(world.now, session, own()).unwrap();
    let bye = world.received_request();
    assert!(bye.method == Method::Bye && found(&bye.headers));

    let mut world = World::new(8, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    world.ends[0].ua.hang_up_with(world.now, session, own()).unwrap();
    let refusal = world.received().pop().unwrap();
    assert!(first_words(&wire::write(&refusal)) == "603 INVITE" && found(refusal.headers()));

    let mut world = World::new(8, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), own()).unwrap();
    let ok = world.received().pop().unwrap();
    assert!(first_words(&wire::write(&ok)) == "200 INVITE" && found(ok.headers()));
}

#[test]
fn headers_of_the_protocol_are_refused_wherever_the_application_may_add_some() {
    let mut world = World::new(9, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    let now = world.now;
    let ua = &mut world.ends[0].ua;
    let own = [
        "Via",
        "Contact",
        "Supported",
        "Require",
        "Proxy-Require",
        "Allow",
        "Session-Expires",
        "x",
        "Min-SE",
        "RSeq",
        "RAck",
        "Content-Encoding",
        "e",
        "Content-Length",
        "l",
        "CSeq",
        "Call-ID",
        "Authorization",
        "Unsupported",
        "Timestamp",
    ];
    for name in own {
        let headers = Headers::from([(name, "1")]);
        assert!(matches!(ua.hang_up_with(now, session, headers.clone()), Err(Error::Header(_))), "{name}");
        assert!(matches!(ua.info_with(now, session, "a/b", Vec::new(), headers), Err(Error::Header(_))), "{name}");
    }
    for (name, value) in [("X-A", "1\r\nVia: x"), ("X-A", "1\n"), ("X-A", "1\0"), ("X A", "1"), ("", "1"), ("X:A", "1")]
    {
        let headers = Headers::from([(name, value)]);
        assert!(matches!(ua.hang_up_with(now, session, headers), Err(Error::Header(_))), "{name:?}: {value:?}");
    }
    let many: Headers = (0..65).map(|_| super::super::message::Header::new("X-A", "1")).collect();
    assert!(matches!(ua.hang_up_with(now, session, many), Err(Error::Header(_))), "too many");
    let long = Headers::from([("X-A", "1".repeat(9_000))]);
    assert!(matches!(ua.hang_up_with(now, session, long), Err(Error::Header(_))), "too long");
    assert_eq!(world.received().len(), 0);
    assert_eq!(world.ended(0), [], "the session goes on");
}

#[test]
fn headers_of_the_peers_bye_cancel_and_answers_reach_the_application() {
    let seen = |world: &World, pick: &dyn Fn(&Event) -> Option<&Headers>| {
        let mut found = world.ends[0].events.iter().filter_map(|(_, event)| pick(event));
        found.any(|headers| headers.named("x-data") == Some("1"))
    };
    let mut world = World::new(10, Transport::Udp, &[passive]);
    world.call(0, PEER);
    let invite = world.received_request();
    for status in [180, 200] {
        let mut response = answer_to(&invite, status, "t");
        response.headers.add_named("X-Data", "1");
        world.inject(response);
    }
    assert!(seen(&world, &|event| match event {
        Event::Progress { headers, .. } => Some(headers),
        _ => None,
    }));
    assert!(seen(&world, &|event| match event {
        Event::Answered { headers, .. } => Some(headers),
        _ => None,
    }));
    let mut bye = from_callee(&invite, Method::Bye, 1);
    bye.headers.add_named("X-Data", "1");
    bye.headers.add(HeaderName::Reason, "Q.850;cause=16, SIP;cause=200");
    world.inject(bye);
    let ended = |event: &Event| match event {
        Event::Ended { headers, .. } => Some(headers.reason_cause("Q.850")),
        _ => None,
    };
    assert_eq!(world.await_event(0, ended), Some(16));
    assert_eq!(world.ended(0), [EndReason::Remote { cause: Some(200) }]);
}
