//! All five transports at a real Kamailio, over IPv4 and IPv6: certificates, proxies, restarts, keep-alives.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deskline_core::account::{KeepAlive, Server};
use deskline_core::flow::Transport;
use deskline_engine::net::{ConnectId, Limits, Net, NetEvent};
use deskline_tests::headless::Headless;
use deskline_tests::kamailio::{Digest, Kamailio, Shown};
use serde_json::{Value, json};

use crate::seat::{PASSWORD, PEER, PEER_PASSWORD, SOON, USER, USERS};

const TRANSPORTS: [&str; 5] = ["udp", "tcp", "tls", "ws", "wss"];

#[test]
fn registers_over_all_five_transports_with_md5() {
    registers_over_all(Digest::Md5);
}

#[test]
fn registers_over_all_five_transports_with_sha256() {
    registers_over_all(Digest::Sha256);
}

fn registers_over_all(digest: Digest) {
    let kamailio = Kamailio::start(digest, USERS).unwrap();
    for transport in TRANSPORTS {
        let phone = registered(sign_in(&kamailio, &kamailio.address_for(transport), transport));
        let wanted = format!("request REGISTER by {transport}");
        assert!(kamailio.log().contains(&wanted), "{transport}: {}", kamailio.log());
        drop(phone);
    }
}

#[test]
fn transport_left_open_is_udp_for_an_address() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    registered(sign_in(&kamailio, &kamailio.address(), "auto"));
    assert!(kamailio.log().contains("request REGISTER by udp"), "{}", kamailio.log());
}

#[test]
fn registers_and_calls_over_all_five_transports_by_ipv6() {
    let kamailio = Kamailio::start(Digest::Sha256, USERS).unwrap();
    for transport in TRANSPORTS {
        let Some(address) = kamailio.address_v6_for(transport) else { return };
        let mut caller = registered(sign_in(&kamailio, &address, transport));
        calls(&kamailio, &mut caller, &address, transport);
    }
}

#[test]
fn calls_over_all_five_transports() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    for transport in TRANSPORTS {
        let address = kamailio.address_for(transport);
        let mut caller = registered(sign_in(&kamailio, &address, transport));
        calls(&kamailio, &mut caller, &address, transport);
    }
}

/// A call to a second phone by the same transport, held and retrieved by the caller, ended by the callee.
fn calls(kamailio: &Kamailio, caller: &mut Headless, address: &str, transport: &str) {
    let mut callee = established(kamailio, caller, address, transport);
    let is = |state: &'static str| move |snapshot: &Value| snapshot["calls"][0]["state"] == state;
    caller.command(json!({ "cmd": "call_hold" })).unwrap();
    caller.until(SOON, "held", is("held")).unwrap();
    caller.command(json!({ "cmd": "call_retrieve" })).unwrap();
    caller.until(SOON, "talking again", is("talking")).unwrap();
    callee.command(json!({ "cmd": "hangup" })).unwrap();
    caller.awaits("ended", SOON).unwrap();
    callee.awaits("ended", SOON).unwrap();
}

/// A second phone, called by the first.
fn established(kamailio: &Kamailio, caller: &mut Headless, address: &str, transport: &str) -> Headless {
    let mut form = sign_in(kamailio, address, transport);
    form["user"] = json!(PEER);
    form["password"] = json!(PEER_PASSWORD);
    let mut callee = registered(form);
    caller.command(json!({ "cmd": "call", "uri": PEER })).unwrap();
    if let Err(error) = callee.awaits("ringing", SOON) {
        panic!("{transport}: {error:#}\n{:?}\n{}", caller.lines(), kamailio.log());
    }
    callee.command(json!({ "cmd": "answer" })).unwrap();
    caller.awaits("established", SOON).unwrap();
    callee.awaits("established", SOON).unwrap();
    callee
}

