//! Offers and answers as they are met in the field.
#![allow(clippy::unwrap_used)]

use super::offer_answer::*;
use crate::media::Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
use crate::media::{Codec, Direction};

fn local() -> LocalMedia {
    LocalMedia {
        session_id: 7,
        version: 1,
        address: "192.0.2.1:40000".parse().unwrap(),
        codecs: vec![Codec::Opus, Codec::Pcma, Codec::Pcmu],
        dtmf: true,
        direction: SendRecv,
        ptime: 20,
    }
}

fn only(codecs: &[Codec]) -> LocalMedia {
    LocalMedia { codecs: codecs.to_vec(), ..local() }
}

/// A description of a peer at 198.51.100.9 with these lines behind the session level.
fn peer(lines: &str) -> Vec<u8> {
    let head = "v=0\no=- 1 1 IN IP4 198.51.100.9\ns=-\nc=IN IP4 198.51.100.9\nt=0 0\n";
    format!("{head}{lines}").replace('\n', "\r\n").into_bytes()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

fn media_of(description: &str) -> &str {
    &description[description.find("m=").unwrap()..]
}

#[test]
fn our_offer_reads_as_written() {
    assert_eq!(
        text(offer(&local())),
        "v=0\n\
         o=- 7 1 IN IP4 192.0.2.1\n\
         s=-\n\
         c=IN IP4 192.0.2.1\n\
         t=0 0\n\
         m=audio 40000 RTP/AVP 96 8 0 110 101\n\
         a=rtpmap:96 opus/48000/2\n\
         a=fmtp:96 minptime=10;useinbandfec=1\n\
         a=rtpmap:8 PCMA/8000\n\
         a=rtpmap:0 PCMU/8000\n\
         a=rtpmap:110 telephone-event/48000\n\
         a=fmtp:110 0-15\n\
         a=rtpmap:101 telephone-event/8000\n\
         a=fmtp:101 0-15\n\
         a=ptime:20\n\
         a=sendrecv\n"
    );
}

#[test]
fn our_offer_over_ipv6_without_dtmf() {
    let local = LocalMedia { address: "[2001:db8::1]:5004".parse().unwrap(), dtmf: false, ..only(&[Codec::Pcmu]) };
    let offer = text(offer(&local));
    assert!(offer.contains("c=IN IP6 2001:db8::1\n"), "{offer}");
    assert_eq!(media_of(&offer), "m=audio 5004 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=ptime:20\na=sendrecv\n");
}

/// Answers an offer and compares the media lines of the answer.
fn check_answer(local: &LocalMedia, offered: &str, expected: &str) -> Negotiated {
    let (answered, agreed) = answer(local, &peer(offered)).unwrap();
    let answered = text(answered);
    assert_eq!(media_of(&answered), expected, "to {offered}");
    agreed
}

#[test]
fn answer_takes_the_first_codec_of_the_offerer_that_we_have() {
    let agreed = check_answer(
        &local(),
        "m=audio 9000 RTP/AVP 18 9 0 8 111 101\na=rtpmap:111 opus/48000/2\na=rtpmap:101 telephone-event/8000\n",
        "m=audio 40000 RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20\na=sendrecv\n",
    );
    assert_eq!((agreed.codec, agreed.send_payload_type), (Codec::Pcmu, 0));
    assert_eq!(agreed.remote, "198.51.100.9:9000".parse().unwrap());
}

#[test]
fn answer_keeps_the_numbers_of_the_peer_and_the_clock_rate_of_the_codec() {
    let agreed = check_answer(
        &local(),
        "m=audio 9000 RTP/AVP 111 0 101 126\na=rtpmap:111 OPUS/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:101 telephone-event/8000\na=rtpmap:126 telephone-event/48000\n",
        "m=audio 40000 RTP/AVP 111 126\na=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\na=rtpmap:126 telephone-event/48000\na=fmtp:126 0-15\na=ptime:20\na=sendrecv\n",
    );
    assert_eq!((agreed.codec, agreed.send_payload_type, agreed.receive_payload_type), (Codec::Opus, 111, 111));
    assert_eq!((agreed.dtmf_send, agreed.dtmf_receive, agreed.dtmf_clock_rate), (Some(126), Some(126), 48_000));
}

#[test]
fn a_peer_with_dtmf_at_8_khz_beside_opus_keeps_it_through_a_hold() {
    let agreed = check_answer(
        &local(),
        "m=audio 9000 RTP/AVP 97 98\na=rtpmap:97 opus/48000/2\na=rtpmap:98 telephone-event/8000\n",
        "m=audio 40000 RTP/AVP 97 98\na=rtpmap:97 opus/48000/2\na=fmtp:97 minptime=10;useinbandfec=1\na=rtpmap:98 telephone-event/8000\na=fmtp:98 0-15\na=ptime:20\na=sendrecv\n",
    );
    assert_eq!((agreed.dtmf_send, agreed.dtmf_clock_rate), (Some(98), 8_000));
    let hold = LocalMedia { version: 2, direction: SendOnly, ..local() };
    let offered = text(reoffer(&hold, &agreed));
    assert!(offered.contains("m=audio 40000 RTP/AVP 97 8 0 98 110\n"), "{offered}");
    assert!(offered.contains("a=rtpmap:98 telephone-event/8000\n") && offered.contains("a=sendonly\n"), "{offered}");
    let answered =
        peer("m=audio 9000 RTP/AVP 97 98\na=rtpmap:97 opus/48000/2\na=rtpmap:98 telephone-event/8000\na=recvonly\n");
    let held = accept_reoffer(&hold, &agreed, &answered).unwrap();
    assert_eq!(held, Negotiated { direction: SendOnly, ..agreed });
}

#[test]
fn a_reoffer_does_not_give_a_used_number_to_another_codec() {
    let agreed = Negotiated {
        codec: Codec::Pcmu,
        send_payload_type: 0,
        receive_payload_type: 0,
        dtmf_send: Some(96),
        dtmf_receive: Some(96),
        dtmf_clock_rate: 8000,
        remote: "198.51.100.9:9000".parse().unwrap(),
        direction: SendRecv,
        ptime: 20,
    };
    let offered = text(reoffer(&local(), &agreed));
    assert!(offered.contains("m=audio 40000 RTP/AVP 0 97 8 96 110\n"), "{offered}");
    assert!(offered.contains("a=rtpmap:97 opus/48000/2\n") && offered.contains("a=rtpmap:96 telephone-event/8000\n"));
}

#[test]
fn every_other_stream_is_refused_in_its_place() {
    check_answer(
        &local(),
        "m=video 9002 RTP/AVP 31 34\na=rtpmap:31 H261/90000\n\
         m=audio 9100 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\n\
         m=audio 9000/2 RTP/AVP 0\n\
         m=audio 9200 RTP/AVP 8\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n",
        "m=video 0 RTP/AVP 31\n\
         m=audio 0 RTP/SAVP 0\n\
         m=audio 40000 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=ptime:20\na=sendrecv\n\
         m=audio 0 RTP/AVP 8\n\
         m=application 0 UDP/DTLS/SCTP webrtc-datachannel\n",
    );
}

#[test]
fn offers_that_cannot_be_taken_say_why() {
    let opus = "m=audio 9000 RTP/AVP 96\na=rtpmap:96 opus/48000/2\n";
    for (local, offered, expected) in [
        (local(), "m=audio 9000 RTP/SAVP 0\n", Error::NoCommonMedia),
        (local(), "m=audio 9000 UDP/TLS/RTP/SAVPF 0\n", Error::NoCommonMedia),
        (local(), "m=audio 0 RTP/AVP 0\n", Error::NoCommonMedia),
        (local(), "m=video 9000 RTP/AVP 31\n", Error::NoCommonMedia),
        (local(), "m=audio 9000 RTP/AVP 0\nc=IN IP6 2001:db8::9\n", Error::NoCommonMedia),
        (local(), "", Error::NoCommonMedia),
        (local(), "m=audio 9000 RTP/AVP 18 101\na=rtpmap:101 telephone-event/8000\n", Error::NoCommonCodec),
        (local(), "m=audio 9000 RTP/AVP\n", Error::NoCommonCodec),
        (local(), "m=audio 9000 RTP/AVP 96\n", Error::NoCommonCodec),
        (local(), "m=audio 9000 RTP/AVP 0\na=rtpmap:0 G729/8000\n", Error::NoCommonCodec),
        (only(&[Codec::Pcma]), opus, Error::NoCommonCodec),
        (local(), "m=audio x RTP/AVP 0\n", Error::Malformed("a port is not a number")),
        (local(), "m=audio 65536 RTP/AVP 0\n", Error::Malformed("a port is not a number")),
        (local(), "m=audio 9000\n", Error::Malformed("a media line is too short")),
        (
            local(),
            "m=audio 9000 RTP/AVP 0\nc=IN IP4 999.1.1.1.1:2\n",
            Error::Malformed("a connection address is malformed"),
        ),
        (
            local(),
            "m=audio 9000 RTP/AVP 0\nc=IN IP4 pbx.example.com\n",
            Error::Malformed("the connection address is a host name"),
        ),
        (local(), "garbage\n", Error::Malformed("a line has no =")),
    ] {
        assert_eq!(answer(&local, &peer(offered)), Err(expected), "{offered}");
    }
    assert_eq!(answer(&local(), b""), Err(Error::Malformed("it does not begin with v=0")));
    assert_eq!(answer(&local(), b"v=1\r\n"), Err(Error::Malformed("it does not begin with v=0")));
    assert_eq!(
        answer(&local(), b"v=0\r\nm=audio 9000 RTP/AVP 0\r\n"),
        Err(Error::Malformed("the audio stream has no connection address"))
    );
}

#[test]
fn careless_descriptions_are_read() {
    for offered in [
        // LF only, no s= or t=, connection behind the media, fraction in ptime, blank lines.
        "v=0\n\no=x 99999999999999999999999 1 IN IP4 h\nm=audio 9000 RTP/AVP 0\nc=IN IP4 198.51.100.9\na=ptime:20.0\n\n",
        // Attributes in front of c=, unknown letters, spaces, a lower-case protocol.
        "v=0\r\na=tool:x\r\nq=?\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 198.51.100.9/127\r\nm=audio 9000 rtp/avp 0 \r\na=\r\na=rtpmap:\r\na=rtpmap:300 x/y\r\na=fmtp:x\r\na=rtpmap:0 pcmu/8000/1\r\n",
        // ICE and bundling beside plain RTP.
        "v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP4 198.51.100.9\r\na=group:BUNDLE 0\r\nm=audio 9000 RTP/AVPF 0\r\na=mid:0\r\na=rtcp-mux\r\na=candidate:1 1 UDP 1 10.0.0.1 9 typ host\r\na=rtcp:9005 IN IP4 198.51.100.9\r\n",
    ] {
        let (_, agreed) = answer(&local(), offered.as_bytes()).unwrap();
        assert_eq!((agreed.codec, agreed.ptime), (Codec::Pcmu, 20));
        assert_eq!(agreed.remote, "198.51.100.9:9000".parse().unwrap());
    }
}

#[test]
fn directions_meet() {
    for (ours, theirs, expected) in [
        (SendRecv, "a=sendrecv\n", SendRecv),
        (SendRecv, "", SendRecv),
        (SendRecv, "a=sendonly\n", RecvOnly),
        (SendRecv, "a=recvonly\n", SendOnly),
        (SendRecv, "a=inactive\n", Inactive),
        (SendOnly, "a=sendrecv\n", SendOnly),
        (SendOnly, "a=recvonly\n", SendOnly),
        (SendOnly, "a=sendonly\n", Inactive),
        (RecvOnly, "a=sendonly\n", RecvOnly),
        (Inactive, "a=sendrecv\n", Inactive),
        (SendRecv, "c=IN IP4 0.0.0.0\n", RecvOnly),
        (SendRecv, "c=IN IP4 0.0.0.0\na=inactive\n", Inactive),
    ] {
        let ours: Direction = ours;
        let local = LocalMedia { direction: ours, ..local() };
        let description = peer(&format!("m=audio 9000 RTP/AVP 0\n{theirs}"));
        let (answered, agreed) = answer(&local, &description).unwrap();
        assert_eq!(agreed.direction, expected, "{ours:?} meets the offer {theirs:?}");
        assert!(text(answered).ends_with(&format!("a={}\n", expected.attribute())));
        let accepted = accept(&local, &description).unwrap();
        assert_eq!(accepted.direction, expected, "{ours:?} meets the answer {theirs:?}");
    }
}

#[test]
fn a_direction_of_the_session_holds_for_media_without_one() {
    let offered = String::from_utf8(peer("m=audio 9000 RTP/AVP 0\n")).unwrap();
    let offered = offered.replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\na=ptime:40\r\n");
    let (_, agreed) = answer(&local(), offered.as_bytes()).unwrap();
    assert_eq!((agreed.direction, agreed.ptime), (RecvOnly, 40));
    let overridden = format!("{offered}a=sendrecv\r\n");
    assert_eq!(answer(&local(), overridden.as_bytes()).unwrap().1.direction, SendRecv);
}

#[test]
fn both_sides_understand_each_other_over_ipv6() {
    let alice = LocalMedia { address: "[2001:db8::a]:4000".parse().unwrap(), ..local() };
    let bob = LocalMedia { address: "[2001:db8::b]:5000".parse().unwrap(), ..only(&[Codec::Pcma]) };
    let (answered, at_bob) = answer(&bob, &offer(&alice)).unwrap();
    let at_alice = accept(&alice, &answered).unwrap();
    assert_eq!((at_alice.codec, at_bob.codec), (Codec::Pcma, Codec::Pcma));
    assert_eq!((at_alice.remote, at_bob.remote), (bob.address, alice.address));
    assert_eq!((at_alice.dtmf_send, at_bob.dtmf_send), (Some(101), Some(101)));
}

#[test]
fn an_answer_under_other_numbers_is_understood() {
    let answered =
        peer("m=audio 9000 RTP/AVP 120 121\na=rtpmap:120 opus/48000/2\na=rtpmap:121 telephone-event/48000\n");
    let agreed = accept(&local(), &answered).unwrap();
    assert_eq!((agreed.send_payload_type, agreed.receive_payload_type), (120, 96));
    assert_eq!((agreed.dtmf_send, agreed.dtmf_receive), (Some(121), Some(110)));
}

#[test]
fn an_answer_that_refuses_says_so() {
    for (answered, expected) in [
        ("m=audio 0 RTP/AVP 0\n", Error::NoCommonMedia),
        ("m=audio 9000 RTP/AVP 18\n", Error::NoCommonCodec),
        ("m=audio 9000 RTP/SAVP 0\n", Error::NoCommonMedia),
        ("", Error::Malformed("it holds no media")),
    ] {
        assert_eq!(accept(&local(), &peer(answered)), Err(expected), "{answered}");
    }
}

#[test]
fn packet_time_follows_the_peer_where_every_codec_can() {
    for (attributes, expected) in [
        ("", 20),
        ("a=ptime:20\n", 20),
        ("a=ptime:60\n", 60),
        ("a=ptime:30\n", 20),
        ("a=ptime:0\n", 20),
        ("a=ptime:banana\n", 20),
        ("a=ptime:40\na=maxptime:20\n", 20),
        ("a=maxptime:15\n", 10),
        ("a=maxptime:150\n", 20),
        ("a=maxptime:1\n", 20),
    ] {
        let (_, agreed) = answer(&local(), &peer(&format!("m=audio 9000 RTP/AVP 0\n{attributes}"))).unwrap();
        assert_eq!(agreed.ptime, expected, "{attributes}");
    }
}

#[test]
fn mutated_descriptions_never_panic() {
    let valid = [
        offer(&local()),
        peer(
            "m=video 0 RTP/AVP 31\nm=audio 9000 RTP/AVP 111 101\na=rtpmap:111 opus/48000/2\na=rtpmap:101 telephone-event/8000\na=sendonly\na=ptime:20\n",
        ),
    ];
    let mut mutation = crate::sip::wire::Mutation::new(4566);
    for round in 0..10_000 {
        let mutated = mutation.apply(&valid[round % valid.len()]);
        if let Ok((answered, _)) = answer(&local(), &mutated) {
            let written = String::from_utf8_lossy(&answered).into_owned();
            super::parse::parse(&written).unwrap();
        }
        let _ = accept(&local(), &mutated);
    }
}
