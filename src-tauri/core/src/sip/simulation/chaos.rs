//! Two applications that do anything at any time, over a network that does the same. Whatever happens, every session
//! ends exactly once, and nothing is left behind.

use std::collections::BTreeSet;

use super::super::message::Response;
use super::super::user_agent::{DtmfForm, Redirects, Reliable, Silence};
use super::*;

/// The sessions that an end knows of and has not seen the end of; the requests that it owes an answer.
#[derive(Default)]
struct View {
    live: BTreeSet<SessionId>,
    ended: BTreeSet<SessionId>,
    owed: Vec<super::super::user_agent::RequestId>,
    seen: usize,
}

impl View {
    fn update(&mut self, end: &End, seed: u64) {
        for (_, event) in &end.events[self.seen..] {
            match event {
                Event::Incoming { session, .. } => assert!(self.live.insert(*session), "seed {seed}"),
                Event::Ended { session, .. } => {
                    assert!(self.live.remove(session), "seed {seed}: {session:?} ended twice");
                    self.ended.insert(*session);
                }
                Event::Answered { session, .. }
                | Event::Progress { session, .. }
                | Event::Confirmed { session, .. }
                | Event::Reoffered { session, .. }
                | Event::ReofferAnswered { session, .. }
                | Event::ReofferFailed { session, .. }
                | Event::Redirected { session, .. }
                | Event::EarlyAnswer { session, .. }
                | Event::Updated { session, .. }
                | Event::DigitsRefused { session, .. }
                | Event::Info { session, .. }
                | Event::InfoFailed { session, .. } => {
                    assert!(self.live.contains(session), "seed {seed}: {event:?} after the end");
                }
                Event::Request { id, .. } => self.owed.push(*id),
                _ => {}
            }
        }
        self.seen = end.events.len();
    }
}

fn act(world: &mut World, end: usize, view: &mut View, dice: &mut ChaCha8Rng) {
    let now = world.now;
    let sessions: Vec<_> = view.live.iter().chain(&view.ended).copied().collect();
    let session = sessions.get(dice.next_u64() as usize % sessions.len().max(1)).copied().unwrap_or(SessionId(99));
    let ua = &mut world.ends[end].ua;
    let none = Headers::default;
    // Most of these are impossible most of the time, and must then say so and change nothing.
    match dice.next_u64() % 22 {
        0 | 1 => drop(ua.answer(now, session, ANSWER.to_vec(), none())),
        2 => drop(ua.progress(now, session, 183, ANSWER.to_vec())),
        3 => drop(ua.reject(now, session, 486, none())),
        4 => drop(ua.hang_up(now, session)),
        5 => drop(ua.hang_up_because(now, session, 200, "elsewhere\r\nVia: x")),
        6 | 7 => drop(ua.reoffer(now, session, OFFER.to_vec())),
        8 | 9 => drop(ua.accept_reoffer(now, session, ANSWER.to_vec())),
        10 => drop(ua.refuse_reoffer(now, session, 488)),
        11 => drop(ua.info(now, session, "application/dtmf-relay", b"Signal=1".to_vec())),
        12 => {
            if let Some(id) = view.owed.pop() {
                let _ = ua.respond(now, id, Response::new([200, 503][dice.next_u64() as usize % 2]));
            }
        }
        13 if dice.next_u64().is_multiple_of(4) => ua.handle_flow_closed(now, FlowId((end * 100 + 1 - end) as u64)),
        13 => {
            let flow = world.flow(end, 1 - end);
            let _ = world.ends[end].ua.move_session(now, session, flow);
        }
        14 => {
            let id = world.register(end, 1 - end, 60);
            world.run(ms(dice.next_u64() % 3000));
            let _ = world.ends[end].ua.unregister(world.now, id);
        }
        15 => {
            drop(ua.send_digits(now, session, "12#", [DtmfForm::Relay, DtmfForm::Plain][dice.next_u64() as usize % 2]))
        }
        16 => drop(ua.hang_up_with(now, session, Headers::from([("X-Why", "because")]))),
        17 => drop(ua.progress(now, session, 180, Vec::new())),
        18 => {
            let to = Headers::from([("Contact", "<sip:elsewhere@example.org>;q=0.5, <sip:nobody@example.org>")]);
            let _ = ua.reject(now, session, 302, to);
        }
        19 if dice.next_u64().is_multiple_of(4) => {
            let flow = world.flow(end, 1 - end);
            world.ends[end].ua.move_flow(now, flow.id, flow);
        }
        19 => {
            let identity = world.identity(end, 1 - end);
            let invite =
                Invite { identity, target: Uri::sip("u", "x"), offer: Vec::new(), headers: Headers::default() };
            view.live.insert(world.ends[end].ua.invite(now, invite).unwrap());
        }
        _ => drop(view.live.insert(world.call(end, 1 - end))),
    }
}

