//! Whatever the agent, the far side, the network and the sound do in whichever order: nothing panics, no call is lost,
//! nothing rings or sounds without a call, and the agent can always become ready again.

use std::collections::BTreeMap;

use super::*;
use crate::call::{Change, Hold};
use crate::media::{DeviceRole, DeviceTrouble, Event as MediaEvent, MediaId};
use crate::sip::refer::ReferTo;
use crate::sip::user_agent::Refer;

const SEEDS: u64 = 250;
const STEPS: usize = 60;

/// SplitMix64: the same steps for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let sides = u64::try_from(from.len()).unwrap();
        (sides > 0).then(|| from[usize::try_from(self.below(sides)).unwrap()].clone())
    }
}

#[test]
fn any_day_ends_well() {
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let mut bench = if dice.below(4) == 0 { Bench::new() } else { Bench::ready() };
        let mut said = Vec::new();
        for _ in 0..STEPS {
            said.push(step(&mut bench, &mut dice));
            check(&bench, seed, &said);
        }
        end_well(&mut bench, seed, &said);
    }
}

/// One thing that happens.
fn step(bench: &mut Bench, dice: &mut Dice) -> String {
    let number = |text: &str| Pii::new(text.to_owned());
    match dice.below(49) {
        0 => format!("sign in: {:?}", bench.sign_in()),
        1 => command(bench, Command::SignOut),
        2 | 3 => command(bench, Command::Ready),
        4 => command(bench, Command::Break(BreakReason::new(1))),
        5 => command(bench, Command::AfterCallWork(Duration::from_secs(3))),
        6 => command(bench, dial("1002")),
        7 => command(bench, dial("1003")),
        8..=10 => command(bench, Command::Answer(None)),
        11 => command(bench, hang_up()),
        12 => command(bench, Command::Hold(any_call(bench, dice))),
        13 => command(bench, Command::Retrieve(any_call(bench, dice))),
        46 => command(bench, Command::Transfer { call: None, to: number("1003"), headers: Vec::new() }),
        47 => command(bench, Command::CompleteTransfer(None)),
        43..=45 | 48 => far_transfers(bench, dice),
        34 => command(bench, Command::Swap),
        35 => command(bench, Command::HangUp { call: any_call(bench, dice), headers: Vec::new() }),
        36 => command(bench, Command::Consult { call: None, to: number("1002") }),
        37 => command(bench, Command::CancelConsult(None)),
        40 => {
            let moved = [bench.flow().id];
            bench.input(Input::AddressChanged { moved: &moved[..usize::from(dice.below(2) == 0)] });
            "the addresses change".into()
        }
        41 => {
            bench.now.unix_ms += 60_000;
            bench.input(Input::Timeout);
            "the machine has slept".into()
        }
        42 => {
            bench.input(Input::MappedAddressChanged { flow: bench.flow().id });
            "seen elsewhere".into()
        }
        38 => format!("add a line: {:?}", bench.add_line("2001")),
        39 => {
            let lines: Vec<_> = bench.desk.lines().iter().map(|line| line.id).collect();
            match dice.pick(&lines) {
                Some(line) => command(bench, Command::RemoveLine(line)),
                None => "no line".into(),
            }
        }
        14 => command(bench, mute(dice.below(2) == 0)),
        15 => command(bench, Command::Dtmf { call: None, digits: number("1#") }),
        16 => {
            let time = Duration::from_secs(dice.below(2) * 5);
            command(bench, Command::SetAfterCallWork(time))
        }
        17 | 18 => {
            let offer = if dice.below(5) == 0 { Vec::new() } else { offer_answer::offer(&far_media()) };
            let user = if dice.below(3) == 0 { "2001" } else { "1001" };
            bench.far_calls_to(user, offer, Headers::default());
            format!("the far side calls {user}")
        }
        19..=24 => far_acts(bench, dice),
        25 => {
            if !bench.closed.contains(&bench.port) {
                bench.flow_breaks();
            }
            "the flow breaks".into()
        }
        26 | 27 => match bench.connects.pop() {
            Some(connect) if dice.below(4) > 0 => {
                bench.connected(connect);
                "connected".into()
            }
            Some(connect) => {
                bench.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
                "connecting failed".into()
            }
            None => "nothing to connect".into(),
        },
        28 => {
            bench.sockets = dice.pick(&[Sockets::Open, Sockets::Withheld, Sockets::Fail]).unwrap();
            "sockets change".into()
        }
        29 => sound(bench, dice),
        30 => {
            bench.registrar = dice
                .pick(&[Registrar::Accepts, Registrar::Refuses(403), Registrar::Refuses(503), Registrar::Silent])
                .unwrap();
            "the registrar changes its mind".into()
        }
        31 => {
            bench.cut = !bench.cut;
            format!("the wire is cut: {}", bench.cut)
        }
        _ => {
            let time = Duration::from_millis(dice.pick(&[20, 500, 3_000, 15_000, 40_000, 190_000, 620_000]).unwrap());
            bench.pass(time);
            format!("{time:?} pass")
        }
    }
}