#[test]
fn unknown_issuer_is_refused_and_accepted_by_trust_file_or_pin() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    for transport in ["tls", "wss"] {
        let mut form = sign_in(&kamailio, &kamailio.address_for(transport), transport);
        registered(form.clone());
        form["options"] = json!({});
        let mut phone = signed_out();
        assert_eq!(fault(&mut phone, &form, &kamailio), "unknown_issuer");
        form["options"] = json!({ "tls": { "pinned": ["00".repeat(32)] } });
        assert_eq!(fault(&mut phone, &form, &kamailio), "unknown_issuer", "another one is pinned");
        form["options"] = json!({ "tls": { "pinned": [kamailio.fingerprint()] } });
        phone.command(form).unwrap();
        phone.awaits("registered", SOON).unwrap();
    }
}

#[test]
fn wrong_name_and_expiry_are_refused_and_accepted_by_pin() {
    for (shown, expected) in [(Shown::OtherName, "wrong_name"), (Shown::Expired, "expired")] {
        let kamailio = Kamailio::start_showing(shown, Digest::Md5, USERS).unwrap();
        for transport in ["tls", "wss"] {
            let mut form = sign_in(&kamailio, &kamailio.address_for(transport), transport);
            let mut phone = signed_out();
            assert_eq!(fault(&mut phone, &form, &kamailio), expected);
            // The fingerprint as the form shows it.
            let shown = phone.snapshot().unwrap()["registration"]["failure"]["certificate"]["fingerprint"].clone();
            form["options"]["tls"]["pinned"] = json!([shown]);
            phone.command(form).unwrap();
            phone.awaits("registered", SOON).unwrap();
        }
    }
}

#[test]
fn websocket_goes_through_an_http_proxy() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let proxy = Proxy::start("bWU6c2VjcmV0");
    let mut form = sign_in(&kamailio, &kamailio.address_for("wss"), "wss");
    let mut phone = signed_out();
    form["options"]["proxy"] = json!(format!("http://{}", proxy.address));
    assert_eq!(failure(&mut phone, &form)["code"], "proxy_credentials");
    form["options"]["proxy"] = json!(format!("http://me:secret@{}", proxy.address));
    phone.command(form).unwrap();
    phone.awaits("registered", SOON).unwrap();
    let asked = proxy.asked.lock().unwrap().last().cloned();
    assert_eq!(asked, Some(format!("CONNECT {} HTTP/1.1", kamailio.address_for("wss"))));
}

#[test]
fn server_that_starts_anew_is_found_again_over_every_stream() {
    for transport in ["tcp", "tls", "ws", "wss"] {
        let mut kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
        let mut phone = registered(sign_in(&kamailio, &kamailio.address_for(transport), transport));
        kamailio.stop();
        phone
            .until(SOON, "the loss is noticed", |snapshot| snapshot["registration"]["state"] == "reconnecting")
            .unwrap();
        kamailio.restart().unwrap();
        let restarted = Instant::now();
        phone.until(SOON, "registered again", |snapshot| snapshot["registration"]["state"] == "registered").unwrap();
        assert!(kamailio.log().contains(&format!("request REGISTER by {transport}")), "{transport}");
        println!("{transport}: registered again {} ms after the restart", restarted.elapsed().as_millis());
    }
}

/// The callee is reached by address. (Were both on connections that are gone, neither could tell the other.)
#[test]
fn call_outlives_a_restart_of_the_server_over_every_stream() {
    for transport in ["tls", "wss"] {
        let mut kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
        let mut caller = registered(sign_in(&kamailio, &kamailio.address_for(transport), transport));
        let mut callee = established(&kamailio, &mut caller, &kamailio.address(), "udp");
        kamailio.restart().unwrap();
        let restarted = Instant::now();
        caller.awaits("registration_failed", SOON).unwrap();
        caller.awaits("registered", SOON).unwrap();
        println!("{transport}: registered again {} ms after the restart", restarted.elapsed().as_millis());
        // The re-INVITE, its answer and the ACK: now the callee knows where the caller is.
        let told = || kamailio.log().contains("request ACK");
        deskline_tests::until(SOON, "the call is refreshed", told).unwrap();
        assert_eq!(caller.snapshot().unwrap()["calls"][0]["state"], "talking");
        callee.command(json!({ "cmd": "hangup" })).unwrap();
        caller.awaits("ended", SOON).unwrap();
    }
}

