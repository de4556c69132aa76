//! Requests beyond 1,300 octets: by TCP, and by UDP where there is no TCP.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::lone::Lone;
use super::*;

const TCP: Destination = Destination::Address(
    Transport::Tcp,
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 5060),
);
const UDP: Destination = Destination::Flow(FlowId(1));

/// A session description that makes its request too large for a datagram.
fn large() -> Vec<u8> {
    [OFFER, &b"a=x:0123456789\r\n".repeat(80)].concat()
}

fn remote() -> SocketAddr {
    "10.0.0.2:5060".parse().unwrap()
}

fn via_of(request: &Request) -> (String, String) {
    let via = request.headers.via().unwrap();
    (via.transport.to_string(), via.branch().unwrap().to_owned())
}

fn transport_of_last(lone: &Lone) -> (Destination, String) {
    let (destination, request) = lone.last();
    (destination, via_of(&request).0)
}

#[test]
fn only_what_is_too_large_for_a_datagram_takes_tcp() {
    let mut lone = Lone::new(Transport::Udp);
    lone.call(OFFER);
    assert_eq!(transport_of_last(&lone), (UDP, "UDP".into()));
    lone.call(&large());
    assert_eq!(transport_of_last(&lone), (TCP, "TCP".into()));
    let invite = lone.last_request();
    assert_eq!(invite.headers.contact().unwrap().to_string(), "<sip:7001@10.0.0.1:5062>", "we listen where we did");
    let sent = lone.sent.len();
    lone.run(Duration::from_secs(10));
    let repeated = lone.sent.split_off(sent);
    assert!(repeated.iter().all(|(destination, _)| *destination == UDP), "no repetitions over a stream");
    for transport in [Transport::Tcp, Transport::Ws, Transport::Tls] {
        let mut lone = Lone::new(transport);
        lone.call(&large());
        assert_eq!(lone.last().0, UDP, "{transport}: the flow is a stream already");
    }
}

#[test]
fn request_falls_back_to_udp_where_tcp_is_refused_and_the_server_is_spared_for_a_while() {
    let mut lone = Lone::new(Transport::Udp);
    let session = lone.call(&large());
    let by_tcp = lone.last_request();
    lone.ua.handle_unsent(lone.now, Transport::Tcp, remote());
    lone.drain();
    let (destination, by_udp) = lone.last();
    assert_eq!(destination, UDP);
    assert_eq!(via_of(&by_udp), ("UDP".to_owned(), via_of(&by_tcp).1), "the same transaction");
    let sent = lone.sent.len();
    lone.run(Duration::from_millis(500));
    assert_eq!(lone.sent.len(), sent + 1, "over UDP it repeats itself");

    let mut ok = Response::to_request(&by_udp, 200, Some("t"));
    ok.headers.add(HeaderName::Contact, "<sip:peer@10.0.0.2:5060>");
    ok.set_body("application/sdp", ANSWER.to_vec());
    lone.inject(ok);
    assert!(matches!(lone.events.last(), Some(Event::Answered { .. })));

    // Inside the dialog: by UDP at once, and by TCP again after ten minutes.
    lone.ua.reoffer(lone.now, session, large()).unwrap();
    lone.drain();
    assert_eq!(transport_of_last(&lone), (UDP, "UDP".into()));
    let mut ok = Response::to_request(&lone.last_request(), 200, Some("t"));
    ok.set_body("application/sdp", ANSWER.to_vec());
    lone.inject(ok);
    lone.run(Duration::from_secs(600));
    lone.ua.reoffer(lone.now, session, large()).unwrap();
    lone.drain();
    assert_eq!(transport_of_last(&lone), (TCP, "TCP".into()));
}

#[test]
fn ack_cancel_and_credentials_follow_the_way_of_their_invite() {
    let mut lone = Lone::new(Transport::Udp);
    lone.call(&large());
    lone.answer(407, &[(HeaderName::ProxyAuthenticate, "Digest realm=\"r\", nonce=\"n\"")]);
    let taken: Vec<_> =
        lone.take_sent().into_iter().map(|(to, message)| (to, first_words(&wire::write(&message)))).collect();
    let expected = ["INVITE", "ACK", "INVITE"].map(|words| (TCP, words.to_owned()));
    assert_eq!(taken, expected);

    let session = lone.call(&large());
    let invite = lone.last_request();
    lone.answer(100, &[]);
    lone.ua.hang_up(lone.now, session).unwrap();
    lone.drain();
    let (destination, cancel) = lone.last();
    assert_eq!((destination, cancel.method.clone()), (TCP, Method::Cancel));
    assert_eq!(via_of(&cancel), via_of(&invite));
}

#[test]
fn large_registration_takes_tcp_and_keeps_its_udp_contact() {
    let mut lone = Lone::new(Transport::Udp);
    let mut identity = lone.identity();
    identity.route = (0..40).map(|n| format!("<sip:proxy-{n}.example.org;lr>").parse().unwrap()).collect();
    lone.register(identity);
    assert_eq!(transport_of_last(&lone), (TCP, "TCP".into()));
    lone.ua.handle_unsent(lone.now, Transport::Tcp, remote());
    lone.drain();
    assert_eq!(transport_of_last(&lone), (UDP, "UDP".into()));
    lone.grant(600, &[]);
    assert!(matches!(lone.events.last(), Some(Event::Registered { .. })));
    lone.run(Duration::from_secs(590));
    assert_eq!(transport_of_last(&lone), (UDP, "UDP".into()), "the refresh knows that there is no TCP");
}

#[test]
fn request_that_has_no_other_way_fails_with_its_connection() {
    let mut lone = Lone::new(Transport::Udp);
    let mut identity = lone.identity();
    identity.destination = TCP;
    let target = Uri::sip("7002", "example.org");
    let invite = Invite { identity, target, offer: OFFER.to_vec(), headers: Headers::default() };
    lone.ua.invite(lone.now, invite).unwrap();
    lone.drain();
    assert_eq!(transport_of_last(&lone), (TCP, "TCP".into()), "the Via names the transport that is taken");
    lone.ua.handle_unsent(lone.now, Transport::Tcp, remote());
    lone.drain();
    assert!(matches!(lone.events.last(), Some(Event::Ended { reason: EndReason::Unreachable, .. })));
    assert!(lone.ua.holds_nothing());
}
