#![allow(clippy::unwrap_used)]

use super::grammar::*;
use super::*;
use crate::flow::Transport;
use crate::sip::uri::NameAddr;

fn headers(lines: &[(HeaderName, &str)]) -> Headers {
    lines.iter().map(|(name, value)| name.with(value)).collect()
}

fn invite() -> Request {
    let mut request = Request::new(Method::Invite, "sip:bob@example.com".parse().unwrap());
    request.headers = headers(&[
        (HeaderName::Via, "SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/TCP b;branch=z9hG4bK2"),
        (HeaderName::Via, "SIP/2.0/TLS c;branch=z9hG4bK3"),
        (HeaderName::RecordRoute, "<sip:p1;lr>"),
        (HeaderName::RecordRoute, "<sip:p2;lr>"),
        (HeaderName::From, "<sip:alice@example.com>;tag=1"),
        (HeaderName::To, "\"tag=no\" <sip:bob@example.com;tag=no>"),
        (HeaderName::CallId, "x"),
        (HeaderName::CSeq, "4711 INVITE"),
        (HeaderName::Timestamp, "54"),
        (HeaderName::Subject, "not copied"),
    ]);
    request
}

#[test]
fn methods_are_case_sensitive_tokens() {
    assert_eq!("INVITE".parse(), Ok(Method::Invite));
    assert_eq!("invite".parse(), Ok(Method::Extension("invite".into())));
    for text in ["", "A B", "A/B", "A\r", "Ä"] {
        assert!(text.parse::<Method>().is_err(), "{text:?}");
    }
}

#[test]
fn a_response_copies_what_rfc_3261_section_8_2_6_names() {
    let request = invite();
    let response = Response::to_request(&request, 180, Some("99"));
    let names: Vec<_> = response.headers.iter().filter_map(|header| header.known).collect();
    use HeaderName::{CSeq, CallId, From, RecordRoute, To, Via};
    assert_eq!(names, [Via, Via, From, To, CallId, CSeq, RecordRoute, RecordRoute]);
    assert_eq!(response.headers.to_tag(), Some("99"));
    assert_eq!(response.headers.vias(), request.headers.vias());
    assert_eq!(response.reason, "Ringing");

    let trying = Response::to_request(&request, 100, Some("99"));
    assert_eq!(trying.headers.to_tag(), None);
    assert_eq!(trying.headers.value(HeaderName::Timestamp), Some("54"));
    assert_eq!(trying.headers.value(RecordRoute), None);

    let refused = Response::to_request(&request, 486, Some("99"));
    assert_eq!((refused.headers.value(RecordRoute), refused.headers.to_tag()), (None, Some("99")));

    let mut inside = invite();
    inside.headers.set(To, "<sip:bob@example.com>;tag=7");
    assert_eq!(Response::to_request(&inside, 200, Some("99")).headers.to_tag(), Some("7"));
}

#[test]
fn a_response_of_the_application_keeps_its_own_headers() {
    let mut response = Response::new(200);
    response.headers.add(HeaderName::Contact, "<sip:1@b>;expires=60");
    response.headers.add(HeaderName::To, "forged");
    response.copy_from(&invite().headers, false, Some("t"));
    assert_eq!(response.headers.to_header().unwrap().uri.to_string(), "sip:bob@example.com;tag=no");
    assert_eq!(response.headers.contact().unwrap().expires(), Some(60));
    assert_eq!(response.headers.value(HeaderName::RecordRoute), None);
}

#[test]
fn headers_are_set_added_and_removed() {
    let mut list = invite().headers;
    list.set(HeaderName::Via, "SIP/2.0/UDP z");
    assert_eq!(list.values(HeaderName::Via).collect::<Vec<_>>(), ["SIP/2.0/UDP z"]);
    assert_eq!(list.iter().next().unwrap().known, Some(HeaderName::Via));
    list.set(HeaderName::Reason, "SIP;cause=200");
    list.set(HeaderName::Reason, "SIP;cause=486");
    assert_eq!(list.reason_cause("sip"), Some(486));
    assert_eq!(list.named("REASON"), Some("SIP;cause=486"));
    list.remove(HeaderName::Reason);
    assert_eq!(list.value(HeaderName::Reason), None);
    list.add_first(HeaderName::Via, "SIP/2.0/UDP y");
    assert_eq!(list.vias().unwrap().len(), 2);
    // A header under a known name is found however it was made.
    list.add_named("x-a", "1");
    list.add_named("path", "<sip:p>");
    assert_eq!((list.named("X-A"), list.value(HeaderName::Path)), (Some("1"), Some("<sip:p>")));
}

#[test]
fn the_topmost_via_is_changed_and_removed_alone() {
    let mut list = invite().headers;
    let mut top = list.via().unwrap();
    top.set_source("192.0.2.7:5062".parse().unwrap());
    list.replace_top_via(&top);
    let texts = |list: &Headers| list.vias().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        texts(&list),
        [
            "SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.7",
            "SIP/2.0/TCP b;branch=z9hG4bK2",
            "SIP/2.0/TLS c;branch=z9hG4bK3"
        ]
    );
    for left in [2, 1, 0] {
        assert!(list.remove_top_via());
        assert_eq!(list.vias().unwrap().len(), left);
    }
    assert!(!list.remove_top_via());
}