#[test]
fn kamailio_answers_stun_and_a_new_mapping_is_noticed() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let nat = Nat::start(kamailio.address().parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(async {
        let limits = Limits { datagram_keep_alive: Duration::from_millis(100), ..Limits::default() };
        let (mut net, mut events) = Net::with_limits(limits);
        let server = Server { keep_alive: KeepAlive::Stun, ..Server::at(Transport::Udp, nat.inside) };
        net.connect(ConnectId(1), server);
        let mut changed = Vec::new();
        let waited = tokio::time::timeout(SOON, async {
            while changed.len() < 2 {
                match events.recv().await {
                    Some(NetEvent::Up { .. }) => {}
                    Some(NetEvent::MappedAddressChanged { mapped, .. }) => changed.push(mapped),
                    other => panic!("{other:?}"),
                }
            }
        });
        waited.await.unwrap();
        changed
    });
    assert_ne!(told[0], told[1]);
    assert!(told.iter().all(|mapped| mapped.ip().is_loopback()), "{told:?}");
}

fn sign_in(kamailio: &Kamailio, server: &str, transport: &str) -> Value {
    json!({
        "cmd": "sign_in", "server": server, "user": USER, "password": PASSWORD, "transport": transport,
        "options": { "tls": { "trust_file": kamailio.trust_file() } },
    })
}

/// A program at which nobody is signed in, without sound.
fn signed_out() -> Headless {
    Headless::start(&["--no-sound"], &[]).unwrap()
}

fn registered(form: Value) -> Headless {
    let mut phone = signed_out();
    phone.command(form).unwrap();
    phone.awaits("registered", SOON).unwrap();
    phone
}

/// Signs in, in vain; what the snapshot shows.
fn failure(phone: &mut Headless, form: &Value) -> Value {
    phone.command(form.clone()).unwrap();
    let event = phone.awaits("registration_failed", SOON).unwrap();
    let offline = |snapshot: &Value| snapshot["registration"]["state"] == "offline";
    let snapshot = phone.until(SOON, "signed out", offline).unwrap();
    let failure = snapshot["registration"]["failure"].clone();
    assert_eq!((&failure["code"], &failure["certificate"]), (&event["code"], &event["certificate"]));
    failure
}

/// As [`failure`], where it is the certificate: its fault.
fn fault(phone: &mut Headless, form: &Value, kamailio: &Kamailio) -> Value {
    let failure = failure(phone, form);
    assert_eq!(failure["code"], "certificate_refused", "{failure}");
    let fingerprint = failure["certificate"]["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.replace(':', "").to_lowercase(), kamailio.fingerprint());
    failure["certificate"]["fault"].clone()
}

/// An HTTP proxy that knows CONNECT and one pair of credentials.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(credentials: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || serve(near, credentials, &log));
            }
        });
        Self { address, asked }
    }
}

fn serve(mut near: TcpStream, credentials: &str, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = BufReader::new(near.try_clone().ok()?);
    let mut line = String::new();
    head.read_line(&mut line).ok()?;
    log.lock().ok()?.push(line.trim_end().to_owned());
    let mut known = false;
    let mut header = String::new();
    while head.read_line(&mut header).ok()? > 2 {
        known |= header.trim_end() == format!("Proxy-Authorization: Basic {credentials}");
        header.clear();
    }
    if !known {
        near.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").ok()?;
        return None;
    }
    let mut far = TcpStream::connect(line.split(' ').nth(1)?).ok()?;
    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let (mut back, mut from) = (near, far.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut back));
    std::io::copy(&mut head, &mut far).ok().map(drop)
}

/// A NAT that gives its client another outer port after every third datagram.
struct Nat {
    inside: SocketAddr,
}

impl Nat {
    fn start(server: SocketAddr) -> Self {
        let inner = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inside = inner.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut outer = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut buffer = [0; 2048];
            for turn in 1.. {
                let Ok((length, client)) = inner.recv_from(&mut buffer) else { return };
                outer.send_to(&buffer[..length], server).unwrap();
                outer.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                if let Ok(length) = outer.recv(&mut buffer) {
                    let _ = inner.send_to(&buffer[..length], client);
                }
                if turn % 3 == 0 {
                    outer = UdpSocket::bind("127.0.0.1:0").unwrap();
                }
            }
        });
        Self { inside }
    }
}
