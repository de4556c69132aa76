//! Registrations at a server that checks digests.

use super::super::digest::{self, Algorithm, Challenge, Digested, Login};
use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::super::user_agent::RequestId;
use super::peer::*;
use super::*;

/// A registrar with one nonce; it grants what is asked for, at most 60 s and at least 20.
fn registrar(ua: &mut UserAgent, now: Instant, event: &Event) {
    answer_register(ua, now, event, Algorithm::Sha256, 20);
}

fn registrar_md5(ua: &mut UserAgent, now: Instant, event: &Event) {
    answer_register(ua, now, event, Algorithm::Md5, 0);
}

fn answer_register(ua: &mut UserAgent, now: Instant, event: &Event, algorithm: Algorithm, minimum: u32) {
    let Event::Request { id, request, .. } = event else { return };
    ua.respond(now, *id, judge(request, algorithm, minimum)).unwrap();
}

fn judge(request: &Request, algorithm: Algorithm, minimum: u32) -> Response {
    let proof = digest::Credentials::for_realm(&request.headers, HeaderName::Authorization, "example.org");
    let challenge = Challenge::new("example.org", "n0", algorithm);
    let password = Pii::new("secret".to_owned());
    let login = Login { user: "u0", password: &password };
    let uri = request.uri.to_string();
    let digested = Digested { method: &request.method, uri: &uri, body: &request.body };
    if !proof.is_some_and(|proof| proof.verify(&challenge, login, digested)) {
        let mut response = Response::new(401);
        response.headers.add(HeaderName::WwwAuthenticate, challenge.to_string());
        return response;
    }
    let asked = request.headers.expires().unwrap();
    if asked > 0 && asked < minimum {
        let mut response = Response::new(423);
        response.headers.add(HeaderName::MinExpires, minimum.to_string());
        return response;
    }
    let mut response = Response::new(200);
    if asked > 0 {
        let contact = request.headers.contact().unwrap();
        let contact = contact.with_param("expires", Some(&asked.min(60).to_string()));
        response.headers.add(HeaderName::Contact, contact.to_string());
    }
    response
}

fn registered(event: &Event) -> Option<Duration> {
    match event {
        Event::Registered { expires, .. } => Some(*expires),
        _ => None,
    }
}

#[test]
fn registration_answers_the_challenge_refreshes_and_ends() {
    for application in [registrar as Application, registrar_md5] {
        for transport in [Transport::Udp, Transport::Tcp, Transport::Ws] {
            let mut world = World::new(1, transport, &[passive, application]);
            let id = world.register(0, 1, 3600);
            assert_eq!(world.await_event(0, registered), Duration::from_secs(60));
            assert_eq!(world.sent_by(0).len(), 2);
            world.run(ms(61_000));
            // Refreshed at 30 s and 60 s with the nonce that is known already.
            assert_eq!(world.sent_by(0).len(), 4);
            assert_eq!(world.count(0, |event| registered(event).is_some()), 3);
            world.ends[0].ua.unregister(world.now, id).unwrap();
            world.run_out();
            assert_eq!(world.count(0, |event| matches!(event, Event::Unregistered { .. })), 1);
            world.assert_empty();
        }
    }
}

#[test]
fn too_short_an_interval_is_raised() {
    let mut world = World::new(2, Transport::Udp, &[passive, registrar]);
    world.register(0, 1, 10);
    assert_eq!(world.await_event(0, registered), Duration::from_secs(20));
}

#[test]
fn registrar_that_is_never_content_with_the_interval_is_given_up() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    world.register(0, PEER, 10);
    let mut requests = 0;
    while let Some(Message::Request(request)) = world.received().pop() {
        requests += 1;
        let mut brief = answer_to(&request, 423, "r");
        brief.headers.add(HeaderName::MinExpires, (request.headers.expires().unwrap() + 1).to_string());
        world.inject(brief);
        assert!(requests < 50, "a circle");
    }
    let failed = |event: &Event| matches!(event, Event::RegistrationFailed { status: Some(423), retry_in: None, .. });
    assert_eq!((requests, world.count(0, failed)), (4, 1));
}

