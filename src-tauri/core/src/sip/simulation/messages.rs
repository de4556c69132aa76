//! MESSAGE and PUBLISH: what goes out, what comes back, and what is made of it (RFC 3428, RFC 3903).

use super::super::message::{HeaderAccess, HeaderName, Request};
use super::super::user_agent::{Content, Error, MAX_MESSAGE, Publish};
use super::peer::*;
use super::*;

fn text(body: &str) -> Content {
    Content {
        content_type: "text/plain;charset=utf-8".into(),
        body: body.as_bytes().to_vec(),
        headers: Headers::from([("X-Case", "4711")]),
    }
}

fn delivered(event: &Event) -> Option<u16> {
    match event {
        Event::MessageAnswered { status, .. } => Some(*status),
        _ => None,
    }
}

fn message(event: &Event) -> Option<(Option<SessionId>, Request)> {
    match event {
        Event::Message { session, request, .. } => Some((*session, (**request).clone())),
        _ => None,
    }
}

#[test]
fn message_reaches_the_other_end_whatever_its_language_and_is_confirmed() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(1, transport, &[passive, passive]);
        let identity = world.identity(0, 1);
        let target = Uri::sip("u1", "example.org");
        world.ends[0].ua.send_message(world.now, identity, target, text("您好 👋")).unwrap();
        let (session, request) = world.await_event(1, message);
        assert_eq!(session, None);
        assert_eq!(request.body, "您好 👋".as_bytes());
        assert_eq!(request.headers.named("x-case"), Some("4711"));
        assert!(request.headers.contact().is_none(), "RFC 3428 §4");
        assert_eq!(world.await_event(0, delivered), 200);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn message_inside_a_call_names_its_session() {
    let mut world = World::new(2, Transport::Udp, &[passive, answering]);
    let caller = world.call(0, 1);
    assert_eq!(
        world.ends[0].ua.send_message_within(world.now, caller, text("early")),
        Err(Error::WrongState("calling"))
    );
    let callee = world.incoming(1);
    world.await_event(1, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
    world.ends[0].ua.send_message_within(world.now, caller, text("hello")).unwrap();
    let (session, request) = world.await_event(1, message);
    assert_eq!((session, request.body.as_slice()), (Some(callee), b"hello".as_slice()));
    assert_eq!(world.await_event(0, delivered), 200);
    world.ends[0].ua.hang_up(world.now, caller).unwrap();
    world.run_out();
    world.assert_empty();
}

#[test]
fn lost_answer_does_not_deliver_a_message_twice() {
    let mut world = World::new(3, Transport::Udp, &[passive, passive]);
    let mut left = 3;
    world.lose = Box::new(move |from, _| {
        let lost = from == 1 && left > 0;
        left -= usize::from(lost);
        lost
    });
    let identity = world.identity(0, 1);
    world.ends[0].ua.send_message(world.now, identity, Uri::sip("u1", "example.org"), text("once")).unwrap();
    assert_eq!(world.await_event(0, delivered), 200);
    assert_eq!(world.count(1, |event| message(event).is_some()), 1);
    world.run_out();
    world.assert_empty();
}

#[test]
fn undelivered_message_says_why() {
    for status in [404, 480, 486, 603] {
        let mut world = World::new(4, Transport::Udp, &[passive]);
        let identity = world.identity(0, PEER);
        world.ends[0].ua.send_message(world.now, identity, Uri::sip("u9", "x"), text("hi")).unwrap();
        let request = world.received_request();
        world.answer(&request, status, "t");
        assert_eq!(world.await_event(0, delivered), status);
    }
    let mut world = World::new(4, Transport::Udp, &[passive]);
    let identity = world.identity(0, PEER);
    world.ends[0].ua.send_message(world.now, identity, Uri::sip("u9", "x"), text("hi")).unwrap();
    assert_eq!(world.await_event(0, delivered), 408);
    world.run_out();
    world.assert_empty();
}

#[test]
fn challenged_message_is_sent_again_with_credentials() {
    for (status, challenge, answer) in [
        (401, HeaderName::WwwAuthenticate, HeaderName::Authorization),
        (407, HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
    ] {
        let mut world = World::new(5, Transport::Udp, &[passive]);
        let identity =
            Identity { route: vec!["<sip:proxy.example.org;lr>".parse().unwrap()], ..world.identity(0, PEER) };
        world.ends[0].ua.send_message(world.now, identity, Uri::sip("u9", "x"), text("hi")).unwrap();
        let first = world.received_request();
        let mut refusal = answer_to(&first, status, "t");
        refusal.headers.add(challenge, "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth,auth-int\"");
        world.inject(refusal);
        let second = world.received_request();
        assert!(second.headers.value(answer).is_some());
        assert_eq!(second.headers.cseq().unwrap().seq, 2);
        assert_eq!(second.headers.value(HeaderName::Route), Some("<sip:proxy.example.org;lr>"));
        assert_eq!(second.body, b"hi");
        world.answer(&second, 202, "t");
        assert_eq!(world.await_event(0, delivered), 202);
    }
}

#[test]
fn impossible_messages_are_refused_before_they_are_sent() {
    let mut world = World::new(6, Transport::Udp, &[passive]);
    let cases = [
        Content { content_type: "text/plain\r\nVia: x".into(), ..text("") },
        Content { content_type: String::new(), ..text("") },
        Content { headers: Headers::from([("Call-ID", "mine")]), ..text("") },
        Content { body: vec![b'x'; MAX_MESSAGE + 1], ..text("") },
    ];
    for content in cases {
        let identity = world.identity(0, PEER);
        assert!(world.ends[0].ua.send_message(world.now, identity, Uri::sip("u9", "x"), content).is_err());
    }
    assert_eq!(world.received().len(), 0);
    world.assert_empty();
}

#[test]
fn compressed_message_and_unknown_extension_are_refused() {
    let mut world = World::new(7, Transport::Udp, &[passive]);
    let mut gzip = request_like(&invite("x"), Method::Message, 5, "1");
    gzip.headers.add(HeaderName::ContentEncoding, "gzip");
    world.inject(gzip);
    let mut required = request_like(&invite("x"), Method::Message, 6, "2");
    required.headers.add(HeaderName::Require, "unheard-of");
    world.inject(required);
    assert_eq!(world.received_statuses(), ["415 MESSAGE", "420 MESSAGE"]);
    assert_eq!(world.count(0, |event| message(event).is_some()), 0);
}

const PIDF: &str = "application/pidf+xml";

fn publish(world: &mut World) -> super::super::user_agent::PublicationId {
    let publish = Publish {
        identity: world.identity(0, PEER),
        target: Uri::sip("u0", "example.org"),
        package: "presence".into(),
        expires: Duration::from_secs(600),
        content_type: PIDF.into(),
        body: b"<open/>".to_vec(),
    };
    world.ends[0].ua.publish(world.now, publish).unwrap()
}

/// The server takes a PUBLISH and calls what it holds by `etag`.
fn take(world: &mut World, request: &Request, etag: &str, expires: &str) {
    let mut ok = answer_to(request, 200, "t");
    ok.headers.add(HeaderName::SipEtag, etag);
    ok.headers.add(HeaderName::Expires, expires);
    world.inject(ok);
}

#[test]
fn publication_is_refreshed_changed_and_removed_by_its_etag() {
    let mut world = World::new(8, Transport::Udp, &[passive]);
    let id = publish(&mut world);
    let first = world.received_request();
    assert_eq!(first.headers.value(HeaderName::Event), Some("presence"));
    assert_eq!((first.headers.expires(), first.headers.value(HeaderName::SipIfMatch)), (Some(600), None));
    assert_eq!((first.body.as_slice(), first.headers.content_type()), (b"<open/>".as_slice(), Some(PIDF)));
    take(&mut world, &first, "one", "60");
    let refresh = world.next_request(ms(31_000));
    assert_eq!((refresh.headers.value(HeaderName::SipIfMatch), refresh.body.len()), (Some("one"), 0));
    take(&mut world, &refresh, "two", "600");
    world.ends[0].ua.modify_publication(world.now, id, PIDF, b"<closed/>".to_vec()).unwrap();
    let change = world.received_request();
    assert_eq!(change.headers.value(HeaderName::SipIfMatch), Some("two"));
    assert_eq!(change.body, b"<closed/>");
    world.ends[0].ua.unpublish(world.now, id).unwrap();
    assert_eq!(world.received().len(), 0, "one after the other");
    take(&mut world, &change, "three", "600");
    let removal = world.received_request();
    assert_eq!((removal.headers.expires(), removal.headers.value(HeaderName::SipIfMatch)), (Some(0), Some("three")));
    world.answer(&removal, 200, "t");
    world.run_out();
    assert_eq!(world.count(0, |event| matches!(event, Event::Unpublished { .. })), 1);
    world.assert_empty();
}

#[test]
fn forgotten_publication_is_published_anew_and_short_ones_are_lengthened() {
    let mut world = World::new(9, Transport::Udp, &[passive]);
    publish(&mut world);
    let first = world.received_request();
    let mut brief = answer_to(&first, 423, "t");
    brief.headers.add(HeaderName::MinExpires, "1800");
    world.inject(brief);
    let second = world.received_request();
    assert_eq!((second.headers.expires(), second.body.len()), (Some(1800), 7));
    take(&mut world, &second, "one", "60");
    let refresh = world.next_request(ms(31_000));
    world.answer(&refresh, 412, "t");
    let anew = world.received_request();
    assert_eq!((anew.headers.value(HeaderName::SipIfMatch), anew.body.len()), (None, 7));
    world.answer(&anew, 412, "t");
    assert_eq!(world.received().len(), 0, "a server that answers so to a new state is not asked for ever");
}

#[test]
fn refused_publication_ends_and_an_overloaded_server_is_asked_again_later() {
    let mut world = World::new(10, Transport::Udp, &[passive]);
    let id = publish(&mut world);
    let first = world.received_request();
    world.answer(&first, 489, "t");
    world.run(Duration::from_secs(3600));
    assert_eq!(world.received().len(), 0);
    world.ends[0].ua.unpublish(world.now, id).unwrap();

    publish(&mut world);
    let first = world.received_request();
    let mut busy = answer_to(&first, 503, "t");
    busy.headers.add(HeaderName::RetryAfter, "20");
    world.inject(busy);
    world.run(ms(19_000));
    assert_eq!(world.received().len(), 0);
    assert_eq!(world.next_request(ms(2_000)).body, b"<open/>");
}

#[test]
fn server_that_asks_for_no_pause_or_always_for_more_is_not_stormed_with_state() {
    let refusals = |status: u16, name: HeaderName, step: u32| {
        let mut world = World::new(11, Transport::Udp, &[passive]);
        publish(&mut world);
        let mut count = 0;
        for round in 0..200 {
            for message in world.received() {
                if let Message::Request(request) = message {
                    count += 1;
                    let mut no = answer_to(&request, status, "t");
                    no.headers.add(name, (step * (100_000 + round)).to_string());
                    world.inject(no);
                }
            }
            world.run(ms(5));
        }
        count
    };
    assert!(refusals(503, HeaderName::RetryAfter, 0) <= 2);
    assert!(refusals(423, HeaderName::MinExpires, 1) <= 5);
}
