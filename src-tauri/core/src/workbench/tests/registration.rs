//! Signing in and out, and the registration's ups and downs.

use super::*;

#[test]
fn wrong_password_gives_the_form_back() {
    let mut bench = Bench::new();
    bench.registrar = Registrar::Refuses(403);
    bench.sign_in().unwrap();
    assert_eq!(bench.code(), -1);
    let Registration::Offline { failure: Some(failure) } = bench.desk.registration() else { panic!() };
    assert_eq!((failure.code, failure.status), (FailureCode::WrongCredentials, Some(403)));
    bench.registrar = Registrar::Accepts;
    bench.sign_in().unwrap();
    assert_eq!(bench.code(), 3, "the second try succeeds");
}

#[test]
fn routable_address_is_asked_for_only_where_the_account_says_so() {
    for gruu in [false, true] {
        let mut bench = Bench::new();
        bench.desk.config.instance = Some("urn:uuid:1".into());
        let options = crate::account::Options { gruu, ..crate::account::Options::default() };
        bench.command(Command::SignIn(Box::new(Account { options, ..Bench::account() }))).unwrap();
        let connect = bench.connects.pop().unwrap();
        bench.connected(connect);
        assert_eq!(bench.code(), 3);
        let Registration::Registered { id, .. } = *bench.desk.registration() else { panic!() };
        let outbound = bench.desk.user_agent.identity_of(id).unwrap().outbound;
        assert_eq!(outbound.map(|outbound| outbound.gruu), Some(gruu));
    }
}

#[test]
fn silent_server_gives_the_form_back_after_twelve_seconds() {
    let mut bench = Bench::new();
    bench.registrar = Registrar::Silent;
    bench.sign_in().unwrap();
    bench.pass(Duration::from_millis(11_900));
    assert_eq!(bench.code(), 0);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.code(), -1);
}

#[test]
fn datagram_server_that_is_gone_at_sign_in_gives_way_to_the_next_but_not_for_ever() {
    let mut bench = Bench::new();
    bench.registrar = Registrar::Silent;
    bench.sign_in().unwrap();
    bench.flow_breaks();
    assert_eq!(bench.code(), 0, "still signing in");
    bench.registrar = Registrar::Accepts;
    let connect = bench.connects.pop().expect("the next server is tried");
    bench.connected(connect);
    assert_eq!(bench.code(), 3);

    let mut bench = Bench::new();
    bench.registrar = Registrar::Silent;
    bench.sign_in().unwrap();
    for _ in 0..2 {
        bench.flow_breaks();
        let connect = bench.connects.pop().expect("the next server is tried");
        bench.connected(connect);
    }
    bench.flow_breaks();
    assert!(bench.connects.is_empty());
    assert_eq!(bench.code(), -1, "the form is back");
}

#[test]
fn unreachable_server_is_told() {
    let mut bench = Bench::new();
    bench.command(Command::SignIn(Box::new(Bench::account()))).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
    assert_eq!(bench.code(), -1);
    assert!(
        matches!(bench.edges.last(), Some(Edge::RegistrationFailed(_, failure)) if failure.code == FailureCode::ConnectionRefused)
    );
}

#[test]
fn lost_flow_is_restored_and_the_call_lives_on() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    bench.flow_breaks();
    assert_eq!(bench.code(), 9, "the call goes on");
    assert!(matches!(bench.desk.registration(), Registration::Restoring { .. }));
    bench.pass(Duration::from_secs(1));
    let connect = bench.connects.pop().expect("it tries again");
    bench.connected(connect);
    assert!(bench.desk.registration().is_registered());
    bench.command(hang_up()).unwrap();
    assert_eq!(bench.code(), 5);
}

#[test]
fn attempts_to_reconnect_slow_down() {
    let mut bench = Bench::ready();
    bench.flow_breaks();
    assert_eq!(bench.code(), 0);
    let mut times = Vec::new();
    for _ in 0..9 {
        let at = bench.desk.reconnect_at(LineId::OWN).unwrap();
        let begin = bench.now.instant;
        bench.pass(at - begin);
        times.push((at - begin).as_millis());
        let connect = bench.connects.pop().unwrap();
        bench.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
    }
    let bounds = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    for (time, bound) in times.iter().zip(bounds) {
        assert!((bound / 2..=bound).contains(time), "{times:?}");
    }
    assert!(times.iter().zip(bounds).any(|(time, bound)| *time != bound), "not everybody at once: {times:?}");
    assert!(bench.start < bench.now.instant);
}

