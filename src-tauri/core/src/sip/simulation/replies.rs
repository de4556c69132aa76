//! Where answers go (RFC 3261 §18.2.2, RFC 3581).

use super::super::message::{HeaderAccess, HeaderName};
use super::lone::Lone;
use super::peer::{invite, request_like};
use super::*;

/// Where the answers go to a request of 10.0.0.2:5060 with that Via.
fn answered_at(transport: Transport, via: &str) -> String {
    let mut lone = Lone::new(transport);
    let mut request = request_like(&invite("1"), Method::Options, 1, "1");
    request.headers.set(HeaderName::Via, format!("SIP/2.0/{transport} {via};branch=z9hG4bKx"));
    lone.inject(request);
    match lone.sent.last().unwrap().0 {
        Destination::Flow(_) => "flow".to_owned(),
        Destination::Address(transport, address) => format!("{transport} {address}"),
    }
}

#[test]
fn answers_go_back_the_way_the_request_came() {
    use Transport::{Tcp, Udp, Ws};
    for (transport, via, expected) in [
        (Udp, "10.0.0.2:5060", "flow"),
        (Udp, "10.0.0.2:5060;rport", "flow"),
        (Udp, "10.0.0.2:9;rport", "flow"),
        // Sent from another port than it listens at, and no NAT between.
        (Udp, "10.0.0.2:9", "UDP 10.0.0.2:9"),
        (Udp, "10.0.0.2", "flow"),
        // A NAT between, which has changed the port too.
        (Udp, "192.168.1.5:9", "flow"),
        (Udp, "pbx.example.org:9", "flow"),
        // Nobody makes us send to somebody else.
        (Udp, "10.0.0.99:9", "flow"),
        (Udp, "10.0.0.2:5060;maddr=10.0.0.99", "flow"),
        (Udp, "10.0.0.2:5060;received=10.0.0.99", "flow"),
        (Udp, "10.0.0.2:0", "flow"),
        (Tcp, "10.0.0.2:9", "flow"),
        (Ws, "x.invalid", "flow"),
    ] {
        assert_eq!(answered_at(transport, via), expected, "{transport} {via}");
    }
}

#[test]
fn whoever_comes_when_all_is_full_is_told_when_to_come_again() {
    let mut lone = Lone::new(Transport::Udp);
    lone.ua.set_limits(super::super::user_agent::Limits { sessions: 1, transactions: 2 });
    for branch in ["1", "2", "3"] {
        let mut request = request_like(&invite("1"), Method::Options, 1, branch);
        request.headers.set(HeaderName::CallId, branch);
        lone.inject(request);
    }
    let answers = lone.sent.iter().filter_map(|(_, message)| match message {
        Message::Response(response) => Some((response.code(), response.headers.retry_after().is_some())),
        Message::Request(_) => None,
    });
    assert_eq!(answers.collect::<Vec<_>>(), [(200, false), (200, false), (503, true)]);
    assert_eq!(lone.ua.load().1, 2, "the refusal costs no memory");
    assert!(
        lone.ua
            .invite(
                lone.now,
                Invite {
                    identity: lone.identity(),
                    target: Uri::sip("7002", "example.org"),
                    offer: OFFER.to_vec(),
                    headers: Headers::default(),
                }
            )
            .is_err()
    );
}

#[test]
fn repetitions_of_an_answer_take_its_way() {
    let mut lone = Lone::new(Transport::Udp);
    let mut call = invite("1");
    call.headers.set(HeaderName::Via, "SIP/2.0/UDP 10.0.0.2:9;branch=z9hG4bKx");
    lone.inject(call.clone());
    let session = lone.events.iter().find_map(|event| match event {
        Event::Incoming { session, .. } => Some(*session),
        _ => None,
    });
    lone.ua.answer(lone.now, session.unwrap(), ANSWER.to_vec(), Headers::default()).unwrap();
    lone.run(Duration::from_secs(5));
    lone.inject(call.clone());
    // A refusal is repeated by its transaction.
    call.headers.set(HeaderName::Via, "SIP/2.0/UDP 10.0.0.2:9;branch=z9hG4bKy");
    call.headers.set(HeaderName::CallId, "another");
    lone.inject(call);
    let session = lone.events.iter().rev().find_map(|event| match event {
        Event::Incoming { session, .. } => Some(*session),
        _ => None,
    });
    let sent = lone.sent.len();
    lone.ua.reject(lone.now, session.unwrap(), 486, Headers::default()).unwrap();
    lone.run(Duration::from_secs(5));
    let refusals = lone.sent[sent..].iter().filter(|(_, message)| first_words(&wire::write(message)) == "486 INVITE");
    assert!(refusals.count() >= 3);
    let destinations: Vec<Destination> = lone.sent.iter().map(|(destination, _)| *destination).collect();
    assert!(destinations.len() >= 5);
    let port = Destination::Address(Transport::Udp, "10.0.0.2:9".parse().unwrap());
    assert!(destinations.iter().all(|destination| *destination == port), "{destinations:?}");
}
