//! Transfers among three parties: 0 transfers, 1 is transferred, 2 is the target (RFC 3515, RFC 3891, RFC 5589).

use super::super::message::{HeaderAccess, HeaderName, Request};
use super::super::refer::ReferTo;
use super::super::user_agent::{Error, Refer, ReferralId, ReferralState};
use super::peer::*;
use super::*;

fn refer(target: Uri) -> Refer {
    let referred_by = Some(NameAddr::new(Uri::sip("u0", "example.org")));
    Refer { refer_to: ReferTo::new(target), referred_by, headers: Headers::default(), reports: true }
}

fn answered_or_confirmed(event: &Event) -> Option<()> {
    matches!(event, Event::Answered { .. } | Event::Confirmed { .. }).then_some(())
}

impl World {
    /// A call that stands: the sessions of its caller and of its callee.
    fn established(&mut self, from: usize, to: usize) -> (SessionId, SessionId) {
        let before = self.ends[to].events.len();
        let caller = self.call(from, to);
        let mut skipped = 0;
        let callee = self.await_event(to, |event| {
            skipped += 1;
            match event {
                Event::Incoming { session, .. } if skipped > before => Some(*session),
                _ => None,
            }
        });
        self.await_event(to, |event| match event {
            Event::Confirmed { session, .. } if *session == callee => Some(()),
            _ => None,
        });
        (caller, callee)
    }

    fn referred(&mut self, end: usize) -> (ReferralId, SessionId, ReferTo) {
        self.await_event(end, |event| match event {
            Event::Referred { referral, session, refer_to, .. } => Some((*referral, *session, (**refer_to).clone())),
            _ => None,
        })
    }

    /// End 1 does what it is asked: it calls end 2.
    fn follow(&mut self, referral: ReferralId) -> SessionId {
        let now = self.now;
        let invite = Invite {
            identity: self.identity(1, 2),
            target: Uri::sip("ignored", "example.org"),
            offer: OFFER.to_vec(),
            headers: Headers::default(),
        };
        let ua = &mut self.ends[1].ua;
        ua.accept_referral(now, referral).unwrap();
        ua.call_referred(now, referral, invite).unwrap()
    }

    fn outcome(&mut self, end: usize) -> ReferralState {
        self.await_event(end, |event| match event {
            Event::Referral { state, .. } if state.is_final() => Some(*state),
            _ => None,
        })
    }

    fn states(&self, end: usize) -> Vec<ReferralState> {
        let states = self.ends[end].events.iter().filter_map(|(_, event)| match event {
            Event::Referral { state, .. } => Some(*state),
            _ => None,
        });
        states.collect()
    }

    fn incoming_request(&self, end: usize) -> &Request {
        let requests = self.ends[end].events.iter().rev().filter_map(|(_, event)| match event {
            Event::Incoming { request, .. } => Some(&**request),
            _ => None,
        });
        requests.into_iter().next().unwrap()
    }

    fn hang_up_all(&mut self) {
        for _ in 0..3 {
            for end in 0..self.ends.len() {
                let sessions: Vec<_> = self.ends[end]
                    .events
                    .iter()
                    .filter_map(|(_, event)| match event {
                        Event::Incoming { session, .. } | Event::Answered { session, .. } => Some(*session),
                        _ => None,
                    })
                    .collect();
                for session in sessions {
                    let _ = self.ends[end].ua.hang_up(self.now, session);
                }
            }
            self.run(ms(2000));
        }
        self.run_out();
        self.assert_empty();
    }
}

use ReferralState::{Accepted, Done, Lost, Progress, Refused};