/// One of the calls, or whichever the command means.
fn any_call(bench: &Bench, dice: &mut Dice) -> Option<CallId> {
    let calls: Vec<_> = bench.desk.calls().iter().map(|call| call.id).collect();
    dice.pick(&calls).filter(|_| dice.below(2) == 0)
}

fn command(bench: &mut Bench, command: Command) -> String {
    let text = format!("{command:?}");
    let outcome = bench.command(command);
    format!("{text}: {outcome:?}")
}

fn far_acts(bench: &mut Bench, dice: &mut Dice) -> String {
    // By session: the offer that waits for an answer, if any.
    let mut sessions: BTreeMap<SessionId, Vec<u8>> = BTreeMap::new();
    for event in &bench.far_events {
        match event {
            Event::Incoming { session, offer, .. } | Event::Reoffered { session, offer, .. } => {
                sessions.insert(*session, offer.clone());
            }
            Event::Progress { session, .. } | Event::Answered { session, .. } => {
                sessions.entry(*session).or_default();
            }
            Event::Ended { session, .. } => {
                sessions.remove(session);
            }
            _ => {}
        }
    }
    let Some((session, offer)) = dice.pick(&sessions.into_iter().collect::<Vec<_>>()) else {
        return "no session".into();
    };
    let answer = offer_answer::answer(&far_media(), &offer).map(|(answer, _)| answer).unwrap_or_default();
    let direction = dice.pick(&[Direction::SendOnly, Direction::SendRecv, Direction::Inactive]).unwrap();
    let offer = offer_answer::offer(&LocalMedia { direction, version: 9, ..far_media() });
    let status = dice.pick(&[404, 480, 486, 487, 500, 603]).unwrap();
    let act = dice.below(10);
    // The far side may do what is not possible now: then nothing happens.
    bench.far(|far, now| {
        let _ = match act {
            0 => far.progress(now, session, 180, Vec::new()),
            1 => far.progress(now, session, 183, answer),
            2..=4 => far
                .answer(now, session, answer.clone(), Headers::default())
                .or(far.accept_reoffer(now, session, answer)),
            5 => far.reject(now, session, status, Headers::default()).or(far.refuse_reoffer(now, session, 488)),
            6 => far.hang_up(now, session),
            7 => far.reoffer(now, session, offer),
            8 => far.reoffer(now, session, Vec::new()),
            _ => far.info(now, session, "application/dtmf-relay", b"Signal=5\r\n".to_vec()),
        };
    });
    format!("the far side does {act} to {session:?}")
}

/// The far side asks for a transfer, decides on ours, replaces a call, or writes.
fn far_transfers(bench: &mut Bench, dice: &mut Dice) -> String {
    let mut sessions = BTreeSet::new();
    let mut referrals = Vec::new();
    for event in &bench.far_events {
        match event {
            Event::Incoming { session, .. } | Event::Answered { session, .. } => drop(sessions.insert(*session)),
            Event::Ended { session, .. } => drop(sessions.remove(session)),
            Event::Referred { referral, .. } => referrals.push(*referral),
            _ => {}
        }
    }
    let (session, referral) = (dice.pick(&sessions.into_iter().collect::<Vec<_>>()), dice.pick(&referrals));
    let act = dice.below(6);
    match (act, session, referral) {
        (0 | 1, Some(session), _) => {
            let refer_to = ReferTo::new("sip:1009@127.0.0.1".parse().unwrap());
            let refer = Refer { refer_to, referred_by: None, headers: Headers::default(), reports: act == 0 };
            bench.far(|far, now| _ = far.refer(now, session, refer));
        }
        (2, Some(session), _) => {
            if let Ok(refer_to) = bench.far.refer_to_session(session) {
                let mut headers = Headers::default();
                headers.add(HeaderName::Replaces, refer_to.replaces.unwrap().to_string());
                bench.far_calls_to("1001", offer_answer::offer(&far_media()), headers);
            }
        }
        (3, _, Some(referral)) => bench.far(|far, now| _ = far.accept_referral(now, referral)),
        (4, _, Some(referral)) => bench.far(|far, now| _ = far.refuse_referral(now, referral, 603)),
        (5, _, Some(referral)) => bench.far(|far, now| _ = far.abandon_referral(now, referral, 486)),
        _ => {}
    }
    format!("the far side transfers {act}: {session:?} {referral:?}")
}

