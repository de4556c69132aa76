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
fn unreachable_server_is_told() {
    let mut bench = Bench::new();
    bench.command(Command::SignIn(Bench::account())).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
    assert_eq!(bench.code(), -1);
    assert!(
        matches!(bench.edges.last(), Some(Edge::RegistrationFailed(failure)) if failure.code == FailureCode::ConnectionRefused)
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
    bench.command(Command::HangUp(None)).unwrap();
    assert_eq!(bench.code(), 5);
}

#[test]
fn attempts_to_reconnect_slow_down() {
    let mut bench = Bench::ready();
    bench.flow_breaks();
    assert_eq!(bench.code(), 0);
    let mut times = Vec::new();
    for _ in 0..9 {
        let at = bench.desk.reconnect_at().unwrap();
        let begin = bench.now.instant;
        bench.pass(at - begin);
        times.push((at - begin).as_millis());
        let connect = bench.connects.pop().unwrap();
        bench.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
    }
    assert_eq!(times, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert!(bench.start < bench.now.instant);
}

#[test]
fn signing_out_removes_the_binding() {
    let mut bench = Bench::ready();
    bench.command(Command::SignOut).unwrap();
    assert_eq!(bench.code(), 1);
    assert!(matches!(bench.desk.registration(), Registration::Offline { failure: None }));
    assert_eq!(bench.edges.last(), Some(&Edge::Unregistered));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.desk.load(), (0, 0, 0));
}
