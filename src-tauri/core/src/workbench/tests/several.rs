//! Several calls at once, and several lines.

use super::*;
use crate::call::Hold;

/// The number of the call that is talked to.
fn active(bench: &Bench) -> Option<CallId> {
    let active: Vec<_> = bench.desk.calls().iter().filter(|call| call.is_active()).map(|call| call.id).collect();
    assert!(active.len() <= 1, "{active:?}");
    active.first().copied()
}

fn call(bench: &mut Bench, number: &str) -> CallId {
    let Done::Call(id) = bench.command(dial(number)).unwrap() else { panic!() };
    id
}

/// The far side of that call agrees to the desk's last re-INVITE.
fn agrees(bench: &mut Bench, session: SessionId) {
    let offer = bench.far_events.iter().rev().find_map(|event| match event {
        Event::Reoffered { session: its, offer, .. } if *its == session => Some(offer.clone()),
        _ => None,
    });
    let (answer, _) = offer_answer::answer(&far_media(), &offer.unwrap()).unwrap();
    bench.far(|far, now| far.accept_reoffer(now, session, answer).unwrap());
}

fn source(bench: &Bench, id: CallId) -> (Direction, SendSource) {
    let media = bench.desk.calls().iter().find(|call| call.id == id).unwrap().media.as_ref().unwrap().id;
    let run = bench.media.iter().rev().find_map(|command| match command {
        core_media::Command::Run { id, negotiated, send } if *id == media => Some((negotiated.direction, *send)),
        _ => None,
    });
    run.unwrap()
}

/// A talk with a caller, and a second one who rings.
fn waiting() -> (Bench, SessionId, SessionId) {
    let mut bench = Bench::ready();
    let first = bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    let second = bench.far_calls();
    (bench, first, second)
}

#[test]
fn second_call_waits_with_its_tone_and_not_with_the_ring() {
    let (mut bench, _, second) = waiting();
    assert_eq!((bench.code(), bench.last_ring(), bench.last_tone()), (9, false, Some(Tone::CallWaiting)));
    assert!(bench.desk.calls()[1].waiting);
    bench.far(|far, now| far.hang_up(now, second).unwrap());
    assert_eq!((bench.code(), bench.end(), bench.last_tone()), (9, EndCause::Missed, None));
    assert_eq!(active(&bench), Some(bench.desk.calls()[0].id), "the talk goes on");
}

#[test]
fn answering_the_waiting_call_holds_the_other_at_once() {
    let (mut bench, first, _) = waiting();
    let (one, two) = (bench.desk.calls()[0].id, bench.desk.calls()[1].id);
    bench.command(Command::Answer(None)).unwrap();
    assert_eq!((active(&bench), bench.code()), (Some(two), 9));
    assert_eq!(source(&bench, one).1, SendSource::HoldMusic, "before its far side has answered");
    assert!(!source(&bench, one).0.receives());
    agrees(&mut bench, first);
    assert_eq!(bench.desk.calls()[0].hold(), Hold::Held);

    bench.command(hang_up()).unwrap();
    assert_eq!((bench.desk.calls().len(), active(&bench), bench.code()), (1, None, 12), "held it stays");
    bench.command(Command::Retrieve(None)).unwrap();
    agrees(&mut bench, first);
    assert_eq!((active(&bench), bench.code()), (Some(one), 9));
    bench.command(hang_up()).unwrap();
    assert_eq!(bench.code(), 5);
}

#[test]
fn far_side_that_ignores_the_hold_disturbs_no_other_call() {
    let (mut bench, first, _) = waiting();
    let one = bench.desk.calls()[0].id;
    bench.command(Command::Answer(None)).unwrap();
    bench.far(|far, now| far.refuse_reoffer(now, first, 488).unwrap());
    assert_eq!(bench.desk.calls()[0].hold(), Hold::Held, "it hears music all the same");
    assert_eq!(source(&bench, one), (Direction::SendOnly, SendSource::HoldMusic));
    assert_eq!(bench.desk.notices().len(), 1);
    bench.command(Command::Swap).unwrap();
    agrees(&mut bench, first);
    assert_eq!(active(&bench), Some(one));
}