#[test]
fn blind_transfer_is_reported_until_the_target_answers() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(1, transport, &[passive, answering, answering]);
        let (caller, callee) = world.established(0, 1);
        let id = world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
        let (referral, session, refer_to) = world.referred(1);
        assert_eq!((session, refer_to.target.to_string().as_str()), (callee, "sip:u2@example.org"));
        world.follow(referral);
        assert_eq!(world.outcome(0), Done { status: 200 });
        let expected =
            [Accepted { reports: true }, Progress { status: 100 }, Progress { status: 180 }, Done { status: 200 }];
        // What happens while a report is on its way is summed up in the next.
        let states = world.states(0);
        assert!(states.iter().all(|state| expected.contains(state)), "{states:?}");
        assert_eq!((states[0], states[1]), (expected[0], expected[1]));
        assert!(world.ends[0].events.iter().any(|(_, event)| matches!(
            event,
            Event::Referral { referral, session: Some(session), .. } if *referral == id && *session == caller
        )));
        assert_eq!(world.incoming_request(2).headers.value(HeaderName::ReferredBy), Some("<sip:u0@example.org>"));
        world.ends[0].ua.hang_up(world.now, caller).unwrap();
        world.run(ms(1000));
        assert_eq!(world.ended(0), [EndReason::Local]);
        assert_eq!(world.ended(1), [EndReason::Remote { cause: None }]);
        assert_eq!(world.ended(2), [], "the new call stands");
        world.hang_up_all();
    }
}

#[test]
fn ringing_of_the_target_is_reported() {
    let mut world = World::new(2, Transport::Udp, &[passive, answering, ringing]);
    let (caller, _) = world.established(0, 1);
    world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
    let (referral, ..) = world.referred(1);
    world.follow(referral);
    world.run(ms(1000));
    assert_eq!(world.states(0), [Accepted { reports: true }, Progress { status: 100 }, Progress { status: 180 }]);
    let target = world.incoming(2);
    world.ends[2].ua.answer(world.now, target, ANSWER.to_vec(), Headers::default()).unwrap();
    assert_eq!(world.outcome(0), Done { status: 200 });
    world.hang_up_all();
}

#[test]
fn busy_target_leaves_the_call_as_it_was() {
    let mut world = World::new(3, Transport::Udp, &[passive, answering, ringing]);
    let (caller, callee) = world.established(0, 1);
    world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
    let (referral, ..) = world.referred(1);
    world.follow(referral);
    let target = world.incoming(2);
    world.ends[2].ua.reject(world.now, target, 486, Headers::default()).unwrap();
    assert_eq!(world.outcome(0), Done { status: 486 });
    assert!(world.ends[0].ua.reoffer(world.now, caller, OFFER.to_vec()).is_ok(), "the first call stands");
    world.await_event(1, |event| match event {
        Event::Reoffered { session, .. } => (*session == callee).then_some(()),
        _ => None,
    });
    // Another attempt is allowed now.
    assert!(world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).is_ok());
    world.hang_up_all();
}

#[test]
fn refused_transfer_says_so() {
    let mut world = World::new(4, Transport::Udp, &[passive, answering, passive]);
    let (caller, _) = world.established(0, 1);
    world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
    let again = world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org")));
    assert_eq!(again, Err(Error::WrongState("being transferred")));
    let (referral, ..) = world.referred(1);
    world.ends[1].ua.refuse_referral(world.now, referral, 603).unwrap();
    assert_eq!(world.outcome(0), Refused { status: 603 });
    assert_eq!(world.ends[1].ua.accept_referral(world.now, referral), Err(Error::Unknown));
    world.hang_up_all();
}

#[test]
fn peers_that_know_no_refer_keep_the_call() {
    for status in [405, 403, 420, 501] {
        let mut world = World::new(5, Transport::Udp, &[passive]);
        let (session, _) = world.answered_call();
        world.ends[0].ua.refer(world.now, session, refer(Uri::sip("u2", "example.org"))).unwrap();
        let request = world.received_request();
        assert_eq!(request.headers.value(HeaderName::ReferTo), Some("<sip:u2@example.org>"));
        world.answer(&request, status, "t");
        assert_eq!(world.outcome(0), Refused { status });
        assert_eq!(world.ended(0), []);
    }
}