#[test]
fn registration_stands_through_a_bad_network() {
    for seed in 0..40 {
        let mut world = World::new(seed, Transport::Udp, &[passive, registrar]);
        world.weather = Weather { loss: 200, doubled: 100, delay: (ms(5), ms(900)) };
        let id = world.register(0, 1, 60);
        world.run(Duration::from_secs(1_800));
        let times: Vec<Duration> =
            world.ends[0].events.iter().filter(|(_, event)| registered(event).is_some()).map(|&(at, _)| at).collect();
        assert!(times.len() > 40, "seed {seed}: {times:?}");
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] < Duration::from_secs(60), "seed {seed}: the binding ran out: {pair:?}");
        }
        world.weather = Weather::FAIR;
        world.ends[0].ua.unregister(world.now, id).unwrap();
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn wrong_password_is_final() {
    let mut world = World::new(3, Transport::Udp, &[passive, registrar]);
    let mut identity = world.identity(0, 1);
    identity.credentials = Some(Credentials { user: "u0".into(), password: Pii::new("wrong".into()) });
    let id = world.ends[0].ua.register(world.now, identity, Uri::sip_host("example.org"), Duration::from_secs(60));
    let (status, retry_in) = world.await_event(0, |event| match event {
        Event::RegistrationFailed { status, retry_in, .. } => Some((*status, *retry_in)),
        _ => None,
    });
    assert_eq!((status, retry_in), (Some(401), None));
    world.run(ms(600_000));
    assert_eq!(world.sent_by(0).len(), 2, "tried again for nothing");
    world.ends[0].ua.unregister(world.now, id).unwrap();
    world.run_out();
    world.assert_empty();
}

#[test]
fn silent_registrar_is_tried_again_later_and_later() {
    let mut world = World::new(4, Transport::Udp, &[passive]);
    let id = world.register(0, 9, 60);
    world.run(ms(600_000));
    let waits: Vec<u64> = world.ends[0]
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::RegistrationFailed { status: None, retry_in: Some(wait), .. } => Some(wait.as_secs()),
            _ => None,
        })
        .collect();
    for (wait, bound) in waits.iter().zip([2, 4, 8, 30, 60, 120]) {
        assert!((bound / 2..=bound).contains(wait), "{waits:?}");
    }
    assert!(waits.len() >= 5, "{waits:?}");
    world.ends[0].ua.unregister(world.now, id).unwrap();
    world.run_out();
    world.assert_empty();
}

#[test]
fn new_flow_registers_at_once() {
    let mut world = World::new(5, Transport::Tcp, &[passive, registrar]);
    let id = world.register(0, 1, 60);
    world.await_event(0, registered);
    let flow = world.flow(0, 1);
    world.ends[0].ua.handle_flow_closed(world.now, flow.id);
    let failed = world.await_event(0, |event| match event {
        Event::RegistrationFailed { status, retry_in, .. } => Some((*status, *retry_in)),
        _ => None,
    });
    assert_eq!(failed, (None, None));
    world.run(ms(120_000));
    assert_eq!(world.sent_by(0).len(), 2, "nothing goes along a dead flow");
    world.ends[0].ua.move_registration(world.now, id, flow).unwrap();
    world.run(ms(10));
    assert_eq!(world.count(0, |event| registered(event).is_some()), 2);
}

#[test]
fn unanswered_request_of_the_application_is_forgotten() {
    let mut world = World::new(6, Transport::Udp, &[passive, passive]);
    let id = world.register(0, 1, 60);
    let request: RequestId = world.await_event(1, |event| match event {
        Event::Request { id, .. } => Some(*id),
        _ => None,
    });
    world.ends[0].ua.unregister(world.now, id).unwrap();
    world.run_out();
    assert!(world.ends[1].ua.respond(world.now, request, Response::new(200)).is_err());
    world.assert_empty();
}

