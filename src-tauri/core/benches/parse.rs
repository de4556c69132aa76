//! How fast messages are read and written, beside rsip, as JSON lines: median and spread (10th and 90th percentile) of 41
//! rounds. Run by `cargo bench -p deskline-core --bench parse [part of a name]`.

mod shapes;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use deskline_core::sdp;
use deskline_core::sip::wire::{StreamFramer, parse, write};
use deskline_core::sip::{HeaderAccess, Message};
use rsip::headers::ToTypedHeader;
use rsip::message::HeadersExt;
use shapes::{Shape, shapes};

const ROUNDS: usize = 41;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if counted(&args) {
        return;
    }
    let mut figures = BTreeMap::new();
    let mut measure = |name: &str, call: &mut dyn FnMut()| {
        if let Some(median) = measure(name, call) {
            figures.insert(name.to_owned(), median);
        }
    };
    let invite = invite();
    assert!((900..1100).contains(&invite.len()), "the yardstick is a message of 1 KB, not {}", invite.len());
    let message = parse(&invite).expect("the message of this file is valid");

    measure("parse_invite_1k", &mut || drop(black_box(parse(black_box(&invite)))));
    measure("parse_invite_1k_by_rsip", &mut || drop(black_box(rsip::SipMessage::try_from(black_box(&invite[..])))));
    measure("parse_and_read_invite_1k", &mut || {
        let message = parse(black_box(&invite)).expect("the message of this file is valid");
        let headers = message.headers();
        drop(black_box((headers.via(), headers.from_header(), headers.to_header(), headers.cseq(), headers.contact())));
    });
    measure("parse_and_read_invite_1k_by_rsip", &mut || {
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
    measure("write_invite_1k", &mut || drop(black_box(write(black_box(&message)))));
    measure("parse_and_write_invite_1k", &mut || {
        let message: Message = parse(black_box(&invite)).expect("the message of this file is valid");
        drop(black_box(write(&message)));
    });
    measure("parse_and_write_invite_1k_by_rsip", &mut || {
        let message = rsip::SipMessage::try_from(black_box(&invite[..])).expect("rsip reads this message too");
        drop(black_box(Vec::from(message)));
    });
    measure("frame_invite_1k", &mut || {
        let mut framer = StreamFramer::new();
        framer.push(black_box(&invite));
        drop(black_box(framer.next()));
    });
    ratio("parse", "parse_invite_1k_by_rsip", "parse_invite_1k", &mut figures);
    ratio("parse_and_write", "parse_and_write_invite_1k_by_rsip", "parse_and_write_invite_1k", &mut figures);
    ratio("parse_and_read", "parse_and_read_invite_1k_by_rsip", "parse_and_read_invite_1k", &mut figures);
}

/// `--once SHAPE SIZE TIMES`: reads a shape so many times, for a tool that counts instructions. `--shapes` names them.
fn counted(args: &[String]) -> bool {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--shapes"] => {
            shapes(1024).iter().for_each(|(name, _)| println!("{name}"));
            println!("{USUAL}");
        }
        ["--once", wanted, size, times] => {
            let (size, times): (usize, usize) =
                (size.parse().expect("SIZE is a number"), times.parse().expect("TIMES is a number"));
            let usual = (USUAL, Shape::Message(invite()));
            let all = shapes(size);
            let (_, shape) =
                all.iter().chain([&usual]).find(|(name, _)| *name == wanted).expect("SHAPE is one of --shapes");
            for _ in 0..times {
                match shape {
                    Shape::Message(bytes) => drop(black_box(parse(black_box(bytes)))),
                    Shape::Description(text) => drop(black_box(sdp::parse::parse(black_box(text)))),
                }
            }
        }
        _ => return false,
    }
    true
}

/// The message that everything else is compared with.
const USUAL: &str = "the usual INVITE";

fn ratio(what: &str, theirs: &str, ours: &str, figures: &mut BTreeMap<String, f64>) {
    if let (Some(theirs), Some(ours)) = (figures.get(theirs), figures.get(ours)) {
        println!("{{\"name\":\"{what}_times_as_fast_as_rsip\",\"unit\":\"\",\"median\":{:.2}}}", theirs / ours);
    }
}

fn is_chosen(name: &str) -> bool {
    std::env::args().skip(1).find(|argument| !argument.starts_with('-')).is_none_or(|chosen| name.contains(&chosen))
}

/// Prints nanoseconds per call; the median.
fn measure(name: &str, mut call: &mut dyn FnMut()) -> Option<f64> {
    if !is_chosen(name) {
        return None;
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
    Some(median)
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
