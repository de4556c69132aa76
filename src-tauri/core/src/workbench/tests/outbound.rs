//! Calls that the agent makes.

use super::*;

#[test]
fn calls_with_colleagues_are_internal() {
    let mut bench = Bench::ready();
    bench.command(dial("1003")).unwrap();
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
        bench.command(dial("9")).unwrap();
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
    bench.command(dial("1002")).unwrap();
    bench.pass(Duration::from_secs(33));
    assert_eq!((bench.end(), bench.code()), (EndCause::TimedOut, 3));
}

#[test]
fn cancelled_call_never_stands() {
    let mut bench = Bench::ready();
    bench.command(dial("1002")).unwrap();
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
    bench.command(hang_up()).unwrap();
    assert_eq!((bench.end(), bench.code()), (EndCause::Cancelled, 3));
    assert!(bench.sent.iter().any(|line| line.starts_with("CANCEL ")));
}

#[test]
fn busy_tone_of_one_call_never_cuts_the_ring_back_of_the_next() {
    let mut bench = Bench::ready();
    bench.command(dial("9")).unwrap();
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.reject(now, session, 486, Headers::default()).unwrap());
    assert_eq!(bench.last_tone(), Some(Tone::Busy));
    bench.pass(Duration::from_secs(1));
    bench.command(dial("1002")).unwrap();
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.last_tone(), Some(Tone::RingBack));
    bench.command(hang_up()).unwrap();
    assert_eq!(bench.last_tone(), None);
}

#[test]
fn microphone_is_open_at_the_start_of_every_call() {
    let mut bench = Bench::ready();
    assert_eq!(bench.command(mute(true)), Err(Refusal::NoCall));
    bench.command(dial("1002")).unwrap();
    assert_eq!(bench.command(mute(true)), Err(Refusal::CallState));
    bench.far_answers();
    assert!(!bench.muted());
    bench.command(mute(true)).unwrap();
    bench.command(hang_up()).unwrap();
    assert!(!bench.muted());
}

#[test]
fn call_whose_stream_cannot_be_started_ends() {
    let mut bench = Bench::ready();
    bench.command(dial("1002")).unwrap();
    bench.far_answers();
    let id = bench.desk.calls()[0].media.as_ref().unwrap().id;
    bench.input(Input::Media(core_media::Event::OpenFailed { id, reason: String::new() }));
    assert_eq!((bench.end(), bench.code()), (EndCause::MediaFailed, 5));
    assert!(bench.sent.iter().any(|line| line.starts_with("BYE ")));
}

#[test]
fn redirected_call_goes_on_to_where_the_server_says() {
    let mut bench = Bench::ready();
    bench.command(dial("1002")).unwrap();
    let (session, _) = bench.far_session();
    let to = Headers::from([("Contact", "<sip:1003@127.0.0.1>")]);
    bench.far(|far, now| far.reject(now, session, 302, to).unwrap());
    let (second, _) = bench.far_session();
    assert_ne!(second, session);
    let call = &bench.desk.calls()[0];
    assert_eq!(call.number.expose(), "1003", "the agent sees whom the call really reaches");
    assert_eq!(call.caller.diversions[0].number.expose(), "1002");
    assert_eq!(call.caller.diversions[0].reason.as_deref(), Some("302"));
    bench.far_answers();
    assert!(bench.desk.calls()[0].is_established());
    bench.command(hang_up()).unwrap();
    assert_eq!(bench.records[0].number.expose(), "1003");
}

#[test]
fn sound_is_that_of_the_fork_heard_last_and_then_of_the_one_that_answers() {
    let mut bench = Bench::ready();
    bench.command(dial("1002")).unwrap();
    let (session, offer) = bench.far_session();
    let (early, _) = offer_answer::answer(&far_media(), &offer).unwrap();
    bench.far(|far, now| far.progress(now, session, 183, early.clone()).unwrap());
    assert!(
        bench.media.iter().any(|command| matches!(command, core_media::Command::Run { .. })),
        "early media are heard"
    );
    bench.far(|far, now| far.answer(now, session, early.clone(), Headers::default()).unwrap());
    assert!(bench.desk.calls()[0].is_established(), "the answer came reliably, the 2xx says no more of it");
}
