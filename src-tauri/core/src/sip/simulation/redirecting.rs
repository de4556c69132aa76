//! Calls that are redirected, or refused in a way that another INVITE mends.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::super::user_agent::Redirects;
use super::peer::*;
use super::*;

fn world() -> World {
    let rules = CallRules { session_expires: None, redirects: Redirects::Followed, ..CallRules::default() };
    World::with_rules(1, Transport::Udp, &[passive], rules)
}

fn redirection(request: &Request, status: u16, contacts: &[&str]) -> Response {
    let mut response = Response::to_request(request, status, Some("r"));
    for contact in contacts {
        response.headers.add(HeaderName::Contact, *contact);
    }
    response
}

/// The ACK to a refusal, and the INVITE that follows it.
fn next_invite(world: &mut World) -> Request {
    let messages = world.received();
    let [Message::Request(ack), Message::Request(invite)] = &messages[..] else { panic!("{messages:#?}") };
    assert_eq!((&ack.method, &invite.method), (&Method::Ack, &Method::Invite));
    invite.clone()
}

fn targets(world: &World) -> Vec<String> {
    let targets = world.ends[0].events.iter().filter_map(|(_, event)| match event {
        Event::Redirected { target, .. } => Some(target.to_string()),
        _ => None,
    });
    targets.collect()
}

#[test]
fn targets_are_called_by_their_preference_until_one_answers() {
    let mut world = world();
    let session = world.call(0, PEER);
    let first = world.received_request();
    let contacts = [
        "<sip:c@x>;q=0.2, <sip:a@x?Subject=no>;q=0.9",
        "<mailto:m@x>",
        "<sip:b@x;method=INVITE>;q=0.5",
        "<sip:u9@example.org>",
    ];
    world.inject(redirection(&first, 302, &contacts));
    let second = next_invite(&mut world);
    assert_eq!(second.uri.to_string(), "sip:a@x");
    assert_eq!(
        (second.headers.call_id(), second.headers.from_tag()),
        (first.headers.call_id(), first.headers.from_tag())
    );
    assert_eq!((second.headers.cseq().unwrap().seq, second.headers.to_tag()), (2, None));
    assert_eq!(second.body, OFFER);
    assert_eq!(second.headers.vias().unwrap().len(), 1);
    world.inject(redirection(&second, 486, &[]));
    let third = next_invite(&mut world);
    assert_eq!(third.uri.to_string(), "sip:b@x");
    // A redirection of a redirection; what has been tried is not tried again.
    world.inject(redirection(&third, 301, &["<sip:a@x>", "<sip:d@x>;q=0.1"]));
    let fourth = next_invite(&mut world);
    assert_eq!(fourth.uri.to_string(), "sip:c@x");
    world.answer(&fourth, 200, "t");
    assert_eq!(world.received_request().method, Method::Ack);
    assert_eq!(targets(&world), ["sip:a@x", "sip:b@x", "sip:c@x"]);
    assert_eq!(world.ended(0), []);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    assert_eq!(bye.headers.cseq().unwrap().seq, 5);
    world.answer(&bye, 200, "t");
    world.run_out();
    world.assert_empty();
}

#[test]
fn redirections_without_end_are_given_up_after_five_targets() {
    let mut world = world();
    world.call(0, PEER);
    let mut invite = world.received_request();
    for index in 0..5 {
        let contact = format!("<sip:next{index}@x>");
        world.inject(redirection(&invite, 302, &[&contact]));
        invite = next_invite(&mut world);
    }
    world.inject(redirection(&invite, 302, &["<sip:sixth@x>"]));
    assert_eq!(world.received_request().method, Method::Ack);
    assert!(matches!(&world.ended(0)[..], [EndReason::Rejected { status: 302, .. }]));
    world.run_out();
    world.assert_empty();
}

