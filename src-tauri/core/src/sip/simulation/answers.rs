//! What the answers of the peer do to our requests.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::peer::*;
use super::*;

fn challenge(request: &Request, status: u16, nonce: &str) -> Response {
    let mut response = answer_to(request, status, "t");
    let header = if status == 401 { HeaderName::WwwAuthenticate } else { HeaderName::ProxyAuthenticate };
    response
        .headers
        .add(header, format!("Digest realm=\"example.org\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5"));
    response
}

#[test]
fn challenged_invite_is_acknowledged_and_sent_again_with_credentials() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let session = world.call(0, PEER);
    let first = world.received_request();
    world.inject(challenge(&first, 407, "n1"));
    let messages = world.received();
    let [Message::Request(ack), Message::Request(second)] = &messages[..] else { panic!("{messages:#?}") };
    assert_eq!(ack.method, Method::Ack);
    assert_eq!(ack.headers.via().unwrap().branch(), first.headers.via().unwrap().branch());
    assert_eq!(ack.headers.to_tag(), Some("t"));
    assert_eq!(second.headers.cseq().unwrap().seq, 2);
    assert_eq!(second.headers.call_id(), first.headers.call_id());
    assert_eq!(second.headers.from_tag(), first.headers.from_tag());
    assert_eq!(second.headers.to_tag(), None);
    assert!(second.headers.value(HeaderName::ProxyAuthorization).unwrap().contains("nc=00000001"));
    assert_eq!(second.body, OFFER);
    assert_ne!(second.headers.via().unwrap().branch(), first.headers.via().unwrap().branch());

    let second = second.clone();
    world.answer(&second, 200, "t");
    let ack = world.received_request();
    assert!(ack.headers.value(HeaderName::ProxyAuthorization).is_some(), "an ACK cannot be challenged");
    assert_eq!(ack.headers.cseq().unwrap().seq, 2);

    // Later requests carry credentials at once, and answer a new nonce all the same.
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    assert!(bye.headers.value(HeaderName::ProxyAuthorization).unwrap().contains("nc=00000002"));
    world.inject(challenge(&bye, 407, "n2"));
    let bye = world.received_request();
    assert_eq!((bye.method.clone(), bye.headers.cseq().unwrap().seq), (Method::Bye, 4));
    world.answer(&bye, 200, "t");
    world.run_out();
    world.assert_empty();
}

#[test]
fn new_nonce_is_tried_once_more_even_if_the_server_does_not_call_the_old_one_stale() {
    let mut world = World::new(2, Transport::Tcp, &[passive]);
    world.call(0, PEER);
    for nonce in ["n1", "n2", "n3"] {
        let Some(Message::Request(invite)) = world.received().pop() else { panic!() };
        assert_eq!(invite.method, Method::Invite);
        world.inject(challenge(&invite, 401, nonce));
    }
    let last = world.received();
    assert!(matches!(&last[..], [Message::Request(Request { method: Method::Ack, .. })]), "{last:#?}");
    assert_eq!(world.ended(0), [EndReason::Rejected { status: 401, reason: "Unauthorized".into() }]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn challenged_reinvite_and_info_are_sent_again_with_credentials() {
    let mut world = World::new(3, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    let first = world.received_request();
    world.inject(challenge(&first, 407, "n1"));
    let Some(Message::Request(second)) = world.received().pop() else { panic!() };
    assert_eq!((second.method.clone(), second.headers.cseq().unwrap().seq), (Method::Invite, 3));
    world.answer(&second, 200, "t");
    let ack = world.received_request();
    assert_eq!((ack.method.clone(), ack.headers.cseq().unwrap().seq), (Method::Ack, 3));
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferAnswered { .. })), 1);

    world.ends[0].ua.info(world.now, session, "application/dtmf-relay", b"Signal=1".to_vec()).unwrap();
    let info = world.received_request();
    world.inject(challenge(&info, 407, "n2"));
    let info = world.received_request();
    assert_eq!((info.body.as_slice(), info.headers.cseq().unwrap().seq), (&b"Signal=1"[..], 5));
    world.answer(&info, 200, "t");
    assert_eq!(world.count(0, |event| matches!(event, Event::InfoFailed { .. })), 0);
}