fn sound(bench: &mut Bench, dice: &mut Dice) -> String {
    let role = dice.pick(&[DeviceRole::Microphone, DeviceRole::Ringer]).unwrap();
    let withheld = bench.withheld.pop();
    let in_use = bench.desk.calls().first().and_then(|call| call.media.as_ref()).map(|media| media.id);
    match (dice.below(4), withheld, in_use) {
        (0, ..) => bench.input(Input::Media(MediaEvent::DeviceTrouble { role, trouble: DeviceTrouble::Busy })),
        (1, ..) => bench.input(Input::Media(MediaEvent::DeviceHealed { role })),
        (2, _, Some(id)) => bench.input(Input::Media(MediaEvent::OpenFailed { id, reason: String::new() })),
        (_, Some(id), _) => {
            bench.opened(id);
            bench.settle();
        }
        _ => {}
    }
    "sound".into()
}

/// What holds at every moment.
fn check(bench: &Bench, seed: u64, said: &[String]) {
    let told = || format!("seed {seed}:\n{}", said.join("\n"));
    let desk = &bench.desk;
    let code = desk.agent().state.code();
    let ringing = |call: &Call| matches!(call.state, State::Ringing { .. });
    let rings = desk.calls().iter().any(ringing);
    let busy = desk.calls().iter().any(|call| !ringing(call));
    assert_eq!(bench.last_ring(), rings && !busy, "{}", told());
    assert_eq!(bench.last_tone() == Some(Tone::CallWaiting), rings && busy, "{}", told());
    let active: Vec<_> = desk.calls().iter().filter(|call| call.is_active()).collect();
    assert!(active.len() <= 1, "two calls are talked to\n{}", told());
    assert_eq!(bench.muted(), active.iter().any(|call| call.muted), "{}", told());
    let foremost = desk.calls().iter().max_by_key(|call| call.rank());
    let fits = match foremost.map(|call| &call.state) {
        None => !matches!(code, 6 | 8..=12),
        Some(State::Preparing | State::Dialing | State::Alerting) => code == 8,
        Some(State::Ringing { .. } | State::Answering { .. }) => code == 6,
        Some(State::Established { hold: Hold::Held, .. }) => code == 12,
        Some(State::Established { .. }) => (9..=11).contains(&code),
        Some(State::Ended(_)) => false,
    };
    assert!(fits, "state {code} in {:?}\n{}", foremost.map(|call| &call.state), told());
    for call in desk.calls() {
        let media = call.media.as_ref().filter(|media| media.negotiated.is_some());
        if let Some(media) = media {
            assert_eq!(last_source(bench, media.id), Some(call.send_source()), "{}", told());
        }
        if matches!(call.state, State::Established { change: Change::Holding, .. }) {
            assert_ne!(call.send_source(), SendSource::Microphone);
        }
        assert!(desk.lines().iter().any(|line| line.id == call.line), "a call without a line\n{}", told());
    }
    if desk.calls().is_empty() {
        assert!(!wants_devices(bench), "{}", told());
        assert!(!matches!(bench.last_tone(), Some(Tone::RingBack | Tone::CallWaiting)), "{}", told());
        assert!(desk.notices().iter().all(|notice| !notice.code.is_of_calls()), "{}", told());
    }
    assert!(code != 3 || desk.registration().is_registered(), "ready, and cannot be called\n{}", told());
    for id in bench.kept.keys() {
        assert!(desk.calls().iter().any(|call| call.id == *id), "a call that is over is kept\n{}", told());
    }
    check_records(bench, &told);
    check_media(bench, &told);
}

