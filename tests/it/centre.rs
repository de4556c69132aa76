//! The embedded centre against a real peer: baresip registers, calls, is called, holds and hangs up.

use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::time::Duration;

use deskline_centre::{CallEnd, CallId, CallKind, CallState, Centre, CentreConfig, CustomerScript, Opening};
use deskline_core::flow::Transport;
use deskline_core::sip::digest::Algorithm;
use deskline_tests::baresip::{Answer, Baresip, Settings, Voice};
use deskline_tests::headless::built;
use deskline_tests::process::Output;
use deskline_tests::pulse::Pulse;
use deskline_tests::{Process, Scratch};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// The centre lives on its own thread: waiting for its answer needs no more than this.
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// baresip 1.0 gives up at the sight of a challenge for SHA-256, even beside one for MD5.
fn centre() -> Centre {
    let config = CentreConfig { algorithms: vec![Algorithm::Md5], ..CentreConfig::demo().unwrap() };
    wait(Centre::start(config)).unwrap()
}

/// How a phone of the centre is set up.
struct Desk<'a> {
    extension: &'a str,
    transport: Transport,
    codecs: &'a str,
    answer: Answer,
    hz: u32,
    seat: &'a str,
}

impl Desk<'_> {
    fn start(&self, centre: &Centre, pulse: &Pulse) -> Baresip {
        let agent = centre.agents().iter().find(|user| user.extension == self.extension).unwrap();
        let server = server(centre, self.transport);
        Baresip::start(&Settings {
            server: &server,
            user: self.extension,
            password: agent.password.as_ref().unwrap().expose(),
            transport: self.transport.uri_token(),
            codecs: self.codecs,
            answer: self.answer,
            voice: Voice::Tone { hz: self.hz, pulse, seat: self.seat },
        })
        .unwrap()
    }
}

const ALICE: Desk<'static> =
    Desk { extension: "1001", transport: Transport::Udp, codecs: "pcmu", answer: Answer::Auto, hz: 600, seat: "a" };

fn server(centre: &Centre, transport: Transport) -> String {
    centre.address(transport).unwrap().to_string()
}

fn until_state(centre: &Centre, call: CallId, wanted: CallState) {
    deskline_tests::until(SOON, &format!("the call is {wanted:?}"), || {
        wait(centre.probe(call)).is_some_and(|probe| probe.state == wanted)
    })
    .unwrap();
}

fn until_customer_hears(centre: &Centre, call: CallId, hz: f32) {
    deskline_tests::until(SOON, &format!("the simulated side hears {hz} Hz"), || {
        wait(centre.probe(call)).is_some_and(|probe| probe.tone_share(hz, Duration::from_millis(500)) > 0.9)
    })
    .unwrap();
}

/// Neither calls nor sockets are left.
fn until_at_rest(centre: &Centre) {
    deskline_tests::until(SOON, "the centre is at rest", || {
        let load = wait(centre.load());
        (load.calls, load.sockets) == (0, 0)
    })
    .unwrap();
}

#[test]
fn baresip_hears_its_own_tone_from_the_echo_number_in_each_codec_and_over_tcp() {
    for (codecs, transport) in [("pcmu", Transport::Udp), ("pcma", Transport::Tcp), ("opus/48000/2", Transport::Udp)] {
        let pulse = Pulse::start(&["a"]).unwrap();
        let centre = centre();
        let mut phone = Desk { codecs, transport, ..ALICE }.start(&centre, &pulse);
        assert!(wait(centre.is_registered("1001")));
        let recording = pulse.record().unwrap();
        phone.dial(&format!("sip:9196@{}", server(&centre, transport))).unwrap();
        phone.awaits("CALL_ESTABLISHED", SOON).unwrap();
        recording.hears_tone("a", 600.0, SOON).unwrap();
        let [call] = wait(centre.calls()).try_into().unwrap();
        assert_eq!((call.kind, call.extension.as_str()), (CallKind::DemoNumber, "1001"));
        until_customer_hears(&centre, call.id, 600.0);
        phone.hang_up().unwrap();
        until_at_rest(&centre);
    }
}

