//! Signing in at a real Kamailio, and what is said when it does not work.

use std::io::{Read, Write};
use std::net::TcpListener;

use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio};
use deskline_tests::port;
use serde_json::{Value, json};

use crate::seat::{PASSWORD, SOON, USER, USERS, address};

#[test]
fn registers_over_udp_tcp_and_websocket_with_md5() {
    registers_by_each_transport(Digest::Md5);
}

#[test]
fn registers_over_udp_tcp_and_websocket_with_sha256() {
    registers_by_each_transport(Digest::Sha256);
}

#[test]
fn signs_out_and_in_again() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let mut phone = signed_out();
    for _ in 0..2 {
        phone.command(sign_in(&kamailio.address(), PASSWORD, "udp")).unwrap();
        phone.awaits("registered", SOON).unwrap();
        phone.until(SOON, "the agent is ready", |snapshot| snapshot["agent"]["code"] == 3).unwrap();
        phone.command(json!({ "cmd": "sign_out" })).unwrap();
        phone.awaits("unregistered", SOON).unwrap();
        phone
            .until(SOON, "the agent is signed out", |snapshot| snapshot["registration"]["state"] == "offline")
            .unwrap();
    }
}

#[test]
fn wrong_password_is_said_and_can_be_corrected() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let mut phone = signed_out();
    let failure = fails(&mut phone, sign_in(&kamailio.address(), "not it", "udp"));
    assert_eq!(failure["code"], "wrong_credentials");
    phone.command(sign_in(&kamailio.address(), PASSWORD, "udp")).unwrap();
    phone.awaits("registered", SOON).unwrap();
}

#[test]
fn unreachable_server_is_said_by_its_cause() {
    let nobody = format!("127.0.0.1:{}", port::free());
    let mut phone = signed_out();
    for transport in ["tcp", "ws"] {
        let failure = fails(&mut phone, sign_in(&nobody, PASSWORD, transport));
        assert_eq!(failure["code"], "connection_refused", "{transport}");
    }
    let failure = fails(&mut phone, sign_in("no-such-host.invalid", PASSWORD, "tcp"));
    assert_eq!(failure["code"], "unknown_host");
}

#[test]
fn web_server_that_speaks_no_sip_is_told_from_a_sip_server() {
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = web.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = web.accept() {
            let _ = stream.read(&mut [0; 2048]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let failure = fails(&mut signed_out(), sign_in(&address, PASSWORD, "ws"));
    assert_eq!(failure["code"], "not_sip_over_web_socket");
}

#[test]
fn malformed_account_is_refused_at_once() {
    let mut phone = signed_out();
    for (server, user) in [("", "1001"), ("pbx example", "1001"), ("pbx:99999", "1001"), ("127.0.0.1", "")] {
        let refusal = phone.command(json!({ "cmd": "sign_in", "server": server, "user": user })).unwrap_err();
        assert!(refusal.to_string().starts_with("bad_account"), "{server} {user}: {refusal}");
        assert_eq!(phone.snapshot().unwrap()["registration"]["state"], "offline");
    }
}

fn registers_by_each_transport(digest: Digest) {
    let kamailio = Kamailio::start(digest, USERS).unwrap();
    for transport in ["udp", "tcp", "ws"] {
        let mut phone = signed_out();
        phone.command(sign_in(&address(&kamailio, transport), PASSWORD, transport)).unwrap();
        phone.awaits("registered", SOON).unwrap();
        let by = if transport == "ws" { "ws" } else { transport };
        assert!(kamailio.log().contains(&format!("request REGISTER by {by}")), "{}", kamailio.log());
        assert!(phone.quit().unwrap().success());
    }
}

/// A program at which nobody is signed in, without sound.
fn signed_out() -> Headless {
    Headless::start(&["--no-sound"], &[]).unwrap()
}

fn sign_in(server: &str, password: &str, transport: &str) -> Value {
    json!({ "cmd": "sign_in", "server": server, "user": USER, "password": password, "transport": transport })
}

/// Signs in, in vain, and returns the failure that the snapshot shows; the program can be used again.
fn fails(phone: &mut Headless, sign_in: Value) -> Value {
    phone.command(sign_in).unwrap();
    let event = phone.awaits("registration_failed", SOON).unwrap();
    let snapshot = phone
        .until(SOON, "signed out with a failure", |snapshot| {
            snapshot["registration"]["state"] == "offline" && !snapshot["registration"]["failure"].is_null()
        })
        .unwrap();
    let failure = snapshot["registration"]["failure"].clone();
    assert_eq!(failure["code"], event["code"]);
    failure
}
