//! All messages of RFC 4475 and RFC 5118, byte for byte, before the parser and before a whole user agent, each with the
//! verdict that its RFC prescribes.

use std::time::Instant;

use super::*;
use crate::flow::{Flow, FlowId, Transport};
use crate::sip::UserAgent;
use crate::sip::message::{HeaderAccess, HeaderName, Method};
use crate::sip::user_agent::{Config, Event, Output};

/// What the parser makes of a message.
#[derive(Debug, PartialEq)]
enum Read {
    Sound,
    /// Answered by this status, whoever receives it.
    Refused(u16),
    Dropped,
}

/// What a user agent does with it, one that leaves REGISTER and MESSAGE to its application.
#[derive(Debug, PartialEq)]
enum Done {
    Answered(u16),
    /// 100, and the application is told.
    Rings,
    HandedOver,
    Dropped(&'static str),
}

use Done::{Answered, HandedOver, Rings};
use Read::{Refused, Sound};

#[rustfmt::skip]
const RFC_4475: &[(&str, &str, Read, Done)] = &[
    // Valid messages. A To tag of no dialog of ours: 481.
    ("3.1.1.1", "wsinv", Sound, Answered(481)),
    ("3.1.1.2", "intmeth", Sound, Answered(405)),
    ("3.1.1.3", "esc01", Sound, Rings),
    ("3.1.1.4", "escnull", Sound, HandedOver),
    // `%` does not escape in a method: this is no REGISTER.
    ("3.1.1.5", "esc02", Sound, Answered(405)),
    ("3.1.1.6", "lwsdisp", Sound, Answered(200)),
    ("3.1.1.7", "longreq", Sound, Rings),
    ("3.1.1.8", "dblreq", Sound, HandedOver),
    ("3.1.1.9", "semiuri", Sound, Answered(200)),
    ("3.1.1.10", "transports", Sound, Answered(200)),
    ("3.1.1.11", "mpart01", Sound, HandedOver),
    ("3.1.1.12", "unreason", Sound, Done::Dropped("stray response")),
    ("3.1.1.13", "noreason", Sound, Done::Dropped("stray response")),
    // Invalid messages.
    ("3.1.2.1", "badinv01", Refused(400), Answered(400)),
    ("3.1.2.2", "clerr", Refused(400), Answered(400)),
    ("3.1.2.3", "ncl", Refused(400), Answered(400)),
    ("3.1.2.4", "scalar02", Refused(400), Answered(400)),
    ("3.1.2.5", "scalarlg", Read::Dropped, Done::Dropped("CSeq is not a number")),
    ("3.1.2.6", "quotbal", Refused(400), Answered(400)),
    ("3.1.2.7", "ltgtruri", Refused(400), Answered(400)),
    ("3.1.2.8", "lwsruri", Refused(400), Answered(400)),
    ("3.1.2.9", "lwsstart", Refused(400), Answered(400)),
    ("3.1.2.10", "trws", Refused(400), Answered(400)),
    ("3.1.2.11", "escruri", Sound, Answered(400)),
    // A Date that nobody needs harms nobody.
    ("3.1.2.12", "baddate", Sound, Rings),
    ("3.1.2.13", "regbadct", Sound, Answered(400)),
    ("3.1.2.14", "badaspec", Refused(400), Answered(400)),
    // What was meant can be told, as the RFC allows.
    ("3.1.2.15", "baddn", Sound, Answered(200)),
    ("3.1.2.16", "badvers", Refused(505), Answered(505)),
    ("3.1.2.17", "mismatch01", Refused(400), Answered(400)),
    ("3.1.2.18", "mismatch02", Refused(400), Answered(400)),
    ("3.1.2.19", "bigcode", Read::Dropped, Done::Dropped("the status code is not one")),
    // Transaction layer.
    ("3.2.1", "badbranch", Sound, Answered(200)),
    // Application layer.
    ("3.3.1", "insuf", Refused(400), Answered(400)),
    ("3.3.2", "unkscm", Sound, Answered(416)),
    ("3.3.3", "novelsc", Sound, Answered(416)),
    ("3.3.4", "unksm2", Sound, HandedOver),
    ("3.3.5", "bext01", Sound, Answered(420)),
    ("3.3.6", "invut", Sound, Answered(415)),
    ("3.3.7", "regaut01", Sound, HandedOver),
    ("3.3.8", "multi01", Refused(400), Answered(400)),
    ("3.3.9", "mcl01", Refused(400), Answered(400)),
    ("3.3.10", "bcast", Sound, Done::Dropped("response with more than one Via")),
    // Only who forwards answers 483.
    ("3.3.11", "zeromf", Sound, Answered(200)),
    ("3.3.12", "cparam01", Sound, HandedOver),
    ("3.3.13", "cparam02", Sound, HandedOver),
    ("3.3.14", "regescrt", Sound, HandedOver),
    ("3.3.15", "sdp01", Sound, Answered(406)),
    // Backward compatibility.
    ("3.4.1", "inv2543", Sound, Rings),
];

#[rustfmt::skip]
const RFC_5118: &[(&str, &str, Read, Done)] = &[
    ("4.1", "ipv6-good", Sound, HandedOver),
    ("4.2", "ipv6-bad", Refused(400), Answered(400)),
    ("4.3", "port-ambiguous", Sound, HandedOver),
    ("4.4", "port-unambiguous", Sound, HandedOver),
    ("4.5", "via-received-param-with-delim", Sound, Answered(481)),
    ("4.5", "via-received-param-no-delim", Sound, Answered(200)),
    ("4.6", "ipv6-in-sdp", Sound, Rings),
    ("4.7", "mult-ip-in-header", Sound, Answered(481)),
    ("4.8", "mult-ip-in-sdp", Sound, Rings),
    ("4.9", "ipv4-mapped-ipv6", Sound, Rings),
    ("4.10", "ipv6-bug-abnf-3-colons", Sound, Answered(200)),
    ("4.10", "ipv6-correct-abnf-2-colons", Sound, Answered(200)),
];

/// The messages of a data file, by name. Lines end in LF there; `<hex>` holds bytes that no text file should.
fn messages(data: &str) -> Vec<(&str, Vec<u8>)> {
    let parts = data.split("=== ").filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, text) = part.split_once('\n').unwrap();
            let mut bytes = Vec::new();
            for (index, piece) in text.split("<hex>").enumerate() {
                let (hex, plain) = if index == 0 { ("", piece) } else { piece.split_once("</hex>").unwrap() };
                bytes.extend(
                    hex.as_bytes()
                        .chunks(2)
                        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()),
                );
                bytes.extend_from_slice(&crlf(plain));
            }
            (name, bytes)
        })
        .collect()
}

