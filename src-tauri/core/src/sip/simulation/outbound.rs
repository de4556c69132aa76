//! What registrars tell beyond the binding (RFC 5626, RFC 5627, RFC 3608), sleep, and several accounts at once.

use super::super::message::{HeaderAccess, HeaderName, Request};
use super::lone::Lone;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn contacts(request: &Request) -> Vec<String> {
    request.headers.items(HeaderName::Contact).map(str::to_owned).collect()
}

fn others(lone: &Lone) -> Vec<Vec<String>> {
    let told = lone.events.iter().filter_map(|event| match event {
        Event::OtherBindings { contacts, .. } => Some(contacts.iter().map(|other| other.uri.to_string()).collect()),
        _ => None,
    });
    told.collect()
}

fn failures(lone: &Lone) -> Vec<(Option<u16>, Option<Duration>)> {
    let failed = lone.events.iter().filter_map(|event| match event {
        Event::RegistrationFailed { status, retry_in, .. } => Some((*status, *retry_in)),
        _ => None,
    });
    failed.collect()
}

/// The refresh, which comes before so many seconds are over.
fn refresh(lone: &mut Lone, seconds: u64) -> Request {
    let since = lone.now;
    lone.run_until_sent();
    assert!(lone.now - since <= SECOND * seconds as u32);
    lone.last_request()
}

#[test]
fn registration_names_its_instance_and_flow() {
    let mut lone = Lone::new(Transport::Tcp);
    let id = lone.register(lone.with_outbound(true));
    let register = lone.last_request();
    let contact = "<sip:7001@10.0.0.1:5062;transport=tcp;ob>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
    assert_eq!(contacts(&register), [contact]);
    assert_eq!(register.headers.value(HeaderName::Supported), Some("path, outbound, gruu"));
    lone.grant(600, &[(HeaderName::Require, "outbound"), (HeaderName::FlowTimer, "90")]);
    let binding = lone.ua.binding(id).unwrap();
    assert_eq!((binding.flow_timer, binding.keeps_flow), (Some(SECOND * 90), true));
    // The registrar replaces the binding of this instance and flow by itself.
    let moved = Flow { id: FlowId(2), local: "10.0.0.1:40404".parse().unwrap(), ..lone.flow };
    lone.ua.handle_flow_closed(lone.now, lone.flow.id);
    lone.ua.move_registration(lone.now, id, moved).unwrap();
    lone.drain();
    assert_eq!(lone.last().0, Destination::Flow(FlowId(2)));
    assert_eq!(contacts(&lone.last_request()).len(), 1);
    assert_eq!(lone.ua.identity_of(id).unwrap().destination, Destination::Flow(FlowId(2)));
}

#[test]
fn registration_that_moves_while_it_is_asked_for_forgets_the_old_way() {
    let mut lone = Lone::new(Transport::Udp);
    let id = lone.register(lone.identity());
    let old = lone.last_request();
    let moved = Flow { id: FlowId(2), local: "10.0.0.1:40404".parse().unwrap(), ..lone.flow };
    lone.ua.move_registration(lone.now, id, moved).unwrap();
    lone.take_sent();
    lone.run(SECOND * 3);
    let repeated = lone.take_sent();
    assert!(repeated.len() >= 2 && repeated.iter().all(|(to, _)| *to == Destination::Flow(FlowId(2))), "{repeated:#?}");
    lone.answer_to(&old, 200, &[]);
    assert!(!lone.events.iter().any(|event| matches!(event, Event::Registered { .. })), "an answer of before");
    assert_eq!(lone.ua.load().1, 1);
}

#[test]
fn server_that_does_not_know_of_flows_is_registered_with_all_the_same() {
    for refusal in [439, 420, 400] {
        let mut lone = Lone::new(Transport::Udp);
        lone.register(lone.with_outbound(false));
        lone.answer(refusal, &[]);
        assert_eq!(contacts(&lone.last_request()), ["<sip:7001@10.0.0.1:5062>"], "{refusal}");
        assert_eq!(lone.last_request().headers.value(HeaderName::Supported), Some("path"));
        lone.grant(600, &[]);
        assert!(matches!(lone.events.last(), Some(Event::Registered { .. })));
        assert_eq!(failures(&lone), []);
        lone.answer_to(&lone.last_request(), refusal, &[]);
    }
    // Without anything to leave out it is a refusal.
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.identity());
    lone.answer(400, &[]);
    assert_eq!(failures(&lone), [(Some(400), None)]);
}

