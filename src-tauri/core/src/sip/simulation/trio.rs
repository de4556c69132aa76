//! Three applications that call, transfer, replace, write, subscribe and publish at any time, over a network that loses
//! and reorders. Whatever happens, every session ends once, every transfer has one outcome, and nothing is left behind.

use std::collections::{BTreeMap, BTreeSet};

use super::super::subscription::EventPackage;
use super::super::user_agent::{
    Content, PublicationId, Publish, Refer, ReferralId, Subscribe, SubscriptionId, SubscriptionPhase,
};
use super::*;
use crate::sip::refer::ReferTo;

/// What one end knows.
#[derive(Default)]
struct View {
    live: BTreeSet<SessionId>,
    referrals: BTreeMap<ReferralId, bool>,
    /// With the end that is to be called.
    referred: Vec<(ReferralId, usize)>,
    subscriptions: BTreeSet<SubscriptionId>,
    publications: BTreeSet<PublicationId>,
    messages: usize,
    seen: usize,
}

impl View {
    fn update(&mut self, end: &End, seed: u64) {
        for (_, event) in &end.events[self.seen..] {
            match event {
                Event::Incoming { session, .. } => assert!(self.live.insert(*session), "seed {seed}"),
                Event::Ended { session, .. } => assert!(self.live.remove(session), "seed {seed}: {event:?} twice"),
                Event::Referral { referral, state, .. } => {
                    let over = self.referrals.entry(*referral).or_default();
                    assert!(!*over, "seed {seed}: {state:?} after the outcome");
                    *over = state.is_final();
                }
                Event::Referred { referral, refer_to, .. } => {
                    let target = refer_to.target.user.as_deref().and_then(|user| user.strip_prefix('u')?.parse().ok());
                    self.referred.push((*referral, target.unwrap()));
                }
                Event::MessageAnswered { .. } => self.messages -= 1,
                Event::Subscription {
                    subscription,
                    phase: SubscriptionPhase::Ended { .. } | SubscriptionPhase::Unsubscribed,
                } => assert!(self.subscriptions.remove(subscription), "seed {seed}: {event:?} twice"),
                Event::Unpublished { publication } => {
                    assert!(self.publications.remove(publication), "seed {seed}: {event:?} twice");
                }
                _ => {}
            }
        }
        self.seen = end.events.len();
    }
}

fn act(world: &mut World, end: usize, view: &mut View, dice: &mut ChaCha8Rng) {
    let mut below = |sides: usize| dice.next_u64() as usize % sides.max(1);
    let now = world.now;
    let other = (end + 1 + below(2)) % 3;
    let sessions: Vec<_> = view.live.iter().copied().collect();
    let pick = |below: &mut dyn FnMut(usize) -> usize| sessions.get(below(sessions.len())).copied();
    let identity = world.identity(end, other);
    let target = Uri::sip(&format!("u{other}"), "example.org");
    let content = || Content { content_type: "text/plain".into(), body: b"hi".to_vec(), headers: Headers::default() };
    let (session, second) = (pick(&mut below), pick(&mut below));
    let action = below(18);
    let ua = &mut world.ends[end].ua;
    match (action, session) {
        (0..=2, _) => drop(view.live.insert(world.call(end, other))),
        (3..=5, Some(_)) => {
            // Of all that ring; with the others it is not possible.
            for session in &sessions {
                let _ = ua.answer(now, *session, ANSWER.to_vec(), Headers::default());
            }
        }
        (6, Some(session)) => drop(ua.hang_up(now, session)),
        (7..=9, Some(session)) => {
            let attended = second.and_then(|second| ua.refer_to_session(second).ok()).filter(|_| action > 7);
            let refer_to = attended.unwrap_or_else(|| ReferTo::new(target));
            let refer = Refer { refer_to, referred_by: None, headers: Headers::default(), reports: action != 7 };
            if let Ok(id) = ua.refer(now, session, refer) {
                view.referrals.insert(id, false);
            }
        }
        (10..=13, _) => {
            let Some(&(referral, to)) = view.referred.get(below(view.referred.len())) else { return };
            let identity = world.identity(end, if to == end { other } else { to });
            let ua = &mut world.ends[end].ua;
            let invite = Invite { identity, target, offer: OFFER.to_vec(), headers: Headers::default() };
            match below(8) {
                0 => drop(ua.refuse_referral(now, referral, 603)),
                1 => drop(ua.abandon_referral(now, referral, 500)),
                2 | 3 => drop(ua.accept_referral(now, referral)),
                _ => {
                    let _ = ua.accept_referral(now, referral);
                    if let Ok(session) = ua.call_referred(now, referral, invite) {
                        view.live.insert(session);
                    }
                }
            }
        }
        (14, session) => {
            let sent = match session {
                Some(session) => ua.send_message_within(now, session, content()),
                None => ua.send_message(now, identity, target, content()),
            };
            view.messages += usize::from(sent.is_ok());
        }
        (15, _) => {
            let package = EventPackage::new(["dialog", "refer"][below(2)]);
            let expires = Duration::from_secs([0, 600][below(2)]);
            let (accept, headers, body) = (Vec::new(), Headers::default(), None);
            let subscribe = Subscribe { identity, target, package, accept, expires, headers, body };
            view.subscriptions.insert(ua.subscribe(now, subscribe).unwrap());
        }
        (16, _) => {
            let publish = Publish {
                identity,
                target,
                package: "presence".into(),
                expires: Duration::from_secs(600),
                content_type: "application/pidf+xml".into(),
                body: b"<presence/>".to_vec(),
            };
            view.publications.insert(ua.publish(now, publish).unwrap());
        }
        (17, _) if below(6) == 0 => ua.handle_flow_closed(now, FlowId((end * 100 + other) as u64)),
        _ => {}
    }
}