#[test]
fn what_ends_the_search_is_told_as_it_is() {
    // 6xx speaks for everybody; a loop and an empty list lead nowhere; 305 and 380 are not for us to follow.
    let cases: [(u16, &[&str]); 5] = [
        (603, &["<sip:a@x>"]),
        (302, &["<sip:u9@example.org>"]),
        (302, &[]),
        (305, &["<sip:p@x>"]),
        (380, &["<sip:s@x>"]),
    ];
    for (status, contacts) in cases {
        let mut world = world();
        world.call(0, PEER);
        let invite = world.received_request();
        world.inject(redirection(&invite, status, contacts));
        assert_eq!(world.received_request().method, Method::Ack, "{status}");
        assert!(matches!(&world.ended(0)[..], [EndReason::Rejected { status: told, .. }] if *told == status));
    }
}

#[test]
fn secure_call_is_not_redirected_to_an_open_one() {
    let mut world = world();
    let identity = world.identity(0, PEER);
    let invite = Invite {
        identity,
        target: "sips:u9@example.org".parse().unwrap(),
        offer: OFFER.to_vec(),
        headers: Headers::default(),
    };
    world.ends[0].ua.invite(world.now, invite).unwrap();
    let invite = world.received_request();
    world.inject(redirection(&invite, 302, &["<sip:open@x>", "<sips:closed@x>"]));
    assert_eq!(next_invite(&mut world).uri.to_string(), "sips:closed@x");
}