#[test]
fn edge_that_lost_the_flow_is_tried_again() {
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.with_outbound(false));
    lone.answer(430, &[]);
    assert!(matches!(failures(&lone)[..], [(Some(430), Some(_))]));
}

#[test]
fn calls_take_the_service_route_behind_our_own() {
    let mut lone = Lone::new(Transport::Udp);
    let mut identity = lone.identity();
    identity.route = vec!["<sip:edge.example.org;lr>".parse().unwrap()];
    let id = lone.register(identity);
    assert!(lone.ua.binding(id).is_none());
    let routes = "<sip:edge.example.org;lr>, <sip:s1.example.org;lr>, <sip:s2.example.org;lr>";
    lone.grant(600, &[(HeaderName::ServiceRoute, routes)]);
    let identity = lone.ua.identity_of(id).unwrap();
    let target = Uri::sip("7002", "example.org");
    let invite = Invite { identity, target, offer: OFFER.to_vec(), headers: Headers::default() };
    lone.ua.invite(lone.now, invite).unwrap();
    lone.drain();
    let routes: Vec<String> =
        lone.last_request().headers.routes().unwrap().iter().map(|route| route.uri.to_string()).collect();
    let host = |name: &str| format!("sip:{name}.example.org;lr");
    assert_eq!(routes, [host("edge"), host("s1"), host("s2")]);
    lone.answer(404, &[]);
    // The registration itself does not take it, and an answer without one ends it.
    let again = refresh(&mut lone, 580);
    assert_eq!(again.headers.routes().unwrap().len(), 1);
    lone.grant(600, &[]);
    assert_eq!(lone.ua.identity_of(id).unwrap().route.len(), 1);
}

#[test]
fn dialogs_name_the_globally_routable_uri_where_it_was_asked_for() {
    for (asked, expected) in [(true, "<sip:7001@example.org;gr=urn:uuid:1>"), (false, "<sip:7001@10.0.0.1:5062>")] {
        let mut lone = Lone::new(Transport::Udp);
        lone.register(lone.with_outbound(asked));
        let contact = "<sip:7001@10.0.0.1:5062;ob>;expires=600;+sip.instance=\"<urn:uuid:1>\";pub-gruu=\"sip:7001@example.org;gr=urn:uuid:1\";temp-gruu=\"sip:t@example.org;gr\"";
        lone.answer(200, &[(HeaderName::Contact, contact)]);
        lone.call(OFFER);
        assert_eq!(contacts(&lone.last_request()), [expected]);
        // So does the answer to a call that came by that flow, whatever name of ours it was for.
        lone.inject(super::peer::invite("1"));
        let session = lone.events.iter().rev().find_map(|event| match event {
            Event::Incoming { session, .. } => Some(*session),
            _ => None,
        });
        lone.ua.progress(lone.now, session.unwrap(), 180, Vec::new()).unwrap();
        lone.drain();
        let Some((_, Message::Response(ringing))) = lone.sent.last() else { panic!() };
        assert!(ringing.headers.value(HeaderName::Contact).unwrap().contains("gr=urn") == asked);
        // A lost flow takes it along.
        lone.ua.handle_flow_closed(lone.now, lone.flow.id);
        lone.call(OFFER);
        assert_eq!(contacts(&lone.last_request()), ["<sip:7001@10.0.0.1:5062>"]);
    }
}

#[test]
fn dialogs_ask_for_the_flow_that_the_server_keeps() {
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.with_outbound(false));
    lone.grant(600, &[(HeaderName::Require, "outbound")]);
    lone.call(OFFER);
    assert_eq!(contacts(&lone.last_request()), ["<sip:7001@10.0.0.1:5062;ob>"]);
}