#[test]
fn baresip_is_told_why_a_number_cannot_be_reached() {
    let pulse = Pulse::start(&["a"]).unwrap();
    let centre = centre();
    let mut phone = ALICE.start(&centre, &pulse);
    for (number, status) in [("9486", "486"), ("9603", "603"), ("9503", "503"), ("9404", "404"), ("12345", "404")] {
        phone.dial(&format!("sip:{number}@{}", server(&centre, Transport::Udp))).unwrap();
        let closed = phone.awaits("CALL_CLOSED", SOON).unwrap();
        assert!(closed["param"].as_str().unwrap().starts_with(status), "{number}: {closed}");
    }
    until_at_rest(&centre);
}

#[test]
fn customer_calls_baresip_speaks_is_held_and_hears_the_end() {
    let pulse = Pulse::start(&["a"]).unwrap();
    let centre = centre();
    let mut phone = Desk { answer: Answer::Manual, ..ALICE }.start(&centre, &pulse);
    let recording = pulse.record().unwrap();
    let script = CustomerScript {
        opening: Opening::Tone(1300.0),
        opening_for: Duration::from_secs(2),
        ..CustomerScript::default()
    };
    let call = wait(centre.ring_customer("1001", script)).unwrap();
    let incoming = phone.awaits("CALL_INCOMING", SOON).unwrap();
    assert!(incoming["peeruri"].as_str().unwrap().contains("13800138000"), "{incoming}");
    phone.accept().unwrap();
    phone.awaits("CALL_ESTABLISHED", SOON).unwrap();
    recording.hears_tone("a", 1300.0, SOON).unwrap();
    until_customer_hears(&centre, call, 600.0);
    recording.hears_tone("a", 600.0, SOON).unwrap();

    phone.hold().unwrap();
    until_state(&centre, call, CallState::Held);
    recording.hears_silence("a", SOON).unwrap();
    phone.resume().unwrap();
    until_state(&centre, call, CallState::Talking);
    recording.hears_tone("a", 600.0, SOON).unwrap();

    phone.hang_up().unwrap();
    until_state(&centre, call, CallState::Ended(CallEnd::HungUpByPhone));
    until_at_rest(&centre);
}

#[test]
fn customer_who_hangs_up_ends_the_call_of_baresip() {
    let pulse = Pulse::start(&["a"]).unwrap();
    let centre = centre();
    let mut phone = Desk { transport: Transport::Tcp, codecs: "opus/48000/2", ..ALICE }.start(&centre, &pulse);
    let recording = pulse.record().unwrap();
    let script = CustomerScript { opening: Opening::Tone(1300.0), ..CustomerScript::default() };
    let call = wait(centre.ring_customer("1001", script)).unwrap();
    phone.awaits("CALL_ESTABLISHED", SOON).unwrap();
    recording.hears_tone("a", 1300.0, SOON).unwrap();
    wait(centre.hang_up(call));
    phone.awaits("CALL_CLOSED", SOON).unwrap();
    until_at_rest(&centre);
}

#[test]
fn two_baresips_hear_each_other_through_the_centre() {
    let pulse = Pulse::start(&["a", "b"]).unwrap();
    let centre = centre();
    let mut alice = ALICE.start(&centre, &pulse);
    let mut bob =
        Desk { extension: "1002", transport: Transport::Tcp, hz: 900, seat: "b", ..ALICE }.start(&centre, &pulse);
    let recording = pulse.record().unwrap();
    alice.dial(&format!("sip:1002@{}", server(&centre, Transport::Udp))).unwrap();
    alice.awaits("CALL_ESTABLISHED", SOON).unwrap();
    recording.hears_tone("a", 900.0, SOON).unwrap();
    recording.hears_tone("b", 600.0, SOON).unwrap();

    alice.hold().unwrap();
    recording.hears_silence("a", SOON).unwrap();
    alice.resume().unwrap();
    recording.hears_tone("a", 900.0, SOON).unwrap();
    recording.hears_tone("b", 600.0, SOON).unwrap();

    bob.hang_up().unwrap();
    alice.awaits("CALL_CLOSED", SOON).unwrap();
    until_at_rest(&centre);
}

#[test]
fn baresip_with_a_wrong_password_stays_outside() {
    let pulse = Pulse::start(&["a"]).unwrap();
    let centre = centre();
    let refused = Baresip::start(&Settings {
        server: &server(&centre, Transport::Udp),
        user: "1001",
        password: "wrong",
        transport: "udp",
        codecs: "pcmu",
        answer: Answer::Auto,
        voice: Voice::Tone { hz: 600, pulse: &pulse, seat: "a" },
    });
    assert!(format!("{:#}", refused.unwrap_err()).contains("401"));
    assert!(!wait(centre.is_registered("1001")));
}

