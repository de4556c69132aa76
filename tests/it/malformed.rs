//! Bytes from anybody, at every port that the program has open.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use deskline_tests::headless::Headless;
use deskline_tests::sockets::{HOST, Port, open_ports};
use serde_json::{Value, json};

use crate::seat::SOON;

/// Sent to the ports together.
const MESSAGES: usize = 10_000;

/// What the mutations start from; PORT and USER are filled in.
const SEEDS: &[&str] = &[
    "INVITE sip:1001@127.0.0.1:PORT SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx1;rport\r\nMax-Forwards: 70\r\n\
     From: \"A\" <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:1001@127.0.0.1>\r\nCall-ID: x1\r\nCSeq: 1 INVITE\r\n\
     Contact: <sip:a@127.0.0.1:9>\r\nContent-Type: application/sdp\r\nContent-Length: 129\r\n\r\n\
     v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 101\r\n\
     a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
    "BYE sip:1001@127.0.0.1:PORT SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx2\r\nMax-Forwards: 70\r\n\
     From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:1001@127.0.0.1>;tag=2\r\nCall-ID: x2\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:PORT;branch=z9hG4bKx3\r\nFrom: <sip:1001@127.0.0.1>;tag=1\r\n\
     To: <sip:9196@127.0.0.1>;tag=2\r\nCall-ID: x3\r\nCSeq: 1 INVITE\r\nContact: <sip:b@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP 127.0.0.1:PORT;branch=z9hG4bKx4\r\nFrom: <sip:1001@127.0.0.1>;tag=1\r\n\
     To: <sip:1001@127.0.0.1>;tag=2\r\nCall-ID: x4\r\nCSeq: 1 REGISTER\r\n\
     WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", qop=\"auth\", algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n",
    "REGISTER sip:127.0.0.1:PORT SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx5\r\nFrom: <sip:1001@127.0.0.1>;tag=1\r\n\
     To: <sip:1001@127.0.0.1>\r\nCall-ID: x5\r\nCSeq: 1 REGISTER\r\nContact: <sip:1001@127.0.0.1:9>;expires=0\r\n\
     Expires: 0\r\nContent-Length: 0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
    "\u{0}\u{0}\u{0}\u{1}rtp\u{0}\u{0}\u{0}\u{0}payload payload payload payload payload payload payload payload",
];

#[test]
fn ten_thousand_malformed_messages_at_every_open_port_change_nothing() {
    let mut phone = Headless::start(&["--demo", "--no-sound", "--after-call-work", "0"], &[]).unwrap();
    phone.awaits("registered", SOON).unwrap();
    // One call at a time: a mutation may still be a call, which comes from the server's own address here and would wait.
    let form = phone.snapshot().unwrap()["sign_in"].clone();
    phone.command(json!({ "cmd": "sign_out" })).unwrap();
    phone.awaits("unregistered", SOON).unwrap();
    let (server, user, transport) = (&form["server"], &form["user"], &form["transport"]);
    let options = json!({ "call_limit": 1 });
    phone
        .command(
            json!({ "cmd": "sign_in", "server": server, "user": user, "transport": transport, "options": options }),
        )
        .unwrap();
    phone.awaits("registered", SOON).unwrap();
    phone.command(json!({ "cmd": "call", "uri": "9196" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    let lacks_sound = |now: &Value| now["notices"].as_array().is_some_and(|notices| notices.len() == 2);
    let before = phone.until(SOON, "the lack of both devices is said", lacks_sound).unwrap();
    let ports = open_ports(phone.pid()).unwrap();
    assert!(ports.iter().any(|port| matches!(port, Port::Udp(_))), "{ports:?}");
    assert!(ports.iter().any(|port| matches!(port, Port::Tcp(_))), "{ports:?}");

    let mut random = Random(0x5eed_0fde_5c11_ed00);
    for round in 0..MESSAGES {
        let message = mutation(&mut random, round);
        match ports[round % ports.len()] {
            Port::Udp(port) => {
                // A socket of its own each time: answers of the host (ICMP) must not stop the next.
                let socket = UdpSocket::bind((HOST, 0)).unwrap();
                let _ = socket.send_to(&filled(&message, port), (HOST, port));
            }
            Port::Tcp(port) => {
                let mut stream = TcpStream::connect((HOST, port)).unwrap();
                stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
                let _ = stream.write_all(&filled(&message, port));
            }
        }
        if round % 500 == 499 {
            // Also keeps us from running ahead of what the program can read.
            phone.snapshot().unwrap();
        }
    }

    let after = phone.snapshot().unwrap();
    for what in ["account", "agent", "calls", "notices"] {
        assert_eq!(stable(&after[what]), stable(&before[what]), "{what}\n{}", phone.log());
    }
    assert_eq!(after["registration"]["state"], "registered");
    // The call and the registration still work.
    phone.command(json!({ "cmd": "hangup" })).unwrap();
    assert_eq!(phone.awaits("ended", SOON).unwrap()["cause"], "hung_up");
    phone.command(json!({ "cmd": "call", "uri": "9196" })).unwrap();
    phone.awaits("established", SOON).unwrap();
    assert!(phone.quit().unwrap().success());
    assert!(!phone.log().contains("panicked"), "{}", phone.log());
}

/// A value without what time alone changes.
fn stable(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !name.ends_with("_ms"));
    }
    value
}

fn filled(message: &[u8], port: u16) -> Vec<u8> {
    let mut text = message.to_vec();
    let mark = b"PORT";
    while let Some(at) = text.windows(mark.len()).position(|window| window == mark) {
        text.splice(at..at + mark.len(), port.to_string().into_bytes());
    }
    text
}

/// One of the seeds with a few of its bytes changed, removed, repeated or cut off.
fn mutation(random: &mut Random, round: usize) -> Vec<u8> {
    let mut bytes = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
    for _ in 0..1 + random.below(8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.next() as u8,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\r\n:;,<>\"@ \0\xff%="[random.below(14)]),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..(at + 40).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.extend(std::iter::repeat_n(bytes[at], random.below(2000))),
        }
    }
    bytes.truncate(8000);
    bytes
}

/// A small generator whose results are the same on every run (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }
}