#[test]
fn redirection_that_is_only_reported_names_its_targets() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    world.call(0, PEER);
    let invite = world.received_request();
    world.inject(redirection(&invite, 302, &["<sip:a@x>;q=0.3", "<sip:b@x>"]));
    assert_eq!(world.received_request().method, Method::Ack);
    let contacts = world.await_event(0, |event| match event {
        Event::Ended { headers, .. } => Some(headers.items(HeaderName::Contact).map(str::to_owned).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(contacts, ["<sip:a@x>;q=0.3", "<sip:b@x>"]);
    assert_eq!(targets(&world), [""; 0]);
}

#[test]
fn call_that_is_being_redirected_can_be_cancelled() {
    let mut world = world();
    let session = world.call(0, PEER);
    let invite = world.received_request();
    world.inject(redirection(&invite, 302, &["<sip:a@x>"]));
    let second = next_invite(&mut world);
    world.answer(&second, 180, "t");
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let cancel = world.received_request();
    assert_eq!((&cancel.method, cancel.uri.to_string()), (&Method::Cancel, "sip:a@x".to_owned()));
    assert_eq!(cancel.headers.cseq().unwrap().seq, 2);
    world.answer(&cancel, 200, "t");
    world.answer(&second, 487, "t");
    world.run_out();
    world.assert_empty();
}

#[test]
fn extension_that_a_server_does_not_support_is_left_out() {
    let mut world = World::with_rules(3, Transport::Udp, &[passive], CallRules::default());
    world.call(0, PEER);
    let invite = world.received_request();
    assert!(invite.headers.value(HeaderName::SessionExpires).is_some());
    let mut refusal = Response::to_request(&invite, 420, Some("r"));
    refusal.headers.add(HeaderName::Unsupported, "timer, 100rel");
    world.inject(refusal.clone());
    let again = next_invite(&mut world);
    for option in ["timer", "100rel"] {
        assert!(!again.headers.has_item(HeaderName::Supported, option), "{option}");
    }
    assert!(again.headers.has_item(HeaderName::Supported, "replaces"));
    assert_eq!(again.headers.value(HeaderName::SessionExpires), None);
    assert_eq!(again.headers.vias().unwrap().len(), 1);
    assert_eq!(again.headers.values(HeaderName::MaxForwards).count(), 1);
    let mut refusal = Response::to_request(&again, 420, Some("r"));
    refusal.headers.add(HeaderName::Unsupported, "timer, 100rel");
    world.inject(refusal);
    assert!(matches!(&world.ended(0)[..], [EndReason::Rejected { status: 420, .. }]), "nothing is left to leave out");
}

#[test]
fn extension_that_a_server_requires_is_required_if_it_is_known() {
    for (option, known) in [("100rel", true), ("precondition", false)] {
        let mut world = World::new(4, Transport::Udp, &[passive]);
        world.call(0, PEER);
        let invite = world.received_request();
        let mut refusal = Response::to_request(&invite, 421, Some("r"));
        refusal.headers.add(HeaderName::Require, option);
        world.inject(refusal);
        if known {
            let again = next_invite(&mut world);
            assert!(again.headers.has_item(HeaderName::Require, option));
            let mut refusal = Response::to_request(&again, 421, Some("r"));
            refusal.headers.add(HeaderName::Require, option);
            world.inject(refusal);
        }
        assert!(matches!(&world.ended(0)[..], [EndReason::Rejected { status: 421, .. }]), "{option}");
    }
}

#[test]
fn number_that_is_not_understood_is_dialled_as_a_user_of_our_domain() {
    let mut world = World::new(5, Transport::Udp, &[passive]);
    let identity = world.identity(0, PEER);
    let invite =
        Invite { identity, target: Uri::tel("+8613800138000"), offer: OFFER.to_vec(), headers: Headers::default() };
    world.ends[0].ua.invite(world.now, invite).unwrap();
    let invite = world.received_request();
    world.inject(Response::to_request(&invite, 416, Some("r")));
    let again = next_invite(&mut world);
    assert_eq!(again.uri.to_string(), "sip:+8613800138000@example.org;user=phone");
    world.inject(Response::to_request(&again, 416, Some("r")));
    assert!(matches!(&world.ended(0)[..], [EndReason::Rejected { status: 416, .. }]));
}

#[test]
fn refusal_reaches_the_application_with_all_it_says() {
    for status in [400, 404, 413, 414, 415, 480, 482, 483, 486, 488, 500, 503, 513, 600, 603, 606, 699] {
        let mut world = World::new(6, Transport::Udp, &[passive]);
        world.call(0, PEER);
        let invite = world.received_request();
        let mut refusal = Response::to_request(&invite, status, Some("r"));
        refusal.headers.add(HeaderName::RetryAfter, "30 (busy);duration=60");
        refusal.headers.add(HeaderName::Warning, "304 example.org \"Media type not available\"");
        refusal.headers.add(HeaderName::Accept, "application/sdp");
        refusal.headers.add(HeaderName::Reason, "Q.850;cause=17;text=\"User busy\"");
        refusal.headers.add_named("X-Why", "because");
        world.inject(refusal);
        assert_eq!(world.received_request().method, Method::Ack, "{status}");
        let headers = world.await_event(0, |event| match event {
            Event::Ended { reason: EndReason::Rejected { status: told, .. }, headers, .. } if *told == status => {
                Some(headers.clone())
            }
            _ => None,
        });
        assert_eq!((headers.retry_after(), headers.reason_cause("Q.850")), (Some(30), Some(17)));
        assert!(headers.value(HeaderName::Warning).unwrap().contains("not available"));
        assert_eq!(
            (headers.value(HeaderName::Accept), headers.named("x-why")),
            (Some("application/sdp"), Some("because"))
        );
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn refused_offer_inside_a_call_says_why() {
    let mut world = World::new(7, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    let reinvite = world.received_request();
    let mut refusal = answer_to(&reinvite, 488, "t");
    refusal.headers.add(HeaderName::Warning, "305 example.org \"Incompatible media format\"");
    world.inject(refusal);
    let warning = world.await_event(0, |event| match event {
        Event::ReofferFailed { status: 488, headers, .. } => headers.value(HeaderName::Warning).map(str::to_owned),
        _ => None,
    });
    assert!(warning.contains("Incompatible"));
    // Another offer may follow at once.
    world.ends[0].ua.reoffer(world.now, session, ANSWER.to_vec()).unwrap();
}