#[test]
fn refer_is_repeated_with_credentials_and_its_reports_name_the_second() {
    let mut world = World::new(6, Transport::Udp, &[passive]);
    let (session, invite) = world.answered_call();
    world.ends[0].ua.refer(world.now, session, refer(Uri::sip("u2", "example.org"))).unwrap();
    let first = world.received_request();
    let mut challenge = answer_to(&first, 407, "t");
    challenge.headers.add(HeaderName::ProxyAuthenticate, "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"");
    world.inject(challenge);
    let second = world.received_request();
    assert_eq!(second.method, Method::Refer);
    assert!(second.headers.value(HeaderName::ProxyAuthorization).is_some());
    assert_eq!(second.headers.cseq().unwrap().seq, first.headers.cseq().unwrap().seq + 1);
    world.answer(&second, 202, "t");
    let old = report(&invite, 1, "refer;id=2", "active", "SIP/2.0 100 Trying");
    world.inject(old);
    assert_eq!(world.received_statuses(), ["481 NOTIFY"], "the first REFER made no subscription");
    world.inject(report(&invite, 2, "refer;id=3", "terminated;reason=noresource", "SIP/2.0 200 OK"));
    assert_eq!(world.received_statuses(), ["200 NOTIFY"]);
    assert_eq!(world.outcome(0), Done { status: 200 });
}

/// A NOTIFY of the peer whom end 0 called by `invite`.
fn report(invite: &Request, cseq: u32, event: &str, state: &str, fragment: &str) -> Request {
    let mut notify = from_callee(invite, Method::Notify, cseq);
    notify.headers.set(HeaderName::Event, event);
    notify.headers.set(HeaderName::SubscriptionState, state);
    if !fragment.is_empty() {
        notify.set_body("message/sipfrag;version=2.0", fragment.as_bytes().to_vec());
    }
    notify
}

/// A REFER of end 0 that the played peer has accepted; its INVITE, and its session.
fn accepted_refer(world: &mut World) -> (SessionId, Request) {
    let (session, invite) = world.answered_call();
    world.ends[0].ua.refer(world.now, session, refer(Uri::sip("u2", "example.org"))).unwrap();
    let request = world.received_request();
    world.answer(&request, 202, "t");
    (session, invite)
}

#[test]
fn reports_that_cannot_be_understood_are_refused() {
    let mut world = World::new(7, Transport::Udp, &[passive]);
    let (_, invite) = accepted_refer(&mut world);
    let mut statuses = Vec::new();
    let mut tell = |world: &mut World, request: Request| {
        world.inject(request);
        statuses.extend(world.received_statuses());
    };
    let trying = "SIP/2.0 100 Trying";
    tell(&mut world, report(&invite, 1, "dialog", "active", trying));
    tell(&mut world, report(&invite, 2, "refer;id=99", "active", trying));
    let mut stateless = report(&invite, 3, "refer", "active", trying);
    stateless.headers.remove(HeaderName::SubscriptionState);
    tell(&mut world, stateless);
    let mut eventless = report(&invite, 4, "refer", "active", trying);
    eventless.headers.remove(HeaderName::Event);
    tell(&mut world, eventless);
    let mut other_body = report(&invite, 5, "refer", "active", "");
    other_body.set_body("text/plain", b"hello".to_vec());
    tell(&mut world, other_body);
    let mut stranger = report(&invite, 6, "refer", "active", trying);
    stranger.headers.set(HeaderName::From, "<sip:x@y>;tag=other");
    tell(&mut world, stranger);
    tell(&mut world, report(&invite, 9, "refer", "active", trying));
    tell(&mut world, report(&invite, 8, "refer", "active", "SIP/2.0 200 OK"));
    let expected = ["481", "481", "400", "489", "415", "481", "200", "500"].map(|status| format!("{status} NOTIFY"));
    assert_eq!(statuses, expected);
    assert_eq!(world.states(0), [Accepted { reports: true }, Progress { status: 100 }]);
}

#[test]
fn peer_that_never_reports_is_given_up_after_timer_n() {
    let mut world = World::new(8, Transport::Udp, &[passive]);
    accepted_refer(&mut world);
    assert_eq!(world.outcome(0), Lost);
    assert_eq!(world.elapsed(), ms(32_000));
}

#[test]
fn peer_that_stops_reporting_is_given_up_when_its_subscription_ends() {
    let mut world = World::new(9, Transport::Udp, &[passive]);
    let (_, invite) = accepted_refer(&mut world);
    world.inject(report(&invite, 1, "refer", "active;expires=60", "SIP/2.0 180 Ringing"));
    assert_eq!(world.outcome(0), Lost);
    assert_eq!(world.elapsed(), ms(60_000));
}

#[test]
fn end_without_an_outcome_is_no_success() {
    let mut world = World::new(10, Transport::Udp, &[passive]);
    let (_, invite) = accepted_refer(&mut world);
    world.inject(report(&invite, 1, "refer", "terminated;reason=timeout", "SIP/2.0 100 Trying"));
    assert_eq!(world.outcome(0), Lost);
}

#[test]
fn report_may_overtake_the_answer_and_follow_the_end_of_the_session() {
    let mut world = World::new(11, Transport::Udp, &[passive]);
    let (session, invite) = world.answered_call();
    world.ends[0].ua.refer(world.now, session, refer(Uri::sip("u2", "example.org"))).unwrap();
    let request = world.received_request();
    world.inject(report(&invite, 1, "refer", "active;expires=60", "SIP/2.0 100 Trying"));
    world.answer(&request, 202, "t");
    world.received();
    world.inject(from_callee(&invite, Method::Bye, 2));
    assert_eq!(world.received_statuses(), ["200 BYE"]);
    world.inject(report(&invite, 3, "refer", "terminated;reason=noresource", "SIP/2.0 200 OK"));
    assert_eq!(world.received_statuses(), ["200 NOTIFY"], "the reports outlive the session");
    assert_eq!(world.states(0), [Accepted { reports: true }, Progress { status: 100 }, Done { status: 200 }]);
    world.inject(report(&invite, 4, "refer", "terminated", "SIP/2.0 200 OK"));
    assert_eq!(world.received_statuses(), ["481 NOTIFY"]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn peer_that_will_not_report_is_believed() {
    let mut world = World::new(12, Transport::Udp, &[passive, answering, answering]);
    let (caller, _) = world.established(0, 1);
    let silent = Refer { reports: false, ..refer(Uri::sip("u2", "example.org")) };
    world.ends[0].ua.refer(world.now, caller, silent).unwrap();
    let (referral, ..) = world.referred(1);
    world.follow(referral);
    assert_eq!(world.outcome(0), Accepted { reports: false });
    world.await_event(1, answered_or_confirmed);
    world.run(ms(1000));
    assert!(!world.sent_by(1).contains(&"NOTIFY"));
    world.hang_up_all();
}

#[test]
fn transferred_call_goes_on_when_the_one_who_asked_has_hung_up() {
    for gone in [false, true] {
        let mut world = World::new(13, Transport::Udp, &[passive, answering, ringing]);
        let (caller, _) = world.established(0, 1);
        world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
        let (referral, ..) = world.referred(1);
        let new = world.follow(referral);
        world.run(ms(100));
        world.ends[0].ua.hang_up(world.now, caller).unwrap();
        if gone {
            // Nobody is there any more who would answer the reports.
            world.lose = Box::new(|from, _| from == 0);
        }
        world.run(ms(40_000));
        let target = world.incoming(2);
        world.ends[2].ua.answer(world.now, target, ANSWER.to_vec(), Headers::default()).unwrap();
        world.await_event(1, |event| match event {
            Event::Answered { session, .. } => (*session == new).then_some(()),
            _ => None,
        });
        world.run(ms(40_000));
        if !gone {
            assert_eq!(world.states(0).last(), Some(&Done { status: 200 }));
        }
        world.lose = Box::new(|_, _| false);
        world.hang_up_all();
    }
}

#[test]
fn attended_transfer_joins_the_other_two() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(14, transport, &[passive, answering, answering]);
        let (first, first_peer) = world.established(0, 1);
        let (consultation, consulted) = world.established(0, 2);
        let refer_to = world.ends[0].ua.refer_to_session(consultation).unwrap();
        let asked = Refer { refer_to, ..refer(Uri::sip("u2", "example.org")) };
        world.ends[0].ua.refer(world.now, first, asked).unwrap();
        let (referral, session, refer_to) = world.referred(1);
        assert_eq!(session, first_peer);
        assert!(refer_to.replaces.is_some());
        world.follow(referral);
        let new = world.await_event(2, |event| match event {
            Event::Incoming { session, replaces: Some(old), .. } => {
                assert_eq!(*old, consulted);
                Some(*session)
            }
            _ => None,
        });
        assert_eq!(world.outcome(0), Done { status: 200 });
        world.await_event(0, |event| match event {
            Event::Ended { session, reason, .. } if *session == consultation => {
                assert_eq!(*reason, EndReason::Remote { cause: None });
                Some(())
            }
            _ => None,
        });
        assert_eq!(world.ended(2), [EndReason::Replaced { by: new }]);
        assert_eq!(world.incoming_request(2).headers.value(HeaderName::ReferredBy), Some("<sip:u0@example.org>"));
        world.ends[0].ua.hang_up(world.now, first).unwrap();
        world.hang_up_all();
    }
}

#[test]
fn consultation_that_ended_meanwhile_cannot_be_replaced() {
    let mut world = World::new(15, Transport::Udp, &[passive, answering, answering]);
    let (first, _) = world.established(0, 1);
    let (consultation, consulted) = world.established(0, 2);
    let refer_to = world.ends[0].ua.refer_to_session(consultation).unwrap();
    let asked = Refer { refer_to, ..refer(Uri::sip("u2", "example.org")) };
    world.ends[0].ua.refer(world.now, first, asked).unwrap();
    let (referral, ..) = world.referred(1);
    world.ends[2].ua.hang_up(world.now, consulted).unwrap();
    world.follow(referral);
    let Done { status } = world.outcome(0) else { panic!("{:?}", world.states(0)) };
    assert!(matches!(status, 481 | 603), "{status}");
    world.hang_up_all();
}

/// An INVITE of the played peer that is to replace the call that it made before by `invite`.
fn replacing(invite: &Request, change: impl FnOnce(&mut Request)) -> Request {
    let mut request = super::peer::invite("r");
    request.headers.set(HeaderName::CallId, "another-call");
    request.headers.set(HeaderName::From, "<sip:third@example.org>;tag=3");
    let tag = invite.headers.to_tag().unwrap();
    request.headers.add(HeaderName::Replaces, format!("call-of-the-peer;to-tag={tag};from-tag=p"));
    request.headers.add(HeaderName::Require, "replaces");
    change(&mut request);
    request
}

#[test]
fn replaces_is_held_to_its_rules() {
    type Change = fn(&mut Request, &str);
    let cases: [(&str, Change); 8] = [
        ("180 INVITE", |_, _| {}),
        ("486 INVITE", |request, tag| {
            let value = format!("call-of-the-peer;to-tag={tag};from-tag=p;early-only");
            request.headers.set(HeaderName::Replaces, value);
        }),
        ("481 INVITE", |request, tag| {
            request.headers.set(HeaderName::Replaces, format!("other-call;to-tag={tag};from-tag=p"));
        }),
        ("481 INVITE", |request, tag| {
            request.headers.set(HeaderName::Replaces, format!("call-of-the-peer;to-tag={tag};from-tag=q"));
        }),
        ("481 INVITE", |request, _| {
            request.headers.set(HeaderName::Replaces, "call-of-the-peer;to-tag=none;from-tag=p");
        }),
        ("400 INVITE", |request, _| request.headers.set(HeaderName::Replaces, "call-of-the-peer")),
        ("400 INVITE", |request, _| request.headers.add(HeaderName::Join, "x;to-tag=1;from-tag=2")),
        ("420 INVITE", |request, _| request.headers.set(HeaderName::Require, "join")),
    ];
    for (expected, change) in cases {
        let mut world = World::new(16, Transport::Udp, &[ringing]);
        let (session, invite) = world.accepted_call();
        world.received();
        let tag = invite.headers.to_tag().unwrap().to_owned();
        world.inject(replacing(&invite, |request| change(request, &tag)));
        assert_eq!(world.received_statuses().last().unwrap(), expected);
        assert_eq!(world.ended(0), [], "nothing ends before the answer");
        let replaces = world.ends[0].events.iter().find_map(|(_, event)| match event {
            Event::Incoming { replaces: Some(old), .. } => Some(*old),
            _ => None,
        });
        assert_eq!(replaces.is_some(), expected == "180 INVITE");
        assert!(replaces.is_none_or(|old| old == session));
    }
}

#[test]
fn ringing_call_and_ended_call_cannot_be_replaced() {
    let mut world = World::new(17, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let tag = world.received().pop().unwrap().headers().to_tag().unwrap().to_owned();
    world.inject(replacing(&in_dialog(&invite("1"), &tag), |_| {}));
    assert_eq!(world.received_statuses().last().unwrap(), "481 INVITE");

    let mut world = World::new(17, Transport::Udp, &[ringing]);
    let (session, invite) = world.accepted_call();
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    world.received();
    world.inject(replacing(&invite, |_| {}));
    assert_eq!(world.received_statuses().last().unwrap(), "603 INVITE");
}

#[test]
fn replacement_that_is_refused_or_cancelled_leaves_the_old_call() {
    let mut world = World::new(18, Transport::Udp, &[ringing]);
    let (_, invite) = world.accepted_call();
    world.received();
    world.inject(replacing(&invite, |_| {}));
    let new = world.await_event(0, |event| match event {
        Event::Incoming { session, replaces: Some(_), .. } => Some(*session),
        _ => None,
    });
    world.ends[0].ua.reject(world.now, new, 488, Headers::default()).unwrap();
    world.received();
    assert_eq!(world.ended(0), [EndReason::Local]);
    assert_eq!(world.count(0, |event| matches!(event, Event::Ended { session, .. } if *session != new)), 0);
}

/// A REFER of the played peer inside the call that it made by `invite`.
fn refer_of_peer(invite: &Request, cseq: u32, refer_to: &str) -> Request {
    let mut request = request_like(invite, Method::Refer, cseq, &format!("refer{cseq}"));
    request.headers.add(HeaderName::ReferTo, refer_to);
    request
}

#[test]
fn refer_that_cannot_be_followed_is_refused() {
    let mut world = World::new(19, Transport::Udp, &[passive]);
    let (_, invite) = world.accepted_call();
    let mut statuses = Vec::new();
    let mut ask = |world: &mut World, request: Request| {
        world.inject(request);
        statuses.extend(world.received_statuses());
    };
    ask(&mut world, refer_of_peer(&invite, 2, "<mailto:a@b>"));
    ask(&mut world, refer_of_peer(&invite, 3, "<sip:a@b;method=BYE>"));
    ask(&mut world, refer_of_peer(&invite, 4, "<sip:a@b?Replaces=x>"));
    ask(&mut world, request_like(&invite, Method::Refer, 5, "none"));
    let mut required = refer_of_peer(&invite, 6, "<sip:a@b>");
    required.headers.add(HeaderName::Require, "unheard-of");
    ask(&mut world, required);
    ask(&mut world, refer_of_peer(&invite, 7, "<sip:a@b>"));
    ask(&mut world, refer_of_peer(&invite, 8, "<sip:a@b>"));
    ask(&mut world, refer_of_peer(&invite, 1, "<sip:a@b>"));
    let expected = ["416", "403", "400", "400", "420", "491", "500"].map(|status| format!("{status} REFER"));
    assert_eq!(statuses, expected, "the seventh waits for the application");
    assert_eq!(world.count(0, |event| matches!(event, Event::Referred { .. })), 1);
}

#[test]
fn refer_before_the_call_stands_is_refused() {
    let mut world = World::new(20, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let tag = world.received().pop().unwrap().headers().to_tag().unwrap().to_owned();
    world.inject(refer_of_peer(&in_dialog(&invite("1"), &tag), 2, "<sip:a@b>"));
    assert_eq!(world.received_statuses(), ["403 REFER"]);
}

#[test]
fn reports_are_sent_one_after_the_other_and_stop_when_nobody_listens() {
    let mut world = World::new(21, Transport::Udp, &[passive]);
    let (_, invite) = world.accepted_call();
    world.inject(refer_of_peer(&invite, 2, "<sip:a@b?X-Case=7>"));
    let (referral, ..) = world.referred(0);
    world.ends[0].ua.accept_referral(world.now, referral).unwrap();
    let mut messages = world.received();
    let Message::Request(first) = messages.pop().unwrap() else { panic!() };
    assert_eq!(first_words(&wire::write(&messages.pop().unwrap())), "202 REFER");
    assert_eq!(first.headers.value(HeaderName::Event), Some("refer;id=2"));
    assert_eq!(first.headers.value(HeaderName::SubscriptionState), Some("active;expires=300"));
    assert_eq!(first.headers.value(HeaderName::ContentType), Some("message/sipfrag;version=2.0"));
    assert_eq!(first.body, b"SIP/2.0 100 Trying\r\n");

    let invite = Invite {
        identity: world.identity(0, PEER),
        target: Uri::sip("ignored", "x"),
        offer: OFFER.to_vec(),
        headers: Headers::default(),
    };
    world.ends[0].ua.call_referred(world.now, referral, invite).unwrap();
    let call = world.received_request();
    assert_eq!(call.uri.to_string(), "sip:a@b");
    assert_eq!(call.headers.named("X-Case"), Some("7"));
    world.answer(&call, 180, "n");
    world.run(ms(1));
    assert_eq!(world.received().len(), 0, "the first report still waits for its answer");
    world.inject(answer_to(&first, 200, "p"));
    let second = world.received_request();
    assert_eq!(second.body, b"SIP/2.0 180 Ringing\r\n");
    world.inject(answer_to(&second, 481, "p"));
    world.answer(&call, 200, "n");
    world.run(ms(1));
    let methods: Vec<_> = world.received_statuses();
    assert_eq!(methods, ["ACK"], "nobody listens any more");
}

#[test]
fn referral_that_cannot_be_carried_out_is_reported_as_failed() {
    let mut world = World::new(22, Transport::Udp, &[passive, answering]);
    let (caller, _) = world.established(0, 1);
    world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
    let (referral, ..) = world.referred(1);
    world.ends[1].ua.accept_referral(world.now, referral).unwrap();
    world.ends[1].ua.abandon_referral(world.now, referral, 503).unwrap();
    assert_eq!(world.outcome(0), Done { status: 503 });
    world.hang_up_all();
}

#[test]
fn application_that_never_decides_leaves_nothing_behind() {
    let mut world = World::new(23, Transport::Udp, &[passive, answering]);
    let (caller, _) = world.established(0, 1);
    world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
    assert_eq!(world.outcome(0), Refused { status: 408 });
    world.hang_up_all();
}

#[test]
fn refer_outside_a_dialog_has_a_dialog_of_its_own() {
    let mut world = World::new(24, Transport::Udp, &[passive]);
    let identity = world.identity(0, PEER);
    let target = Uri::sip("peer", "example.org");
    world.ends[0].ua.refer_alone(world.now, identity, target, refer(Uri::sip("u2", "example.org"))).unwrap();
    let request = world.received_request();
    assert!(request.headers.to_tag().is_none() && request.headers.contact().is_some());
    world.answer(&request, 202, "t");
    world.inject(report(&request, 1, "refer;id=1", "terminated", "SIP/2.0 200 OK"));
    assert_eq!(world.received_statuses(), ["200 NOTIFY"]);
    assert_eq!(world.outcome(0), Done { status: 200 });
    world.run_out();
    world.assert_empty();
}

#[test]
fn transfers_survive_a_lossy_network() {
    for seed in 0..40 {
        let mut world = World::new(seed, Transport::Udp, &[passive, answering, answering]);
        world.weather = Weather { loss: 150, doubled: 100, delay: (ms(5), ms(400)) };
        let (caller, _) = world.established(0, 1);
        world.ends[0].ua.refer(world.now, caller, refer(Uri::sip("u2", "example.org"))).unwrap();
        let (referral, ..) = world.referred(1);
        world.follow(referral);
        let outcome = world.outcome(0);
        assert!(matches!(outcome, Done { status: 200 } | Lost), "seed {seed}: {outcome:?}");
        world.hang_up_all();
    }
}