#[test]
fn address_beyond_a_translator_is_learned_from_the_challenge_and_used_everywhere() {
    let mut lone = Lone::new(Transport::Udp);
    let id = lone.register(lone.identity());
    let seen = |lone: &Lone| {
        let mut request = lone.last_request();
        let mut via = request.headers.via().unwrap();
        via.set_source("192.0.2.7:1024".parse().unwrap());
        request.headers.replace_top_via(&via);
        request
    };
    lone.answer_to(&seen(&lone), 401, &[(HeaderName::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n\"")]);
    assert_eq!(contacts(&lone.last_request()), ["<sip:7001@192.0.2.7:1024>"]);
    let bound = "<sip:7001@192.0.2.7:1024>;expires=600";
    lone.answer_to(&seen(&lone), 200, &[(HeaderName::Contact, bound)]);
    lone.call(OFFER);
    assert_eq!(contacts(&lone.last_request()), ["<sip:7001@192.0.2.7:1024>"]);
    assert_eq!(lone.last_request().headers.via().unwrap().sent_by(), "10.0.0.1:5062");
    lone.ua.unregister(lone.now, id).unwrap();
    lone.drain();
    assert_eq!(contacts(&lone.last_request()), ["<sip:7001@192.0.2.7:1024>"]);

    // A registrar that asks for no password: the contact that was bound blindly is replaced at once, and only once.
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.identity());
    lone.answer_to(&seen(&lone), 200, &[(HeaderName::Contact, "<sip:7001@10.0.0.1:5062>;expires=600")]);
    assert_eq!(contacts(&lone.last_request()), ["<sip:7001@192.0.2.7:1024>", "<sip:7001@10.0.0.1:5062>;expires=0"]);
    lone.answer_to(&seen(&lone), 200, &[(HeaderName::Contact, "<sip:7001@192.0.2.7:1024>;expires=600")]);
    lone.run(SECOND * 60);
    // The translator forgets us and chooses another port: seen with the refresh, and mended at once, but not for ever.
    let mut ports = 2000..;
    let mut elsewhere = |lone: &Lone| {
        let mut request = seen(lone);
        let mut via = request.headers.via().unwrap();
        via.set_param("rport", Some(&ports.next().unwrap().to_string()));
        request.headers.replace_top_via(&via);
        request
    };
    lone.run_until_sent();
    for expected in [2, 1] {
        let contact = format!("{};expires=600", contacts(&lone.last_request())[0]);
        let refresh = elsewhere(&lone);
        lone.take_sent();
        lone.answer_to(&refresh, 200, &[(HeaderName::Contact, &contact)]);
        let sent = lone.take_sent();
        assert_eq!(sent.len(), expected - 1, "{sent:#?}");
        lone.sent = sent;
    }
}

#[test]
fn other_devices_are_told_when_they_come_and_when_they_go() {
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.with_outbound(false));
    let ours = "<sip:7001@10.0.0.1:5062;ob>;expires=60;+sip.instance=\"<urn:uuid:1>\"";
    let crashed = "<sip:7001@10.0.0.1:40404>;expires=9;+sip.instance=\"<urn:uuid:1>\"";
    let desk = "<sip:7001@10.0.0.77:5060>;expires=3000";
    lone.answer(200, &[(HeaderName::Contact, &format!("{ours}, {crashed}"))]);
    assert_eq!(others(&lone), [[""; 0]; 0], "what is ours is nobody else");
    let again = refresh(&mut lone, 40);
    assert_eq!(contacts(&again)[1], "<sip:7001@10.0.0.1:40404>;expires=0", "what a crash left behind is removed");
    lone.answer(200, &[(HeaderName::Contact, &format!("{ours}, {desk}"))]);
    refresh(&mut lone, 40);
    lone.answer(200, &[(HeaderName::Contact, &format!("{ours}, {}", desk.replace("3000", "2970")))]);
    assert_eq!(others(&lone), [["sip:7001@10.0.0.77:5060"]], "told once");
    refresh(&mut lone, 40);
    lone.answer(200, &[(HeaderName::Contact, ours)]);
    assert_eq!(others(&lone).last(), Some(&Vec::new()));
}

#[test]
fn everybody_is_signed_out_by_the_star() {
    let mut lone = Lone::new(Transport::Udp);
    let id = lone.register(lone.identity());
    lone.grant(600, &[]);
    lone.ua.unregister_all(lone.now, id).unwrap();
    lone.drain();
    let removal = lone.last_request();
    assert_eq!((contacts(&removal), removal.headers.expires()), (vec!["*".to_owned()], Some(0)));
    lone.answer(401, &[(HeaderName::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n\"")]);
    assert_eq!(contacts(&lone.last_request()), ["*"]);
    lone.answer(200, &[]);
    assert!(matches!(lone.events.last(), Some(Event::Unregistered { .. })));
    lone.run(SECOND * 10);
    assert!(lone.ua.holds_nothing());
}