#[test]
fn refused_reinvite_leaves_the_session_as_it_was() {
    let mut world = World::new(4, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    let invite = world.received_request();
    world.answer(&invite, 488, "t");
    assert_eq!(world.received_request().method, Method::Ack);
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferFailed { status: 488, .. })), 1);
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    assert_eq!(world.ended(0), []);
}

#[test]
fn reinvite_that_finds_no_dialog_ends_the_session() {
    for (status, reason, bye) in [
        (481, EndReason::Rejected { status: 481, reason: "Call/Transaction Does Not Exist".into() }, false),
        (408, EndReason::TimedOut, true),
    ] {
        let mut world = World::new(5, Transport::Udp, &[passive]);
        let (session, _) = world.answered_call();
        world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
        let invite = world.received_request();
        world.answer(&invite, status, "t");
        let expected: &[&str] = if bye { &["ACK", "BYE"] } else { &["ACK"] };
        assert_eq!(world.received_statuses(), expected);
        assert_eq!(world.ended(0), [reason]);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn unanswered_reinvite_ends_the_session_with_bye() {
    let mut world = World::new(6, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    world.run(ms(31_999));
    assert_eq!(world.ended(0), []);
    world.run(ms(1));
    assert_eq!(world.ended(0), [EndReason::TimedOut]);
    assert!(world.received_statuses().contains(&"BYE".to_owned()));
    world.run_out();
    world.assert_empty();
}

#[test]
fn glare_is_waited_out_in_units_of_ten_milliseconds() {
    for seed in 0..40 {
        let mut world = World::new(seed, Transport::Tcp, &[passive]);
        let (session, caller_owns) =
            if seed % 2 == 0 { (world.answered_call().0, true) } else { (world.accepted_call().0, false) };
        world.received();
        world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
        let invite = world.received_request();
        let before = world.elapsed();
        world.answer(&invite, 491, "t");
        world.received();
        let wake = world.ends[0].ua.poll_timeout().unwrap();
        world.run(wake - world.now);
        let again = world.received_request();
        let waited = world.elapsed() - before;
        assert_eq!(again.method, Method::Invite);
        let (from, to) = if caller_owns { (2100, 4000) } else { (0, 2000) };
        assert!((ms(from)..=ms(to)).contains(&waited), "{waited:?}");
        assert_eq!(waited.as_millis() % 10, 0);
    }
}

#[test]
fn glare_without_end_is_given_up() {
    let mut world = World::new(7, Transport::Tcp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    for _ in 0..6 {
        let invite = world.received_request();
        world.answer(&invite, 491, "t");
        world.received();
        world.run(ms(4000));
    }
    assert_eq!(world.received().len(), 0);
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferFailed { status: 491, .. })), 1);
}

#[test]
fn refused_info_is_reported_and_the_session_stands() {
    let mut world = World::new(8, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.info(world.now, session, "application/dtmf-relay", b"Signal=1".to_vec()).unwrap();
    let info = world.received_request();
    world.answer(&info, 415, "t");
    assert_eq!(world.count(0, |event| matches!(event, Event::InfoFailed { status: 415, .. })), 1);
    assert_eq!(world.ended(0), []);
}

#[test]
fn peer_may_move_its_contact() {
    let mut world = World::new(9, Transport::Udp, &[answering]);
    let (session, invite) = world.answered_call();
    let mut reinvite = from_callee(&invite, Method::Invite, 1);
    reinvite.headers.set(HeaderName::Contact, "<sip:moved@10.0.0.77:5099>");
    world.inject(reinvite);
    world.received();
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    // The BYE waits for the ACK of the re-INVITE.
    assert_eq!(world.received().len(), 0);
    world.inject(from_callee(&invite, Method::Ack, 1));
    assert_eq!(world.received_request().uri.to_string(), "sip:moved@10.0.0.77:5099");
}

#[test]
fn closed_flow_ends_what_had_not_begun_and_spares_what_stands() {
    let mut world = World::new(10, Transport::Tcp, &[ringing]);
    let (standing, _) = world.answered_call();
    world.call(0, PEER);
    world.inject(invite("1"));
    world.received();
    let flow = world.flow(0, PEER);
    world.ends[0].ua.reoffer(world.now, standing, OFFER.to_vec()).unwrap();
    world.ends[0].ua.handle_flow_closed(world.now, flow.id);
    world.flush();
    assert_eq!(world.ended(0), [EndReason::Unreachable, EndReason::Unreachable]);
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferFailed { status: 503, .. })), 1);

    let other = Flow { id: FlowId(8), local: "10.0.0.1:6060".parse().unwrap(), ..flow };
    world.received();
    world.ends[0].ua.move_session(world.now, standing, other).unwrap();
    world.ends[0].ua.reoffer(world.now, standing, OFFER.to_vec()).unwrap();
    let invite = world.received_request();
    assert_eq!(invite.headers.value(HeaderName::Contact), Some("<sip:u0@10.0.0.1:6060;transport=tcp>"));
    assert!(invite.headers.value(HeaderName::Via).unwrap().starts_with("SIP/2.0/TCP 10.0.0.1:6060"));
}