#[test]
fn sipp_makes_two_hundred_calls_to_the_program_which_quits_when_told() {
    let scratch = Scratch::new("centre").unwrap();
    let mut command = Command::new(built("deskline-centre").unwrap());
    command.args(["--no-auth", "--listen", "127.0.0.1:0", "--ws-port", "0"]);
    let mut centre = Process::spawn("deskline-centre", &mut command, scratch.path(), Output::Piped).unwrap();
    let mut commands = centre.stdin().unwrap();
    let mut lines = BufReader::new(centre.stdout().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().expect("a line").unwrap()).unwrap();
    let ready = next();
    assert_eq!(ready["event"], "ready");
    for transport in ["udp", "tcp", "ws"] {
        assert!(ready["addresses"][transport].as_str().unwrap().starts_with("127.0.0.1:"), "{ready}");
    }

    let calls = ["-sn", "uac", "-s", "9196", "-i", "127.0.0.1", "-m", "200", "-r", "100", "-d", "200", "-nostdin"];
    let mut command = Command::new("sipp");
    command.arg(ready["addresses"]["udp"].as_str().unwrap()).args(calls).args(["-timeout", "30", "-timeout_error"]);
    let mut sipp = Process::spawn("sipp", command.current_dir(scratch.path()), scratch.path(), Output::Log).unwrap();
    let status = sipp.until_exited(Duration::from_secs(60)).unwrap();
    assert!(status.success(), "{}", sipp.log());

    writeln!(commands, "nonsense").unwrap();
    writeln!(commands, r#"{{"cmd":"status"}}"#).unwrap();
    let mut answers = std::iter::repeat_with(next).filter(|line| line["event"] != "call");
    assert_eq!(answers.next().unwrap()["event"], "error");
    let status = answers.next().unwrap();
    assert_eq!((&status["calls"], &status["sockets"]), (&serde_json::json!([]), &serde_json::json!(0)));
    writeln!(commands, r#"{{"cmd":"quit"}}"#).unwrap();
    assert!(centre.until_exited(SOON).unwrap().success(), "{}", centre.log());
}

#[test]
fn linphonec_proves_its_password_by_sha_256_and_is_answered() {
    let sha_256 = CentreConfig { algorithms: vec![Algorithm::Sha256], ..CentreConfig::demo().unwrap() };
    let centre = wait(Centre::start(sha_256)).unwrap();
    let password = centre.agents()[0].password.as_ref().unwrap().expose().clone();
    let server = server(&centre, Transport::Udp);
    let scratch = Scratch::new("linphonec").unwrap();
    // Without this folder it opens no port.
    std::fs::create_dir_all(scratch.path().join(".local/share/linphone")).unwrap();
    let port = deskline_tests::port::free();
    let settings = format!(
        "[sip]\nuse_ipv6=0\nsip_port={port}\nsip_tcp_port=0\nsip_tls_port=0\ndefault_proxy=0\nmedia_encryption=none\n\
         [net]\nmtu=1300\nfirewall_policy=0\n\
         [auth_info_0]\nusername=1001\npasswd={password}\nrealm=deskline.invalid\n\
         [proxy_0]\nreg_proxy=<sip:{server};transport=udp>\nreg_identity=sip:1001@{server}\nreg_expires=60\n\
         reg_sendregister=1\npublish=0\n"
    );
    scratch.write("linphonerc", settings).unwrap();
    let mut command = Command::new("linphonec");
    command.args(["-d", "0", "-c"]).arg(scratch.path().join("linphonerc")).env("HOME", scratch.path());
    let mut linphonec = Process::spawn("linphonec", &mut command, scratch.path(), Output::Piped).unwrap();
    let mut commands = linphonec.stdin().unwrap();
    deskline_tests::until(SOON, "linphonec is registered", || wait(centre.is_registered("1001"))).unwrap();

    writeln!(commands, "call sip:9196@{server}").unwrap();
    let call =
        deskline_tests::until_some(SOON, "linphonec calls", || Ok(wait(centre.calls()).first().cloned())).unwrap();
    until_state(&centre, call.id, CallState::Talking);
    writeln!(commands, "terminate").unwrap();
    until_state(&centre, call.id, CallState::Ended(CallEnd::HungUpByPhone));
    writeln!(commands, "quit").unwrap();
    until_at_rest(&centre);
}