/// What both ends do by themselves, so that sessions come beyond their beginning now and then.
fn half_awake(ua: &mut UserAgent, now: Instant, event: &Event) {
    match event {
        Event::Reoffered { session, .. } if session.0.is_multiple_of(2) => {
            ua.accept_reoffer(now, *session, ANSWER.to_vec()).unwrap();
        }
        Event::Progress { session, body, .. } | Event::Answered { session, body, .. } if !body.is_empty() => {
            // An answer, or the peer's offer, which wants one.
            let _ = ua.accept_reoffer(now, *session, ANSWER.to_vec());
        }
        _ => {}
    }
}

#[test]
fn anything_at_any_time_ends_every_session_once_and_leaves_nothing() {
    let plain = CallRules { session_expires: None, ..CallRules::default() };
    let mut sent = BTreeSet::new();
    for seed in 0..100 {
        run(seed, plain.clone(), ms(700), &mut sent);
    }
    let all = CallRules {
        session_expires: Some(Duration::from_secs(90)),
        reliable: Reliable::Supported,
        redirects: Redirects::Followed,
        ..CallRules::default()
    };
    for seed in 100..200 {
        let silence = [Silence::Ends, Silence::Reported][seed as usize / 2 % 2];
        run(seed, CallRules { silence, ..all.clone() }, Duration::from_secs(8), &mut sent);
    }
    for words in ["200 PRACK", "200 UPDATE", "491 INVITE", "487 INVITE", "302 INVITE", "200 INFO", "504 INVITE"] {
        assert!(sent.contains(words), "{words} never came about: {sent:?}");
    }
}

fn run(seed: u64, rules: CallRules, pause: Duration, sent: &mut BTreeSet<String>) {
    let transport = [Transport::Udp, Transport::Tcp][seed as usize % 2];
    let mut world = World::with_rules(seed, transport, &[half_awake, half_awake], rules);
    let mut dice = ChaCha8Rng::seed_from_u64(seed ^ 0xdead);
    if transport == Transport::Udp {
        world.weather = Weather { loss: dice.next_u64() % 400, doubled: 100, delay: (ms(1), ms(300)) };
    } else {
        world.weather.delay = (ms(20), ms(20));
    }
    let mut views = [View::default(), View::default()];
    let mut calls = 0;
    for _ in 0..120 {
        let end = dice.next_u64() as usize % 2;
        act(&mut world, end, &mut views[end], &mut dice);
        world.run(ms(dice.next_u64() % pause.as_millis() as u64));
        for end in [0, 1] {
            views[end].update(&world.ends[end], seed);
            calls = calls.max(views[end].live.len());
        }
    }
    assert!(calls > 0);
    // Hang everything up; a call that was on its way may still arrive, and is refused.
    for _ in 0..200 {
        for (end, view) in views.iter_mut().enumerate() {
            for session in view.live.clone() {
                let _ = world.ends[end].ua.hang_up(world.now, session);
            }
            world.flush();
            view.update(&world.ends[end], seed);
        }
        world.run(ms(500));
    }
    world.run_out();
    for (end, view) in views.iter_mut().enumerate() {
        view.update(&world.ends[end], seed);
        assert!(view.live.is_empty(), "seed {seed}: {:?} of end {end} never ended", view.live);
    }
    world.assert_empty();
    sent.extend([0, 1].iter().flat_map(|&end| world.sent_by(end).into_iter().map(str::to_owned).collect::<Vec<_>>()));
}