#[test]
fn signing_out_removes_the_binding() {
    let mut bench = Bench::ready();
    bench.command(Command::SignOut).unwrap();
    assert_eq!(bench.code(), 1);
    assert!(matches!(bench.desk.registration(), Registration::Offline { failure: None }));
    assert_eq!(bench.edges.last(), Some(&Edge::Unregistered(LineId::OWN)));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.desk.load(), (0, 0, 0));
}

/// In a call whose registration the server refuses at the next refresh.
fn refused_in_a_call() -> Bench {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    bench.registrar = Registrar::Refuses(403);
    bench.pass(Duration::from_secs(601));
    assert_eq!(bench.code(), 9, "the call goes on");
    assert!(matches!(bench.desk.registration(), Registration::Offline { failure: Some(_) }));
    bench
}

#[test]
fn refused_in_a_call_the_far_side_still_hears_of_its_end() {
    let mut bench = refused_in_a_call();
    assert!(!bench.closed.contains(&bench.port), "the call needs the connection");
    bench.command(hang_up()).unwrap();
    assert_eq!((bench.end(), bench.code()), (EndCause::HungUp, -1));
    assert!(bench.far_events.iter().any(|event| matches!(event, Event::Ended { .. })), "{:?}", bench.far_events);
    assert!(bench.closed.contains(&bench.port), "nobody needs the connection any more");
    bench.registrar = Registrar::Accepts;
    bench.sign_in().unwrap();
    assert_eq!(bench.code(), 3);
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.desk.load(), (0, 0, 1));
}

#[test]
fn call_that_rings_while_the_registration_is_refused_can_be_answered() {
    let mut bench = Bench::ready();
    bench.pass(Duration::from_secs(500));
    bench.registrar = Registrar::Refuses(403);
    let begin = bench.now.instant;
    while !matches!(bench.desk.registration(), Registration::Offline { .. }) {
        if bench.desk.calls().is_empty() {
            bench.far_calls();
        }
        bench.pass(Duration::from_millis(500));
        assert!(bench.now.instant < begin + Duration::from_secs(160));
    }
    assert_eq!(bench.code(), 6);
    bench.command(Command::Answer(None)).unwrap();
    assert_eq!(bench.code(), 9);
    bench.command(hang_up()).unwrap();
    assert_eq!(bench.code(), -1);
}

#[test]
fn signing_in_again_need_not_wait_for_a_server_that_ignores_the_signing_out() {
    let mut bench = Bench::ready();
    bench.registrar = Registrar::Silent;
    bench.command(Command::SignOut).unwrap();
    assert_eq!(bench.code(), 1);
    bench.registrar = Registrar::Accepts;
    bench.sign_in().unwrap();
    assert_eq!(bench.code(), 3);
    bench.pass(Duration::from_secs(60));
    assert_eq!((bench.code(), bench.desk.load()), (3, (0, 0, 1)));
}

#[test]
fn signing_out_while_the_server_is_in_trouble_still_tells_it() {
    let mut bench = Bench::ready();
    bench.registrar = Registrar::Refuses(503);
    bench.pass(Duration::from_secs(601));
    assert!(matches!(bench.desk.registration(), Registration::Restoring { flow: Some(_), .. }));
    bench.registrar = Registrar::Accepts;
    bench.far_events.clear();
    bench.command(Command::SignOut).unwrap();
    let told = |event: &Event| matches!(event, Event::Request { request, .. } if request.headers.expires() == Some(0));
    assert!(bench.far_events.iter().any(told), "{:?}", bench.far_events);
    assert!(matches!(bench.desk.registration(), Registration::Offline { failure: None }));
}

#[test]
fn nobody_is_ready_without_a_registration() {
    let mut bench = Bench::ready();
    bench.command(Command::Break(None)).unwrap();
    bench.flow_breaks();
    assert_eq!(bench.code(), 4, "the break goes on");
    bench.command(Command::Ready).unwrap();
    assert_eq!(bench.code(), 0, "ready as soon as it is restored");
    bench.pass(Duration::from_secs(1));
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    assert_eq!(bench.code(), 3);
}

#[test]
fn far_side_learns_where_the_call_goes_on_after_a_lost_flow() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    bench.flow_breaks();
    bench.pass(Duration::from_secs(1));
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    bench.far_accepts_reoffer();
    assert!(bench.desk.notices().is_empty());
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));
    let session = bench.far_calls_ended();
    assert!(session.is_none());
    bench.command(hang_up()).unwrap();
    assert!(bench.far_calls_ended().is_some(), "the BYE arrives");
}