fn read(bytes: &[u8]) -> Read {
    match parse(bytes) {
        Ok(_) => Read::Sound,
        Err(ParseError::Answerable { response, .. }) => Read::Refused(response.code()),
        Err(_) => Read::Dropped,
    }
}

/// Gives a message to a user agent that is alone in the world; also whether it holds itself to what it must.
fn done(name: &str, bytes: &[u8]) -> Done {
    let application_methods = vec![Method::Register, Method::Message];
    let mut agent = UserAgent::new(Config { application_methods, ..Config::default() }, [1; 32]);
    let flow = Flow {
        id: FlowId(1),
        transport: Transport::Udp,
        local: "192.0.2.250:5060".parse().unwrap(),
        remote: "192.0.2.251:5060".parse().unwrap(),
    };
    agent.handle_received(Instant::now(), &flow, bytes);
    let (mut done, mut trying) = (None, false);
    while let Some(output) = agent.poll_output() {
        match output {
            Output::Transmit { bytes, .. } => {
                let sent = String::from_utf8_lossy(&bytes).into_owned();
                let status: u16 = sent[8..11].parse().unwrap();
                if status == 100 {
                    trying = true;
                    continue;
                }
                assert!(done.is_none(), "{name}: answered twice");
                // insuf has no To to tag; the To of these two cannot be read.
                if !["insuf", "badaspec", "quotbal"].contains(&name) {
                    assert!(sent.replace(' ', "").contains(";tag="), "{name}: {sent}");
                }
                done = Some(Answered(status));
            }
            Output::Event(Event::Incoming { .. }) => done = Some(Rings),
            Output::Event(Event::Request { .. }) => done = Some(HandedOver),
            Output::Event(Event::Dropped { why }) => {
                assert_eq!(agent.drops().get(why), Some(&1), "{name}");
                done = Some(done.unwrap_or(Done::Dropped(why)));
            }
            _ => {}
        }
    }
    assert_eq!(trying, done == Some(Rings), "{name}");
    done.unwrap_or_else(|| panic!("{name}: nothing came of it"))
}