#[test]
fn moved_registration_removes_the_contact_of_the_lost_flow() {
    let mut world = World::new(7, Transport::Tcp, &[passive, registrar]);
    let id = world.register(0, 1, 60);
    world.await_event(0, registered);
    let flow = world.flow(0, 1);
    world.ends[0].ua.handle_flow_closed(world.now, flow.id);
    let moved = Flow { local: "10.0.0.1:40404".parse().unwrap(), ..flow };
    world.ends[0].ua.move_registration(world.now, id, moved).unwrap();
    let contacts = world.await_event(1, |event| match event {
        Event::Request { request, .. } if request.headers.cseq().unwrap().seq == 3 => {
            Some(request.headers.items(HeaderName::Contact).map(str::to_owned).collect::<Vec<_>>())
        }
        _ => None,
    });
    let new = "<sip:u0@10.0.0.1:40404;transport=tcp>";
    assert_eq!(contacts, [new, "<sip:u0@10.0.0.1:5060;transport=tcp>;expires=0"]);
    world.run(ms(40_000));
    let Some((_, Event::Request { request, .. })) = world.ends[1].events.last() else { panic!() };
    assert_eq!(request.headers.items(HeaderName::Contact).collect::<Vec<_>>(), [new], "removed once");
}

#[test]
fn binding_that_could_not_be_refreshed_is_removed_all_the_same() {
    let mut world = World::new(8, Transport::Udp, &[passive]);
    let id = world.register(0, PEER, 60);
    let register = world.received_request();
    world.answer(&register, 200, "r");
    world.run(ms(31_000));
    let Some(Message::Request(refresh)) = world.received().pop() else { panic!() };
    world.answer(&refresh, 503, "r");
    world.ends[0].ua.unregister(world.now, id).unwrap();
    let removal = world.received_request();
    assert_eq!(removal.headers.expires(), Some(0));
    world.answer(&removal, 200, "r");
    world.run_out();
    assert_eq!(world.count(0, |event| matches!(event, Event::Unregistered { .. })), 1);
    world.assert_empty();
}

#[test]
fn registrar_in_distress_that_asks_for_no_pause_is_given_one() {
    let mut world = World::new(9, Transport::Udp, &[passive]);
    world.register(0, PEER, 60);
    let mut count = 0;
    for _ in 0..200 {
        for message in world.received() {
            if let Message::Request(register) = message {
                count += 1;
                let mut busy = answer_to(&register, 503, "r");
                busy.headers.add(HeaderName::RetryAfter, "0");
                world.inject(busy);
            }
        }
        world.run(ms(5));
    }
    assert!(count <= 2, "{count} in a second");
}

#[test]
fn overloaded_registrar_says_when_to_come_again() {
    let mut world = World::new(9, Transport::Udp, &[passive]);
    let id = world.register(0, PEER, 60);
    let register = world.received_request();
    let mut busy = answer_to(&register, 503, "r");
    busy.headers.add(HeaderName::RetryAfter, "17");
    world.inject(busy);
    let wait = world.await_event(0, |event| match event {
        Event::RegistrationFailed { status: Some(503), retry_in, .. } => *retry_in,
        _ => None,
    });
    assert!((ms(17_000)..=ms(18_700)).contains(&wait), "never earlier than asked, a little later for each: {wait:?}");
    world.run(wait - ms(1));
    assert_eq!(world.received().len(), 0);
    world.run(ms(1));
    let again = world.received_request();
    assert_eq!(again.headers.call_id(), register.headers.call_id());
    assert_eq!(again.headers.cseq().unwrap().seq, 2);
    world.ends[0].ua.unregister(world.now, id).unwrap();
    world.answer(&again, 404, "r");
    world.run_out();
    world.assert_empty();
}