#[test]
fn swap_exchanges_the_two() {
    let (mut bench, first, second) = waiting();
    let (one, two) = (bench.desk.calls()[0].id, bench.desk.calls()[1].id);
    assert_eq!(bench.command(Command::Swap), Err(Refusal::CallState), "nothing is held");
    bench.command(Command::Answer(None)).unwrap();
    agrees(&mut bench, first);
    for (talked_to, other) in [((one, first), second), ((two, second), first)] {
        bench.command(Command::Swap).unwrap();
        assert_eq!(active(&bench), None, "neither hears the agent meanwhile");
        agrees(&mut bench, other);
        agrees(&mut bench, talked_to.1);
        assert_eq!((active(&bench), bench.code()), (Some(talked_to.0), 9));
    }
}

#[test]
fn call_beside_a_held_one_and_back() {
    let mut bench = Bench::ready();
    let one = call(&mut bench, "1002");
    bench.far_answers();
    let (first, _) = bench.far_session();
    let two = call(&mut bench, "1003");
    assert_eq!((bench.code(), active(&bench)), (8, None), "the first is held for the second");
    agrees(&mut bench, first);
    assert_eq!(bench.command(dial("1004")), Err(Refusal::CallLimit));
    bench.far_answers();
    assert_eq!((bench.code(), active(&bench)), (11, Some(two)), "1003 is a colleague");
    bench.command(Command::Retrieve(Some(one))).unwrap();
    agrees(&mut bench, first);
    assert_eq!((bench.code(), active(&bench)), (10, Some(one)));
    let (second, _) = bench.far_session();
    bench.far(|far, now| far.hang_up(now, second).unwrap());
    assert_eq!((bench.desk.calls().len(), bench.code()), (1, 10));
    assert_eq!(bench.last_tone(), None, "the end of a held call disturbs no talk");
}

#[test]
fn agent_who_goes_back_while_the_second_rings_speaks_to_who_answers_last() {
    let mut bench = Bench::ready();
    let one = call(&mut bench, "1002");
    bench.far_answers();
    let (first, _) = bench.far_session();
    let two = call(&mut bench, "1004");
    agrees(&mut bench, first);
    bench.command(Command::Retrieve(Some(one))).unwrap();
    // The answer to the retrieve is still on its way when the second answers.
    bench.far_answers();
    assert_eq!(active(&bench), Some(two));
    agrees(&mut bench, first);
    assert_eq!(active(&bench), Some(two), "the first is held again as soon as that is possible");
    agrees(&mut bench, first);
    assert_eq!(bench.desk.calls()[0].hold(), Hold::Held);
}

#[test]
fn each_call_has_its_own_mute() {
    let (mut bench, first, second) = waiting();
    let two = bench.desk.calls()[1].id;
    bench.command(mute(true)).unwrap();
    assert!(bench.muted());
    bench.command(Command::Answer(None)).unwrap();
    assert!(!bench.muted(), "no call begins with a closed microphone");
    agrees(&mut bench, first);
    bench.command(Command::Swap).unwrap();
    agrees(&mut bench, second);
    agrees(&mut bench, first);
    assert!(bench.muted(), "as it was left");
    bench.command(Command::Mute { call: Some(two), muted: true }).unwrap();
    bench.command(mute(false)).unwrap();
    assert!(!bench.muted());
}

#[test]
fn calls_beyond_the_limit_are_busy_and_recorded() {
    let (mut bench, ..) = waiting();
    bench.far_calls();
    assert_eq!(bench.desk.calls().len(), 2);
    assert!(matches!(bench.records[0].state, State::Ended(end) if end.cause == EndCause::Busy));
    assert!(bench.sent.iter().any(|line| line.starts_with("SIP/2.0 486")));
}

#[test]
fn call_made_from_a_break_lets_nobody_wait() {
    let mut bench = Bench::ready();
    bench.command(Command::Break(None)).unwrap();
    call(&mut bench, "1002");
    bench.far_answers();
    bench.far_calls();
    assert_eq!((bench.desk.calls().len(), bench.records.len()), (1, 1));
    bench.command(hang_up()).unwrap();
    bench.pass(Duration::from_secs(16));
    assert_eq!(bench.code(), 4);
}

#[test]
fn after_call_work_follows_if_one_of_the_calls_was_answered() {
    let (mut bench, first, second) = waiting();
    bench.far(|far, now| far.hang_up(now, first).unwrap());
    assert_eq!((bench.code(), bench.last_ring()), (6, true), "the second rings now");
    bench.far(|far, now| far.hang_up(now, second).unwrap());
    assert_eq!(bench.code(), 5);
}

