//! The way back after a changed address, a sleep, a lost flow or an unexpected end of the program.

use super::*;
use crate::call::Hold;
use crate::workbench::recovery::{Kept, SURVIVAL};

/// In a call with the far side, whose session this is.
fn talking() -> (Bench, SessionId) {
    let mut bench = Bench::ready();
    let session = bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    (bench, session)
}

/// The newest offer that the far side has received in a dialog, as its lines.
fn last_offer(bench: &Bench) -> String {
    let offer = bench.far_events.iter().rev().find_map(|event| match event {
        Event::Reoffered { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    String::from_utf8(offer.expect("a re-INVITE has come")).unwrap()
}

fn reoffers(bench: &Bench) -> usize {
    bench.far_events.iter().filter(|event| matches!(event, Event::Reoffered { .. })).count()
}

fn is_reconnecting(bench: &Bench) -> bool {
    bench.desk.calls()[0].reconnecting.is_some()
}

/// The desk's next connection comes from another address of the machine.
fn connected_from(bench: &mut Bench, local: [u8; 4]) {
    let connect = bench.connects.pop().expect("the desk connects");
    bench.port += 1;
    bench.local = local;
    let flow = bench.flow();
    bench.input(Input::FlowUp { connect, flow });
}

#[test]
fn changed_address_moves_registration_call_and_media_at_once() {
    let (mut bench, session) = talking();
    let begin = bench.now.instant;
    let old = bench.flow().id;
    let former = bench.desk.calls()[0].media.as_ref().unwrap().id;
    bench.input(Input::AddressChanged { moved: &[old] });
    assert!(is_reconnecting(&bench) && bench.code() == 9);
    bench.pass(Duration::ZERO);
    connected_from(&mut bench, [127, 0, 0, 3]);
    assert!(bench.desk.registration().is_registered());
    assert!(bench.closed.contains(&5070), "the old flow is given up");
    let offer = last_offer(&bench);
    assert!(offer.contains("c=IN IP4 127.0.0.3"), "{offer}");
    assert!(is_reconnecting(&bench), "until the far side has answered");
    bench.far_accepts_reoffer();
    assert!(!is_reconnecting(&bench));
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));
    assert!(bench.media.contains(&core_media::Command::Close { id: former }));
    assert_eq!(bench.now.instant, begin, "nothing waits for a timer");
    bench.command(hang_up()).unwrap();
    assert!(matches!(bench.far_calls_ended(), Some(ended) if ended == session));
}

#[test]
fn changed_address_that_is_not_ours_disturbs_nothing() {
    let (mut bench, _) = talking();
    bench.input(Input::AddressChanged { moved: &[] });
    bench.pass(Duration::from_secs(1));
    assert!(bench.desk.registration().is_registered() && bench.connects.is_empty());
    assert_eq!(reoffers(&bench), 0);
}

#[test]
fn who_waits_for_a_network_tries_at_once_when_it_is_back() {
    let mut bench = Bench::ready();
    bench.flow_breaks();
    for _ in 0..6 {
        let at = bench.desk.reconnect_at(LineId::OWN).unwrap();
        bench.pass(at - bench.now.instant);
        let connect = bench.connects.pop().unwrap();
        bench.input(Input::ConnectFailed { connect, code: FailureCode::NetworkUnreachable });
    }
    bench.input(Input::AddressChanged { moved: &[] });
    bench.pass(Duration::ZERO);
    assert_eq!(bench.connects.len(), 1);
}

#[test]
fn server_that_comes_back_with_another_certificate_is_told_until_it_is_right() {
    use crate::account::{CertificateFault, Fingerprint};
    let (mut bench, _) = talking();
    bench.flow_breaks();
    bench.pass(Duration::from_secs(1));
    let connect = bench.connects.pop().unwrap();
    let code = FailureCode::CertificateRefused { fault: CertificateFault::Expired, fingerprint: Fingerprint([7; 32]) };
    bench.input(Input::ConnectFailed { connect, code });
    assert_eq!(bench.desk.notices()[0].code, NoticeCode::CertificateRefused);
    bench.pass(Duration::from_secs(2));
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    assert!(bench.desk.notices().is_empty());
}

#[test]
fn waking_from_sleep_registers_at_once_and_tells_the_far_side() {
    let (mut bench, _) = talking();
    let registers = |bench: &Bench| bench.sent.iter().filter(|line| line.starts_with("REGISTER ")).count();
    let before = registers(&bench);
    bench.now.unix_ms += 3_600_000;
    bench.input(Input::Timeout);
    assert_eq!(registers(&bench), before + 1);
    bench.far_accepts_reoffer();
    assert_eq!(bench.code(), 9);
    bench.now.unix_ms += 5_000;
    bench.input(Input::Timeout);
    assert_eq!(registers(&bench), before + 1, "a clock that is set right is no sleep");
}

#[test]
fn call_survives_five_minutes_without_signalling_and_no_more() {
    let (mut bench, _) = talking();
    bench.flow_breaks();
    assert!(is_reconnecting(&bench));
    bench.pass(SURVIVAL - Duration::from_secs(1));
    assert_eq!(bench.code(), 9, "it goes on");
    assert!(
        bench.media.iter().all(|command| !matches!(command, core_media::Command::Close { .. })),
        "and so do its media"
    );
    bench.pass(Duration::from_secs(2));
    assert_eq!((bench.end(), bench.code()), (EndCause::ConnectionLost, 5));
}

#[test]
fn call_that_comes_back_in_time_goes_on_for_good() {
    let (mut bench, _) = talking();
    bench.flow_breaks();
    bench.pass(Duration::from_secs(200));
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    bench.far_accepts_reoffer();
    bench.pass(Duration::from_secs(200));
    assert_eq!((bench.code(), is_reconnecting(&bench)), (9, false));
}

#[test]
fn end_on_the_far_side_during_the_gap_is_discovered() {
    let (mut bench, session) = talking();
    bench.flow_breaks();
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.code(), 9, "nobody could tell");
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    assert_eq!((bench.end(), bench.code()), (EndCause::PeerHungUp, 5));
}

