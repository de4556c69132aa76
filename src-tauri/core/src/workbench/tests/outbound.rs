//! Calls that the agent makes.

use super::*;

#[test]
fn calls_with_colleagues_are_internal() {
    let mut bench = Bench::ready();
    bench.command(Command::Call(Pii::new("1003".into()))).unwrap();
    bench.far_answers();
    assert_eq!(bench.code(), 11);
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    assert!(bench.media.contains(&core_media::Command::Tone(Some(Tone::HungUp))));
}

#[test]
fn failed_outbound_calls_end_with_their_cause() {
    let check = |status: u16, rings: bool, expected: EndCause| {
        let mut bench = Bench::ready();
        bench.command(Command::Call(Pii::new("9".into()))).unwrap();
        let (session, _) = bench.far_session();
        if rings {
            bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
        }
        bench.far(|far, now| far.reject(now, session, status, Headers::default()).unwrap());
        assert_eq!((bench.end(), bench.code()), (expected, 3), "{status}");
        assert_eq!(bench.records.len(), 1);
    };
    check(486, false, EndCause::Busy);
    check(600, true, EndCause::Busy);
    check(480, true, EndCause::NoAnswer);
    check(480, false, EndCause::Unavailable);
    check(404, false, EndCause::NotFound);
    check(603, true, EndCause::Rejected);
    check(488, false, EndCause::NotAcceptable);
    check(403, false, EndCause::Forbidden);
    check(503, false, EndCause::ServerError);
}

#[test]
fn call_to_nobody_times_out() {
    let mut bench = Bench::ready();
    bench.cut = true;
    bench.command(Command::Call(Pii::new("1002".into()))).unwrap();
    bench.pass(Duration::from_secs(33));
    assert_eq!((bench.end(), bench.code()), (EndCause::TimedOut, 3));
}

#[test]
fn cancelled_call_never_stands() {
    let mut bench = Bench::ready();
    bench.command(Command::Call(Pii::new("1002".into()))).unwrap();
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
    bench.command(Command::HangUp(None)).unwrap();
    assert_eq!((bench.end(), bench.code()), (EndCause::Cancelled, 3));
    assert!(bench.sent.iter().any(|line| line.starts_with("CANCEL ")));
}