#[test]
fn websocket_client_names_no_address_of_its_own() {
    for transport in [Transport::Ws, Transport::Wss] {
        let mut world = World::new(11, transport, &[passive]);
        world.call(0, PEER);
        let invite = world.received_request();
        let via = invite.headers.via().unwrap();
        assert!(via.host.ends_with(".invalid"), "{via}");
        assert_eq!((&*via.transport, via.port), (transport.via_token(), None));
        let contact = invite.headers.contact().unwrap().uri;
        assert_eq!((contact.param("transport"), &contact.host), (Some("ws"), &via.host));
    }
}

#[test]
fn reason_goes_with_bye_and_cancel() {
    let mut world = World::new(12, Transport::Udp, &[passive]);
    let session = world.call(0, PEER);
    let invite = world.received_request();
    world.ends[0].ua.hang_up_because(world.now, session, 200, "Call completed elsewhere").unwrap();
    world.answer(&invite, 180, "t");
    let cancel = world.received_request();
    assert_eq!((cancel.method.clone(), cancel.headers.reason_cause("SIP")), (Method::Cancel, Some(200)));
}

#[test]
fn answer_of_another_call_or_to_nothing_is_dropped() {
    let mut world = World::new(13, Transport::Udp, &[passive]);
    world.call(0, PEER);
    let invite = world.received_request();
    let mut foreign = answer_to(&invite, 200, "t");
    foreign.headers.set(HeaderName::CallId, "other");
    world.inject(foreign);
    let mut stray = answer_to(&invite, 200, "t");
    stray.headers.set(HeaderName::Via, "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKguess");
    world.inject(stray);
    assert_eq!(world.count(0, |event| matches!(event, Event::Answered { .. })), 0);
    assert_eq!(world.count(0, |event| matches!(event, Event::Dropped { .. })), 2);
}

#[test]
fn moved_session_repeats_its_answer_along_the_new_flow() {
    let mut world = World::new(14, Transport::Tcp, &[passive]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    world.received();
    let flow = world.flow(0, PEER);
    world.ends[0].ua.handle_flow_closed(world.now, flow.id);
    let other = Flow { id: FlowId(8), ..flow };
    world.ends[0].ua.move_session(world.now, session, other).unwrap();
    let wake = world.ends[0].ua.poll_timeout().unwrap();
    world.ends[0].ua.handle_timeout(wake);
    match world.ends[0].ua.poll_output() {
        Some(Output::Transmit { destination, bytes }) => {
            assert_eq!((destination, &*first_words(&bytes)), (Destination::Flow(FlowId(8)), "200 INVITE"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(world.ended(0), [], "an answered call survives its flow");
}