fn leave(world: &mut World, end: usize, view: &View) {
    let now = world.now;
    let ua = &mut world.ends[end].ua;
    for session in &view.live {
        let _ = ua.hang_up(now, *session);
    }
    for subscription in &view.subscriptions {
        let _ = ua.unsubscribe(now, *subscription);
    }
    for publication in &view.publications {
        let _ = ua.unpublish(now, *publication);
    }
}

#[test]
fn three_who_do_anything_leave_nothing_behind() {
    let (mut asked, mut done, mut replaced) = (0, 0, 0);
    for seed in 0..40 {
        let transport = [Transport::Udp, Transport::Tcp][seed as usize % 2];
        let mut world = World::new(seed, transport, &[passive, passive, passive]);
        let mut dice = ChaCha8Rng::seed_from_u64(seed ^ 0xbeef);
        if transport == Transport::Udp {
            world.weather = Weather { loss: dice.next_u64() % 300, doubled: 100, delay: (ms(1), ms(300)) };
        } else {
            world.weather.delay = (ms(20), ms(20));
        }
        let mut views: [View; 3] = Default::default();
        for _ in 0..150 {
            let end = dice.next_u64() as usize % 3;
            act(&mut world, end, &mut views[end], &mut dice);
            world.run(ms(dice.next_u64() % 500));
            for (end, view) in views.iter_mut().enumerate() {
                view.update(&world.ends[end], seed);
            }
        }
        for _ in 0..200 {
            for (end, view) in views.iter_mut().enumerate() {
                leave(&mut world, end, view);
                world.flush();
                view.update(&world.ends[end], seed);
            }
            world.run(ms(500));
        }
        world.run_out();
        for (end, view) in views.iter_mut().enumerate() {
            view.update(&world.ends[end], seed);
            assert!(view.live.is_empty(), "seed {seed}: {:?} of end {end} never ended", view.live);
            assert!(view.referrals.values().all(|over| *over), "seed {seed}: {:?} of end {end}", view.referrals);
            assert!(view.subscriptions.is_empty() && view.publications.is_empty(), "seed {seed}");
            assert_eq!(view.messages, 0, "seed {seed}");
            asked += view.referrals.len();
        }
        world.assert_empty();
        for end in 0..3 {
            done += world.count(end, |event| {
                matches!(event, Event::Referral { state: super::super::user_agent::ReferralState::Done { .. }, .. })
            });
            replaced +=
                world.count(end, |event| matches!(event, Event::Ended { reason: EndReason::Replaced { .. }, .. }));
        }
    }
    // It tests something only if transfers really come about.
    assert!(asked > 100 && done > 20 && replaced > 2, "{asked} asked, {done} done, {replaced} replaced");
}
