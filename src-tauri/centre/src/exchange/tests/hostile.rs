use deskline_core::flow::{Flow, FlowId, Transport};

use super::world::World;

const SAMPLES: [&str; 4] = [
    "REGISTER sip:centre.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:40000;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n\
     From: <sip:1001@centre.test>;tag=1\r\nTo: <sip:1001@centre.test>\r\nCall-ID: a\r\nCSeq: 1 REGISTER\r\n\
     Contact: <sip:1001@127.0.0.1:40000>;expires=60\r\nAuthorization: Digest username=\"1001\", realm=\"centre.test\", \
     nonce=\"1\", uri=\"sip:centre.test\", response=\"0\"\r\nContent-Length: 0\r\n\r\n",
    "INVITE sip:9196@centre.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:40000;branch=z9hG4bKb\r\nMax-Forwards: 70\r\n\
     From: <sip:1001@centre.test>;tag=1\r\nTo: <sip:9196@centre.test>\r\nCall-ID: b\r\nCSeq: 1 INVITE\r\n\
     Contact: <sip:1001@127.0.0.1:40000>\r\nContent-Type: application/sdp\r\nContent-Length: 104\r\n\r\n\
     v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 50000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
    "BYE sip:centre.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:40000;branch=z9hG4bKc\r\nFrom: <sip:1001@x>;tag=1\r\n\
     To: <sip:2@x>;tag=2\r\nCall-ID: b\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKd\r\nFrom: <sip:1@x>;tag=1\r\nTo: <sip:2@x>;tag=2\r\n\
     Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
];

#[test]
fn ten_thousand_mutated_messages_change_nothing() {
    let mut config = super::world::config();
    config.authentication = crate::Authentication::Off;
    for config in [super::world::config(), config] {
        let mut world = World::new(config);
        world.add_phone("1001", super::world::PASSWORD);
        let address = "127.0.0.1:5060".parse().unwrap();
        let remote = "127.0.0.1:40000".parse().unwrap();
        let flow = Flow { id: FlowId(1), transport: Transport::Udp, local: address, remote };
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize
        };
        for round in 0..10_000 {
            let mut bytes = SAMPLES[round % SAMPLES.len()].as_bytes().to_vec();
            for _ in 0..1 + random() % 6 {
                let at = random() % bytes.len();
                match random() % 4 {
                    0 => bytes[at] = random() as u8,
                    1 => bytes.truncate(at.max(1)),
                    2 => bytes.insert(at, b"\r\n;,\"<>:@ "[random() % 10]),
                    _ => drop(bytes.remove(at)),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            world.exchange.handle_received(world.now, &flow, &bytes);
            world.settle();
        }
        world.seconds(400);
        let load = world.exchange.load();
        assert!(load.calls <= 2 && load.bindings <= 1_024 * 8, "{load:?}");
    }
}