#[test]
fn call_that_the_agent_ends_during_the_gap_is_ended_on_the_far_side_too() {
    let (mut bench, session) = talking();
    bench.flow_breaks();
    bench.command(hang_up()).unwrap();
    assert_eq!((bench.end(), bench.code()), (EndCause::HungUp, 5));
    bench.pass(Duration::from_secs(2));
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.far_calls_ended(), Some(session), "the BYE is not lost");
}

#[test]
fn far_side_that_answers_nothing_is_asked_again_and_given_up_after_five_minutes() {
    let (mut bench, _) = talking();
    bench.cut = true;
    bench.command(Command::Hold(None)).unwrap();
    bench.pass(Duration::from_secs(40));
    assert!(is_reconnecting(&bench) && bench.code() == 9, "{:?}", bench.desk.calls());
    bench.pass(SURVIVAL);
    assert_eq!(bench.end(), EndCause::ConnectionLost);
}

/// The program ends without a farewell; another begins, with what the first has kept.
fn crash(bench: &mut Bench, later: Duration) -> Vec<Kept> {
    let kept: Vec<Kept> = bench.kept.values().cloned().collect();
    bench.now = bench.now.plus(later);
    let config = Config { seed: [3; 32], ..bench.desk.config.clone() };
    bench.desk = Workbench::new(bench.now, config);
    bench.closed.insert(bench.port);
    (bench.connects, bench.media) = (Vec::new(), Vec::new());
    bench.desk.remember(kept.clone());
    kept
}

#[test]
fn call_is_taken_up_after_a_crash() {
    let (mut bench, session) = talking();
    bench.pass(Duration::from_secs(10));
    let id = bench.desk.calls()[0].id;
    assert_eq!(bench.kept.len(), 1);
    crash(&mut bench, Duration::from_secs(20));
    bench.sign_in().unwrap();
    let call = &bench.desk.calls()[0];
    assert_eq!((call.id, call.number.expose().as_str(), call.recovered), (id, "13800138000", true));
    assert_eq!(bench.code(), 9);
    assert!(is_reconnecting(&bench));
    bench.far_accepts_reoffer();
    assert!(!is_reconnecting(&bench));
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));
    let flow_of_far = flow(FAR, bench.port);
    bench.far(|far, now| far.move_session(now, session, flow_of_far).unwrap());
    bench.far(|far, now| far.info(now, session, "application/dtmf-relay", b"Signal=7\r\n".to_vec()).unwrap());
    assert!(bench.edges.contains(&Edge::Dtmf(id, '7')), "the far side's requests find it");
    bench.command(hang_up()).unwrap();
    assert_eq!(bench.far_calls_ended(), Some(session));
    assert!(bench.kept.is_empty(), "nothing is left to recover");
}

