//! Subscriptions of end 0, whose notifier the test plays (RFC 6665).

use super::super::message::{HeaderAccess, HeaderName, Request};
use super::super::subscription::{EventPackage, Reason};
use super::super::user_agent::{Error, Subscribe, SubscriptionId, SubscriptionPhase};
use super::peer::*;
use super::*;

fn subscribe(world: &mut World, expires: u64) -> SubscriptionId {
    let subscribe = Subscribe {
        identity: world.identity(0, PEER),
        target: Uri::sip("u5", "example.org"),
        package: EventPackage::new("dialog"),
        accept: vec!["application/dialog-info+xml".into()],
        expires: Duration::from_secs(expires),
        headers: Headers::default(),
        body: None,
    };
    world.ends[0].ua.subscribe(world.now, subscribe).unwrap()
}

fn grant(world: &mut World, request: &Request, expires: &str) {
    let mut ok = answer_to(request, 200, "t");
    ok.headers.add(HeaderName::Expires, expires);
    world.inject(ok);
}

/// A NOTIFY of the fork `tag` in the dialog that `request` began.
fn notify(request: &Request, tag: &str, cseq: u32, state: &str) -> Request {
    let mut notify = from_callee(request, Method::Notify, cseq);
    let to = request.headers.to_header().unwrap().uri;
    notify.headers.set(HeaderName::From, format!("<{to}>;tag={tag}"));
    notify.headers.set(HeaderName::Via, format!("SIP/2.0/UDP 10.0.0.10:5060;branch=z9hG4bK{tag}{cseq}{state}"));
    notify.headers.set(HeaderName::Event, "dialog");
    notify.headers.set(HeaderName::SubscriptionState, state);
    notify.set_body("application/dialog-info+xml", b"<dialog-info/>".to_vec());
    notify
}

fn told(world: &mut World) -> Vec<SubscriptionPhase> {
    world.flush();
    let phases = world.ends[0].events.iter().filter_map(|(_, event)| match event {
        Event::Subscription { phase, .. } => Some(*phase),
        _ => None,
    });
    phases.collect()
}

fn notified(world: &World) -> usize {
    world.count(0, |event| matches!(event, Event::Notified { .. }))
}

/// A subscription that stands for ten minutes, and its SUBSCRIBE.
fn standing(world: &mut World) -> (SubscriptionId, Request) {
    let id = subscribe(world, 600);
    let request = world.received_request();
    grant(world, &request, "600");
    world.inject(notify(&request, "t", 1, "active;expires=600"));
    assert_eq!(world.received_statuses(), ["200 NOTIFY"]);
    (id, request)
}

use SubscriptionPhase::{Active, Ended, Pending, Unsubscribed, Waiting};

#[test]
fn subscription_is_refreshed_in_its_dialog_and_ended_by_us() {
    let mut world = World::new(1, Transport::Udp, &[passive]);
    let (id, request) = standing(&mut world);
    assert_eq!(request.headers.value(HeaderName::Accept), Some("application/dialog-info+xml"));
    assert_eq!(request.headers.expires(), Some(600));
    let refresh = world.next_request(ms(571_000));
    assert_eq!(refresh.headers.to_tag(), Some("t"));
    assert_eq!(refresh.uri.to_string(), "sip:peer@10.0.0.10:5060");
    assert_eq!(refresh.headers.cseq().unwrap().seq, 2);
    grant(&mut world, &refresh, "600");
    world.ends[0].ua.unsubscribe(world.now, id).unwrap();
    let last = world.received_request();
    assert_eq!((last.headers.expires(), last.headers.to_tag()), (Some(0), Some("t")));
    grant(&mut world, &last, "0");
    world.inject(notify(&request, "t", 2, "terminated;reason=timeout"));
    assert_eq!(world.received_statuses(), ["200 NOTIFY"]);
    assert_eq!(told(&mut world), [Active, Unsubscribed]);
    assert_eq!(notified(&world), 1, "the last word is of no interest");
    assert_eq!(world.ends[0].ua.unsubscribe(world.now, id), Err(Error::Unknown));
    world.run_out();
    world.assert_empty();
}

#[test]
fn notify_may_overtake_the_answer_and_the_first_fork_counts() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    subscribe(&mut world, 600);
    let request = world.received_request();
    world.inject(notify(&request, "a", 1, "pending"));
    world.inject(notify(&request, "b", 1, "active"));
    assert_eq!(world.received_statuses(), ["200 NOTIFY", "481 NOTIFY"]);
    grant(&mut world, &request, "600");
    world.inject(notify(&request, "a", 3, "active"));
    world.inject(notify(&request, "a", 2, "pending"));
    assert_eq!(world.received_statuses(), ["200 NOTIFY", "500 NOTIFY"]);
    assert_eq!(told(&mut world), [Pending, Active]);
    assert_eq!(notified(&world), 2);
}