fn check(data: &str, expected: &[(&str, &str, Read, Done)]) {
    let messages = messages(data);
    let names: Vec<&str> = messages.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected.iter().map(|(_, name, ..)| *name).collect::<Vec<_>>());
    for ((name, bytes), (section, _, expected_read, expected_done)) in messages.iter().zip(expected) {
        assert_eq!(read(bytes), *expected_read, "§{section} {name}: {:?}", parse(bytes));
        assert_eq!(done(name, bytes), *expected_done, "§{section} {name}");
    }
}

#[test]
fn every_message_of_rfc_4475_gets_its_verdict() {
    assert_eq!(RFC_4475.len(), 49);
    check(include_str!("data/rfc4475.txt"), RFC_4475);
}

#[test]
fn every_message_of_rfc_5118_gets_its_verdict() {
    check(include_str!("data/rfc5118.txt"), RFC_5118);
}

#[test]
fn whatever_reads_survives_writing() {
    let all = [include_str!("data/rfc4475.txt"), include_str!("data/rfc5118.txt")].concat();
    for (name, bytes) in messages(&all) {
        if let Ok(message) = parse(&bytes) {
            assert_eq!(parse(&write(&message)).as_ref(), Ok(&message), "{name}");
        }
    }
}

#[test]
fn refusals_name_the_header() {
    let all = include_str!("data/rfc4475.txt");
    for (name, header) in [
        ("badinv01", "Via"),
        ("quotbal", "To"),
        ("clerr", "Content-Length"),
        ("ncl", "Content-Length"),
        ("scalar02", "CSeq"),
        ("insuf", "From"),
        ("multi01", "CSeq stands twice"),
        ("mcl01", "Content-Length stands twice"),
        ("mismatch01", "CSeq"),
    ] {
        let (_, bytes) = messages(all).into_iter().find(|(found, _)| *found == name).unwrap();
        let reason = refusal(&bytes).reason;
        assert!(reason.starts_with("Bad Request: ") && reason.contains(header), "{name}: {reason}");
    }
}

#[test]
fn ipv6_references_mean_what_rfc_5118_says() {
    let all = messages(include_str!("data/rfc5118.txt"));
    let of = |wanted: &str| request(&all.iter().find(|(name, _)| *name == wanted).unwrap().1);
    let uri = |name: &str| of(name).uri;
    assert_eq!(
        (uri("port-ambiguous").host_addr(), uri("port-ambiguous").port),
        ("2001:db8::10:5070".parse().ok(), None)
    );
    assert_eq!(
        (uri("port-unambiguous").host_addr(), uri("port-unambiguous").port),
        ("2001:db8::10".parse().ok(), Some(5070))
    );
    assert_eq!(uri("ipv6-bug-abnf-3-colons").host_addr(), uri("ipv6-correct-abnf-2-colons").host_addr());
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        assert_eq!(of(name).headers.via().unwrap().received(), "2001:db8::9:255".parse().ok(), "{name}");
    }
    assert_eq!(of("mult-ip-in-header").headers.items(HeaderName::Via).count(), 3);
    assert_eq!(of("ipv4-mapped-ipv6").headers.contact().unwrap().uri.host_addr(), "::ffff:192.0.2.2".parse().ok());
}