#[test]
fn call_that_is_over_when_the_program_comes_back_ends_as_hung_up() {
    let (mut bench, session) = talking();
    crash(&mut bench, Duration::from_secs(20));
    bench.cut = true;
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    bench.pass(Duration::from_secs(40));
    bench.cut = false;
    bench.sign_in().unwrap();
    assert_eq!((bench.end(), bench.code()), (EndCause::PeerHungUp, 5));
    assert_eq!((bench.records.len(), bench.kept.len()), (1, 0));
}

#[test]
fn stale_call_gets_a_bye_and_a_row_in_the_call_list() {
    let (mut bench, session) = talking();
    crash(&mut bench, SURVIVAL + Duration::from_secs(60));
    bench.sign_in().unwrap();
    assert_eq!((bench.code(), bench.desk.calls().len()), (3, 0));
    assert_eq!(bench.far_calls_ended(), Some(session));
    assert!(matches!(bench.records[0].state, State::Ended(end) if end.cause == EndCause::ConnectionLost));
    assert!(bench.kept.is_empty());
}

#[test]
fn call_of_another_account_is_not_taken_up() {
    let (mut bench, _) = talking();
    let mut kept = crash(&mut bench, SURVIVAL + Duration::from_secs(1));
    kept[0].account = Pii::new("sip:4711@elsewhere.example.com".into());
    bench.desk.remember(kept);
    bench.sign_in().unwrap();
    assert_eq!((bench.code(), bench.records.len(), bench.kept.len()), (3, 1, 0));
}

#[test]
fn two_calls_come_back_with_one_of_them_held() {
    let (mut bench, first) = talking();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    let offer = last_offer(&bench).into_bytes();
    let (answer, _) = offer_answer::answer(&far_media(), &offer).unwrap();
    bench.far(|far, now| far.accept_reoffer(now, first, answer).unwrap());
    crash(&mut bench, Duration::from_secs(5));
    bench.sign_in().unwrap();
    let holds: Vec<_> = bench.desk.calls().iter().map(crate::call::Call::hold).collect();
    assert_eq!((holds, bench.code()), (vec![Hold::Held, Hold::Active], 9));
}

#[test]
fn spoilt_remains_of_a_call_harm_nothing() {
    let (mut bench, _) = talking();
    let mut kept = crash(&mut bench, Duration::from_secs(5));
    kept[0].dialog = Pii::new("dialog 99\nnonsense".into());
    bench.desk.remember(kept);
    bench.sign_in().unwrap();
    assert_eq!((bench.code(), bench.records.len(), bench.kept.len()), (3, 1, 0));
}

#[test]
fn damaged_numbers_of_a_kept_call_stop_no_later_call() {
    let (mut bench, _) = talking();
    let kept = crash(&mut bench, Duration::from_secs(5)).remove(0);
    let damaged = [
        Kept { id: CallId(u64::MAX), ..kept.clone() },
        Kept { description: (1, u64::MAX), ..kept.clone() },
        Kept { seen_ms: i64::MIN, started_ms: i64::MAX, answered_ms: i64::MIN, ..kept },
    ];
    bench.desk.remember(damaged.into());
    bench.sign_in().unwrap();
    assert!(bench.kept.is_empty());
    bench.pass(Duration::from_secs(40));
    bench.command(dial("1002")).unwrap();
    assert!(bench.desk.calls()[0].id.0 < 1 << 53);
}

#[test]
fn calls_are_kept_as_they_change_and_noted_as_alive() {
    let (mut bench, _) = talking();
    let seen = |bench: &Bench| bench.kept.values().next().unwrap().seen_ms;
    let first = seen(&bench);
    bench.pass(Duration::from_secs(100));
    assert!(seen(&bench) - first >= 60_000, "noted as alive now and then");
    bench.command(Command::Hold(None)).unwrap();
    bench.far_accepts_reoffer();
    assert_eq!(bench.kept.values().next().unwrap().hold, Hold::Held, "at once");
    let shown = format!("{:?}", bench.kept);
    assert!(!shown.contains("13800138000") && !shown.contains("1001"), "{shown}");
}