#[test]
fn short_interval_is_lengthened_and_challenge_answered() {
    let mut world = World::new(3, Transport::Udp, &[passive]);
    subscribe(&mut world, 60);
    let request = world.received_request();
    let mut brief = answer_to(&request, 423, "t");
    brief.headers.add(HeaderName::MinExpires, "300");
    world.inject(brief);
    let longer = world.received_request();
    assert_eq!(longer.headers.expires(), Some(300));
    assert_eq!(longer.headers.call_id(), request.headers.call_id());
    let mut challenge = answer_to(&longer, 401, "t");
    challenge.headers.add(HeaderName::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"");
    world.inject(challenge);
    let authorised = world.received_request();
    assert!(authorised.headers.value(HeaderName::Authorization).is_some());
    grant(&mut world, &authorised, "300");
    world.inject(notify(&authorised, "t", 1, "active"));
    assert_eq!(told(&mut world), [Active]);
}

#[test]
fn end_by_the_notifier_is_followed_by_what_its_reason_says() {
    let anew_after = |state: &str| {
        let mut world = World::new(4, Transport::Udp, &[passive]);
        let (_, request) = standing(&mut world);
        world.run(ms(60_000));
        let started = world.elapsed();
        world.inject(notify(&request, "t", 2, state));
        assert!(world.received_statuses().contains(&"200 NOTIFY".to_owned()));
        for _ in 0..800 {
            if world.sent_by(0).iter().filter(|message| **message == "SUBSCRIBE").count() > 1 {
                let last = told(&mut world).last().copied();
                return (Some((world.elapsed() - started).as_secs()), last);
            }
            world.run(ms(1000));
        }
        let last = told(&mut world).last().copied();
        (None, last)
    };
    assert_eq!(anew_after("terminated;reason=deactivated"), (Some(0), Some(Active)));
    assert_eq!(anew_after("terminated;reason=timeout;retry-after=90").0, Some(0));
    assert_eq!(anew_after("terminated;reason=probation;retry-after=90").0, Some(90));
    assert_eq!(anew_after("terminated;reason=giveup;retry-after=40").0, Some(40));
    assert!(anew_after("terminated;reason=probation").0.is_some());
    assert!(anew_after("terminated").0.is_some());
    for (word, reason) in
        [("rejected", Reason::Rejected), ("noresource", Reason::NoResource), ("invariant", Reason::Invariant)]
    {
        let expected = Ended { status: None, reason: Some(reason) };
        assert_eq!(anew_after(&format!("terminated;reason={word};retry-after=5")), (None, Some(expected)));
    }
}

#[test]
fn notifier_that_ends_every_subscription_at_once_is_not_asked_without_a_pause() {
    let mut world = World::new(5, Transport::Udp, &[passive]);
    subscribe(&mut world, 600);
    for _ in 0..200 {
        for message in world.received() {
            if let Message::Request(request) = message
                && request.method == Method::Subscribe
            {
                grant(&mut world, &request, "600");
                world.inject(notify(&request, "t", 1, "active"));
                world.inject(notify(&request, "t", 2, "terminated;reason=deactivated"));
            }
        }
        world.run(ms(3000));
    }
    let sent = world.sent_by(0).iter().filter(|message| **message == "SUBSCRIBE").count();
    assert!((3..30).contains(&sent), "{sent} in ten minutes");
}

#[test]
fn refused_subscription_ends_or_waits_by_its_status() {
    for status in [403, 404, 405, 489, 603] {
        let mut world = World::new(6, Transport::Udp, &[passive]);
        subscribe(&mut world, 600);
        let request = world.received_request();
        world.answer(&request, status, "t");
        assert_eq!(told(&mut world), [Ended { status: Some(status), reason: None }]);
        world.run_out();
        world.assert_empty();
    }
    let mut world = World::new(6, Transport::Udp, &[passive]);
    let id = subscribe(&mut world, 600);
    let request = world.received_request();
    let mut busy = answer_to(&request, 480, "t");
    busy.headers.add(HeaderName::RetryAfter, "30");
    world.inject(busy);
    assert_eq!(told(&mut world), [Waiting { status: Some(480), retry_in: Duration::from_secs(30) }]);
    let again = world.next_request(ms(30_100));
    assert_ne!(again.headers.call_id(), request.headers.call_id());
    world.ends[0].ua.unsubscribe(world.now, id).unwrap();
    grant(&mut world, &again, "600");
    world.inject(notify(&again, "t", 1, "active"));
    assert_eq!(world.received_statuses(), ["481 NOTIFY"], "nobody wants it any more");
    world.run_out();
    world.assert_empty();
}

