//! How fast messages are read and written, as JSON lines: median and spread (10th and 90th percentile) of 41 rounds.
//! Run by `cargo bench -p deskline-core --bench parse [part of a name]`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use deskline_core::sip::wire::{StreamFramer, parse, write};
use deskline_core::sip::{HeaderAccess, Message};
use rsip::headers::ToTypedHeader;
use rsip::message::HeadersExt;

const ROUNDS: usize = 41;

fn main() {
    let invite = invite();
    assert!((900..1100).contains(&invite.len()), "the yardstick is a message of 1 KB, not {}", invite.len());
    let message = parse(&invite).expect("the message of this file is valid");

    measure("parse_invite_1k", || drop(black_box(parse(black_box(&invite)))));
    measure("parse_invite_1k_by_rsip", || drop(black_box(rsip::SipMessage::try_from(black_box(&invite[..])))));
    measure("parse_and_read_invite_1k", || {
        let message = parse(black_box(&invite)).expect("the message of this file is valid");
        let headers = message.headers();
        drop(black_box((headers.via(), headers.from_header(), headers.to_header(), headers.cseq(), headers.contact())));
    });
    measure("parse_and_read_invite_1k_by_rsip", || {
        let message = rsip::SipMessage::try_from(black_box(&invite[..])).expect("rsip reads this message too");
        let typed = (
            message.via_header().map(|header| header.typed()),
            message.from_header().map(|header| header.typed()),
            message.to_header().map(|header| header.typed()),
            message.cseq_header().map(|header| header.typed()),
            message.contact_header().map(|header| header.typed()),
        );
        drop(black_box(typed));
    });
    measure("write_invite_1k", || drop(black_box(write(black_box(&message)))));
    measure("parse_and_write_invite_1k", || {
        let message: Message = parse(black_box(&invite)).expect("the message of this file is valid");
        drop(black_box(write(&message)));
    });
    measure("frame_invite_1k", || {
        let mut framer = StreamFramer::new();
        framer.push(black_box(&invite));
        drop(black_box(framer.next()));
    });
    // Shapes that would show time that is not linear: 64 KiB of each.
    for (name, filler) in [
        ("parse_64k_one_long_value", "a".to_owned()),
        ("parse_64k_folded_lines", "\r\n a".to_owned()),
        ("parse_64k_commas", ",".to_owned()),
        ("parse_64k_quotation_marks", "\"\\".to_owned()),
        ("parse_64k_lone_line_feeds", "\n".to_owned()),
        ("parse_64k_invalid_utf_8", "\u{1}".to_owned()),
        ("parse_64k_vias", ", SIP/2.0/UDP h;branch=z9hG4bK1".to_owned()),
    ] {
        if !is_chosen(name) {
            continue;
        }
        let room = 64 * 1024 - invite.len() - 16;
        let value = filler.repeat(room / filler.len());
        let value = if name.ends_with("vias") { value } else { format!("\r\nX-Long: {value}") };
        let branch = ";branch=z9hG4bK74bf9";
        let text = String::from_utf8_lossy(&invite).replacen(branch, &format!("{branch}{value}"), 1);
        // No byte of UTF-8 is 0xff.
        let long: Vec<u8> = text.bytes().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
        assert!(parse(&long).is_ok(), "{name}");
        measure(name, || drop(black_box(parse(black_box(&long)))));
    }
}

fn is_chosen(name: &str) -> bool {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-')).is_none_or(|chosen| name.contains(&chosen))
}

/// Prints nanoseconds per call.
fn measure(name: &str, mut call: impl FnMut()) {
    if !is_chosen(name) {
        return;
    }
    let mut batch = 1_u32;
    while time(&mut call, batch) < Duration::from_millis(2) {
        batch *= 2;
    }
    let mut rounds: Vec<f64> =
        (0..ROUNDS).map(|_| time(&mut call, batch).as_nanos() as f64 / f64::from(batch)).collect();
    rounds.sort_by(f64::total_cmp);
    let [low, median, high] = [ROUNDS / 10, ROUNDS / 2, ROUNDS - 1 - ROUNDS / 10].map(|index| rounds[index]);
    println!(
        "{{\"name\":\"{name}\",\"unit\":\"ns\",\"median\":{median:.0},\"p10\":{low:.0},\"p90\":{high:.0},\"per_second\":{:.0}}}",
        1e9 / median
    );
}

fn time(call: &mut impl FnMut(), batch: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..batch {
        call();
    }
    start.elapsed()
}

fn invite() -> Vec<u8> {
    let body = "v=0\r\no=alice 2890844526 2890844526 IN IP4 client.atlanta.example.com\r\ns=-\r\n\
        c=IN IP4 192.0.2.101\r\nt=0 0\r\nm=audio 49172 RTP/AVP 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
        a=ptime:20\r\na=sendrecv\r\n";
    format!(
        "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;rport\r\n\
         Record-Route: <sip:proxy1.atlanta.example.com;lr>\r\n\
         Max-Forwards: 70\r\n\
         From: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
         To: \"Bob\" <sip:bob@biloxi.example.com>\r\n\
         Call-ID: 3848276298220188511@atlanta.example.com\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:alice@client.atlanta.example.com:5060;transport=udp>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY\r\n\
         Supported: replaces, timer, outbound\r\n\
         P-Asserted-Identity: \"Alice\" <sip:alice@atlanta.example.com>\r\n\
         User-Agent: Example/1.0\r\n\
         X-Call-Data: id=0123456789;queue=sales\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