#[test]
fn machine_that_slept_registers_at_once_and_once() {
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.identity());
    lone.grant(600, &[]);
    lone.take_sent();
    lone.sleep(SECOND * 8 * 3600);
    assert_eq!(lone.take_sent().len(), 1);
    // It falls asleep again before the answer: that says nothing of the registrar.
    lone.sleep(SECOND * 8 * 3600);
    let sent = lone.take_sent();
    assert_eq!(sent.len(), 1, "{sent:#?}");
    assert_eq!(failures(&lone), []);
    lone.sent = sent;
    lone.grant(600, &[]);
    assert!(matches!(lone.events.last(), Some(Event::Registered { .. })));
}

#[test]
fn refresh_can_be_asked_for() {
    let mut lone = Lone::new(Transport::Udp);
    let id = lone.register(lone.identity());
    lone.grant(600, &[]);
    lone.take_sent();
    lone.ua.refresh_registration(lone.now, id).unwrap();
    lone.ua.refresh_registration(lone.now, id).unwrap();
    assert_eq!(lone.take_sent().len(), 1, "one is enough");
}

#[test]
fn refreshes_do_not_drift_however_slowly_the_registrar_answers() {
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.identity());
    for _ in 0..20 {
        let asked_at = lone.now;
        lone.run(SECOND * 20);
        lone.grant(60, &[]);
        // Counted from the request: the registrar may have counted from there.
        lone.run_until_sent();
        assert!(lone.now - asked_at <= SECOND * 30, "{:?}", lone.now - asked_at);
    }
}

#[test]
fn two_accounts_have_their_own_flows_credentials_and_routes() {
    let mut lone = Lone::new(Transport::Udp);
    let first = lone.register(lone.identity());
    let other_flow = Flow { id: FlowId(2), local: "10.0.0.1:5064".parse().unwrap(), ..lone.flow };
    let second = Identity {
        aor: NameAddr::new(Uri::sip("8001", "example.com")),
        credentials: Some(Credentials { user: "8001".into(), password: Pii::new("other".into()) }),
        destination: Destination::Flow(FlowId(2)),
        flow: other_flow,
        ..lone.identity()
    };
    let first_register = lone.last_request();
    let second = lone.register(second);
    let second_register = lone.last_request();
    let asked = [(HeaderName::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n\"")];
    for (register, user) in [(first_register, "7001"), (second_register, "8001")] {
        lone.answer_to(&register, 401, &asked);
        let shown = lone.last_request().headers.value(HeaderName::Authorization).unwrap().to_owned();
        assert!(shown.contains(&format!("username=\"{user}\"")));
        let route = format!("<sip:route-of-{user};lr>");
        lone.grant(600, &[(HeaderName::ServiceRoute, &route)]);
    }
    for (id, user) in [(first, "7001"), (second, "8001")] {
        assert_eq!(lone.ua.identity_of(id).unwrap().route[0].uri.to_string(), format!("sip:route-of-{user};lr"));
    }
    // One flow breaks: the other account stands.
    lone.ua.handle_flow_closed(lone.now, FlowId(2));
    lone.drain();
    assert!(matches!(lone.events.last(), Some(Event::RegistrationFailed { id, .. }) if *id == second));
    assert_eq!(failures(&lone).len(), 1);
    lone.take_sent();
    lone.run(SECOND * 580);
    assert!(lone.take_sent().iter().all(|(to, _)| *to == Destination::Flow(lone.flow.id)));
}

#[test]
fn calls_along_a_shared_flow_belong_to_the_account_they_are_for() {
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.identity());
    lone.grant(600, &[]);
    let aor = NameAddr::new(Uri::sip("u0", "example.com"));
    let credentials = Some(Credentials { user: "named-by-u0".into(), password: Pii::new("other".into()) });
    lone.register(Identity { aor, credentials, ..lone.identity() });
    lone.grant(600, &[]);
    lone.inject(super::peer::invite("1"));
    let session = lone.events.iter().find_map(|event| match event {
        Event::Incoming { session, .. } => Some(*session),
        _ => None,
    });
    let session = session.unwrap();
    lone.ua.answer(lone.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    lone.drain();
    let Some((_, Message::Response(ok))) = lone.sent.last().cloned() else { panic!() };
    let invite = super::peer::in_dialog(&super::peer::invite("1"), ok.headers.to_tag().unwrap());
    lone.inject(super::peer::request_like(&invite, Method::Ack, 1, "ack"));
    lone.ua.hang_up(lone.now, session).unwrap();
    lone.drain();
    lone.answer(407, &[(HeaderName::ProxyAuthenticate, "Digest realm=\"r\", nonce=\"n\"")]);
    assert!(lone.last_request().headers.value(HeaderName::ProxyAuthorization).unwrap().contains("named-by-u0"));
}