/// Every call that began is recorded once it has ended, and only once.
fn check_records(bench: &Bench, told: &impl Fn() -> String) {
    let mut recorded = BTreeSet::new();
    for record in &bench.records {
        assert!(matches!(record.state, State::Ended(_)) && record.ended.is_some(), "{}", told());
        assert!(recorded.insert(record.id), "recorded twice\n{}", told());
    }
    let live: BTreeSet<_> = bench.desk.calls().iter().map(|call| call.id).collect();
    assert!(recorded.is_disjoint(&live), "{}", told());
    for edge in &bench.edges {
        if let Edge::Ringing(id) | Edge::Alerting(id) | Edge::Established(id) | Edge::Ended(id, _) = edge {
            assert!(recorded.contains(id) || live.contains(id), "a call was lost\n{}", told());
        }
    }
}

/// No stream outlives its socket, and no socket its call, save the spare.
fn check_media(bench: &Bench, told: &impl Fn() -> String) {
    let mut open = BTreeSet::new();
    for command in &bench.media {
        match command {
            core_media::Command::Open { id, .. } => assert!(open.insert(*id), "{}", told()),
            core_media::Command::Close { id } => assert!(open.remove(id), "{}", told()),
            core_media::Command::Run { id, .. } => assert!(open.contains(id), "a closed stream runs\n{}", told()),
            _ => {}
        }
    }
    let sockets = |call: &Call| usize::from(call.media.is_some()) + usize::from(call.next_media.is_some());
    let calls: usize = bench.desk.calls().iter().map(sockets).sum();
    assert!(open.len() <= calls + 1, "{open:?}\n{}", told());
}

fn last_source(bench: &Bench, media: MediaId) -> Option<SendSource> {
    bench.media.iter().rev().find_map(|command| match command {
        core_media::Command::Run { id, send, .. } if *id == media => Some(*send),
        _ => None,
    })
}

fn wants_devices(bench: &Bench) -> bool {
    let wanted = |command: &core_media::Command| match command {
        core_media::Command::Devices { wanted } => Some(*wanted),
        _ => None,
    };
    bench.media.iter().rev().find_map(wanted).unwrap_or(false)
}

/// The trouble is over: by legal commands alone the agent becomes ready, and nothing is left of the day.
fn end_well(bench: &mut Bench, seed: u64, said: &[String]) {
    let told = || format!("seed {seed}:\n{}", said.join("\n"));
    (bench.cut, bench.sockets, bench.registrar) = (false, Sockets::Open, Registrar::Accepts);
    while !bench.desk.calls().is_empty() {
        bench.command(hang_up()).unwrap();
    }
    for line in bench.desk.lines().iter().map(|line| line.id).filter(|line| *line != LineId::OWN).collect::<Vec<_>>() {
        bench.command(Command::RemoveLine(line)).unwrap();
    }
    for round in 0..12 {
        // The longest wait between two attempts to register (RFC 5626 §4.5) may lie ahead.
        if round >= 8 && bench.code() == 3 {
            break;
        }
        if matches!(bench.desk.registration(), Registration::Offline { .. }) {
            bench.sign_in().unwrap();
        }
        for connect in std::mem::take(&mut bench.connects) {
            bench.connected(connect);
        }
        for withheld in std::mem::take(&mut bench.withheld) {
            bench.opened(withheld);
        }
        bench.settle();
        let _ = bench.command(Command::Ready);
        while !bench.desk.calls().is_empty() {
            bench.command(hang_up()).unwrap();
        }
        // Longer than the longest pause between attempts to register.
        bench.pass(Duration::from_secs(400));
    }
    // A refresh of the registration may have been answered just now.
    for _ in 0..3 {
        if bench.desk.load() != (0, 0, 1) {
            bench.pass(Duration::from_secs(40));
        }
    }
    assert_eq!(bench.code(), 3, "{:?}\n{}", bench.desk.registration(), told());
    check(bench, seed, said);
    assert_eq!(bench.last_tone(), None, "{}", told());
    assert_eq!(bench.desk.load(), (0, 0, 1), "{}", told());
    assert!(bench.desk.lingering.is_empty(), "{}", told());
    assert!(bench.desk.timers.is_empty(), "{:?}\n{}", bench.desk.timers, told());
    bench.far_calls();
    assert_eq!(bench.code(), 6, "the next call rings\n{}", told());
}