#[test]
fn second_account_registers_rings_and_calls() {
    let mut bench = Bench::ready();
    let Done::Line(line) = bench.add_line("2001").unwrap() else { panic!() };
    assert!(bench.edges.contains(&Edge::Registered(line)));
    assert_eq!(bench.add_line("2001"), Err(Refusal::AlreadySignedIn));
    bench.far_calls_to("2001", offer_answer::offer(&far_media()), Headers::default());
    assert_eq!((bench.code(), bench.desk.calls()[0].line), (6, line));
    assert_eq!(bench.command(Command::RemoveLine(line)), Err(Refusal::CallInProgress));
    bench.command(Command::Answer(None)).unwrap();
    bench.far_calls();
    assert_eq!(bench.desk.calls()[1].line, LineId::OWN);
    bench.command(hang_up()).unwrap();
    bench.command(hang_up()).unwrap();

    let from = |bench: &Bench| {
        let request = bench.far_events.iter().rev().find_map(|event| match event {
            Event::Incoming { request, .. } => Some(request.headers.from_header().unwrap().uri.to_string()),
            _ => None,
        });
        request.unwrap()
    };
    bench.command(Command::Call { to: Pii::new("1002".into()), line: Some(line), headers: Vec::new() }).unwrap();
    assert_eq!(from(&bench), "sip:2001@127.0.0.1");
    bench.command(hang_up()).unwrap();
    bench.command(dial("1002")).unwrap();
    assert_eq!(from(&bench), "sip:1001@127.0.0.1");
    bench.command(hang_up()).unwrap();

    bench.command(Command::RemoveLine(line)).unwrap();
    assert_eq!(bench.desk.lines().len(), 1);
    assert!(bench.edges.contains(&Edge::Unregistered(line)));
    let nobody = Command::Call { to: Pii::new("1002".into()), line: Some(line), headers: Vec::new() };
    assert_eq!(bench.command(nobody), Err(Refusal::NoLine));
}

#[test]
fn account_that_is_being_removed_takes_no_call_any_more() {
    let mut bench = Bench::ready();
    let Done::Line(line) = bench.add_line("2001").unwrap() else { panic!() };
    bench.registrar = Registrar::Silent;
    bench.command(Command::RemoveLine(line)).unwrap();
    bench.far_calls_to("2001", offer_answer::offer(&far_media()), Headers::default());
    let dialled = Command::Call { to: Pii::new("1002".into()), line: Some(line), headers: Vec::new() };
    assert!(bench.command(dialled).is_err());
    assert!(bench.desk.calls().iter().all(|call| call.line != line));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.desk.lines().len(), 1);
}

#[test]
fn trouble_of_a_further_account_leaves_the_agent_ready() {
    let mut bench = Bench::ready();
    bench.registrar = Registrar::Refuses(403);
    let Done::Line(line) = bench.add_line("2001").unwrap() else { panic!() };
    assert!(matches!(bench.desk.lines()[1].registration, Registration::Offline { failure: Some(_) }));
    assert_eq!(bench.code(), 3);
    bench.command(Command::RemoveLine(line)).unwrap();
    bench.registrar = Registrar::Accepts;
    bench.add_line("2001").unwrap();
    bench.flow_breaks();
    assert_eq!(bench.code(), 3, "the flow of the further account");
    assert!(matches!(bench.desk.lines()[1].registration, Registration::Restoring { .. }));
    bench.command(Command::SignOut).unwrap();
    assert_eq!((bench.code(), bench.desk.lines().len()), (1, 1));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.desk.load(), (0, 0, 0));
}

#[test]
fn consultation_holds_the_call_and_its_cancellation_retrieves_it() {
    let mut bench = Bench::ready();
    let one = call(&mut bench, "1002");
    bench.far_answers();
    let (first, _) = bench.far_session();
    let Done::Call(two) = bench.command(Command::Consult { call: None, to: Pii::new("1003".into()) }).unwrap() else {
        panic!()
    };
    assert_eq!(bench.desk.calls()[1].consults, Some(one));
    agrees(&mut bench, first);
    bench.far_answers();
    assert_eq!(active(&bench), Some(two));
    bench.command(Command::CancelConsult(None)).unwrap();
    agrees(&mut bench, first);
    assert_eq!((bench.desk.calls().len(), active(&bench)), (1, Some(one)));
}