#[test]
fn via_learns_the_source_as_rfc_3581_says() {
    let source = "192.0.2.7:5062".parse().unwrap();
    for (text, expected) in [
        ("SIP/2.0/UDP 192.0.2.7:5060;branch=b", "SIP/2.0/UDP 192.0.2.7:5060;branch=b"),
        ("SIP/2.0/UDP 10.0.0.1;branch=b", "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.7"),
        ("SIP/2.0/UDP 192.0.2.7;rport;branch=b", "SIP/2.0/UDP 192.0.2.7;rport=5062;branch=b;received=192.0.2.7"),
        ("SIP/2.0/UDP host;received=1.1.1.1", "SIP/2.0/UDP host;received=192.0.2.7"),
    ] {
        let mut via: Via = text.parse().unwrap();
        via.set_source(source);
        assert_eq!(via.to_string(), expected);
    }
    let ours = Via::new(Transport::Wss, "[2001:db8::1]:443".parse().unwrap(), "z9hG4bKx");
    assert_eq!(ours.to_string(), "SIP/2.0/WSS [2001:db8::1]:443;branch=z9hG4bKx;rport");
    assert!(ours.has_magic_cookie());
    assert_eq!((ours.rport(), ours.received(), ours.sent_by().as_str()), (Some(None), None, "[2001:db8::1]:443"));
    for text in
        ["", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/2.0/UDP h:x", "SIP/2.0/UDP ;branch=x", "SIP/2.0/UDP h i", "SIP/2.0/U,P h"]
    {
        assert!(text.parse::<Via>().is_err(), "{text:?}");
    }
}

#[test]
fn numbers_are_read_strictly_and_times_kindly() {
    assert_eq!("0 INVITE".parse::<CSeq>().unwrap().to_string(), "0 INVITE");
    for text in ["", "1", "1INVITE", "-1 INVITE", "+1 INVITE", "2147483648 INVITE", "1 IN VITE", "x INVITE"] {
        assert!(text.parse::<CSeq>().is_err(), "{text:?}");
    }
    let list = headers(&[
        (HeaderName::Expires, "100000000000"),
        (HeaderName::MinExpires, " 90 "),
        (HeaderName::RetryAfter, "18000;duration=3600 (in a meeting)"),
        (HeaderName::MaxForwards, "70x"),
        (HeaderName::ContentType, "Application/SDP ; charset=utf-8"),
    ]);
    assert_eq!((list.expires(), list.min_expires(), list.retry_after()), (Some(u32::MAX), Some(90), Some(18_000)));
    assert_eq!(list.max_forwards(), None);
    assert!(list.is_content_type("application/sdp"));
    assert_eq!(headers(&[(HeaderName::RetryAfter, "soon")]).retry_after(), None);
    assert_eq!(headers(&[(HeaderName::Expires, "")]).expires(), None);
}

#[test]
fn contacts_and_routes_are_lists() {
    let list = headers(&[(HeaderName::Contact, "*")]);
    assert_eq!((list.contacts(), list.contact()), (Ok(Contacts::Any), None));
    let list = headers(&[(HeaderName::Contact, "<sip:a@b>, sip:c@d;q=1"), (HeaderName::Contact, "<sip:e@f>")]);
    let Contacts::List(contacts) = list.contacts().unwrap() else { panic!("a list") };
    assert_eq!(contacts.len(), 3);
    assert_eq!(contacts[1].param("q"), Some("1"));
    assert_eq!(headers(&[]).contacts(), Ok(Contacts::List(vec![])));
    let routes: Vec<String> =
        invite().headers.record_routes().unwrap().iter().map(|route: &NameAddr| route.uri.to_string()).collect();
    assert_eq!(routes, ["sip:p1;lr", "sip:p2;lr"]);
    assert!(headers(&[(HeaderName::Route, "<sip:a>, nonsense")]).routes().is_err());
}

#[test]
fn tags_are_found_without_being_deceived() {
    for (value, tag) in [
        ("<sip:a@b>;tag=1", Some("1")),
        ("sip:a@b;TAG=1", Some("1")),
        ("\";tag=no\" <sip:a@b;tag=no>;x=\";tag=no\";tag=yes", Some("yes")),
        ("<sip:a@b;tag=no>", None),
        ("<sip:a@b>;tag=", None),
        ("<sip:a@b>", None),
        ("\"unclosed <sip:a@b>;tag=1", None),
    ] {
        assert_eq!(headers(&[(HeaderName::From, value)]).from_tag(), tag, "{value}");
        if let Ok(address) = value.parse::<NameAddr>() {
            assert_eq!(address.tag(), tag, "{value}");
        }
    }
}

#[test]
fn reasons_are_chosen_by_protocol() {
    let list = headers(&[(
        HeaderName::Reason,
        "Q.850;cause=16;text=\"a, SIP;cause=9\", SIP ;cause=200;text=\"Call completed elsewhere\"",
    )]);
    assert_eq!(
        (list.reason_cause("SIP"), list.reason_cause("Q.850"), list.reason_cause("X")),
        (Some(200), Some(16), None)
    );
}

#[test]
fn quoting_and_unquoting_are_inverse() {
    for text in ["", "plain", "with \"marks\"", "back\\slash", "张三", "\\\""] {
        assert_eq!(unquote(&quote(text)), text);
    }
    assert_eq!(quote("a\r\nb"), "\"a  b\"");
    assert_eq!(unquote("bare"), "bare");
    assert_eq!(unquote("\"open"), "open");
}

#[test]
fn every_registered_status_has_a_phrase() {
    for status in 100..700 {
        assert!(!reason_phrase(status).is_empty());
    }
    assert_eq!(
        (reason_phrase(487), reason_phrase(299), reason_phrase(699)),
        ("Request Terminated", "OK", "Global Failure")
    );
}