#[test]
fn lost_subscription_is_begun_anew() {
    let mut world = World::new(7, Transport::Udp, &[passive]);
    let (_, request) = standing(&mut world);
    let refresh = world.next_request(ms(571_000));
    world.answer(&refresh, 481, "t");
    let anew = world.received_request();
    assert_ne!(anew.headers.call_id(), request.headers.call_id());
    assert!(anew.headers.to_tag().is_none());
}

#[test]
fn failed_refresh_is_tried_again_while_the_subscription_stands() {
    let mut world = World::new(8, Transport::Udp, &[passive]);
    standing(&mut world);
    let refresh = world.next_request(ms(571_000));
    world.answer(&refresh, 503, "t");
    let again = world.next_request(ms(20_000));
    assert_eq!(again.headers.to_tag(), Some("t"), "in the same dialog");
    assert_eq!(told(&mut world), [Active]);
}

#[test]
fn accepted_subscription_without_a_notify_is_given_up_after_timer_n() {
    let mut world = World::new(9, Transport::Udp, &[passive]);
    subscribe(&mut world, 600);
    let request = world.received_request();
    grant(&mut world, &request, "600");
    world.run(ms(31_900));
    assert_eq!(told(&mut world), []);
    world.run(ms(200));
    assert!(matches!(told(&mut world)[..], [Waiting { status: None, .. }]));
}

#[test]
fn state_is_asked_for_once_by_a_subscription_of_no_duration() {
    let mut world = World::new(10, Transport::Udp, &[passive]);
    subscribe(&mut world, 0);
    let request = world.received_request();
    grant(&mut world, &request, "0");
    world.inject(notify(&request, "t", 1, "terminated;reason=timeout"));
    assert_eq!(notified(&world), 1);
    assert_eq!(told(&mut world), [Ended { status: None, reason: Some(Reason::Timeout) }]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn subscription_moves_with_its_registration() {
    let mut world = World::new(11, Transport::Tcp, &[passive]);
    let registration = world.register(0, PEER, 3600);
    let request = world.received_request();
    world.answer(&request, 200, "r");
    let (_, request) = standing(&mut world);
    let flow = Flow { id: FlowId(8), ..world.flow(0, 8) };
    world.ends[0].ua.move_registration(world.now, registration, flow).unwrap();
    let methods: Vec<_> = world.received().iter().map(|message| first_words(&wire::write(message))).collect();
    assert_eq!(methods, ["REGISTER", "SUBSCRIBE"]);
    let _ = request;
}

#[test]
fn waiting_messages_told_unasked_are_believed_of_our_registrar_alone() {
    let unasked = |world: &mut World, event: &str| {
        let mut notify = request_like(&invite("x"), Method::Notify, 5, event);
        notify.headers.set(HeaderName::CallId, event);
        notify.headers.set(HeaderName::Event, event);
        notify.headers.set(HeaderName::SubscriptionState, "active");
        notify.set_body("application/simple-message-summary", b"Messages-Waiting: yes\r\n".to_vec());
        world.inject(notify);
    };
    let mut world = World::new(12, Transport::Udp, &[passive]);
    unasked(&mut world, "message-summary");
    assert_eq!(world.received_statuses(), ["481 NOTIFY"]);
    let mut world = World::new(12, Transport::Udp, &[passive]);
    world.register(0, PEER, 3600);
    world.received();
    unasked(&mut world, "message-summary");
    unasked(&mut world, "dialog");
    assert_eq!(world.received_statuses(), ["200 NOTIFY", "481 NOTIFY"]);
    assert_eq!(notified(&world), 1);
}

#[test]
fn notifier_that_asks_for_no_pause_or_always_for_more_is_not_stormed() {
    let refusals = |status: u16, name: HeaderName, step: u32| {
        let mut world = World::new(21, Transport::Udp, &[passive]);
        subscribe(&mut world, 60);
        let mut count = 0;
        for round in 0..200 {
            for message in world.received() {
                if let Message::Request(request) = message {
                    count += 1;
                    let mut no = answer_to(&request, status, "t");
                    no.headers.add(name, (step * (61 + round)).to_string());
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
