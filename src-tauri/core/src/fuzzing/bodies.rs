//! The texts inside messages: headers, descriptions, challenges, small bodies.

use std::net::SocketAddr;

use crate::media::{Codec, Direction};
use crate::pii::Pii;
use crate::sdp::{self, LocalMedia, offer_answer};
use crate::sip::digest::{Challenge, Credentials, Digested, Login};
use crate::sip::message::{CSeq, Header, HeaderAccess, HeaderName, Headers, Method, Via};
use crate::sip::refer::ReferTo;
use crate::sip::replaces::Replaces;
use crate::sip::sipfrag;
use crate::sip::subscription::{EventPackage, SubscriptionState};
use crate::sip::uri::{NameAddr, Uri};

/// Every typed reader of a header, over the values of which the input has one a line.
pub fn headers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut headers = Headers::new();
    for line in text.lines().take(64) {
        let (name, value) = line.split_once(':').unwrap_or(("From", line));
        headers.push(Header::new(name.trim(), value.trim()));
    }
    let _ = (headers.via(), headers.vias(), headers.from_header(), headers.to_header(), headers.cseq());
    let _ = (headers.contacts(), headers.contact(), headers.routes(), headers.record_routes());
    let _ = (headers.expires(), headers.min_expires(), headers.retry_after(), headers.max_forwards());
    let _ = (headers.content_type(), headers.reason_cause("SIP"), headers.to_tag(), headers.from_tag());
    for header in headers.iter() {
        value(header.value);
    }
    let copy = headers.clone();
    assert_eq!(copy, headers);
    if let Ok(mut via) = headers.via() {
        via.set_source(SocketAddr::from(([192, 0, 2, 1], 5060)));
        headers.replace_top_via(&via);
        // A value that was neither a token nor quoted is quoted now.
        let again = headers.via().expect("what was read and written can be read");
        assert_eq!((again.host, again.port, again.params.len()), (via.host, via.port, via.params.len()));
        let count = headers.items(HeaderName::Via).count();
        headers.remove_top_via();
        assert_eq!(headers.items(HeaderName::Via).count() + 1, count);
    }
}

fn value(text: &str) {
    if let Ok(uri) = text.parse::<Uri>() {
        assert_eq!(uri.to_string().parse::<Uri>().as_ref(), Ok(&uri));
        assert!(uri.is_equivalent(&uri), "a URI differs from itself");
        let _ = (uri.user_plain(), uri.address_of_record().to_string(), uri.host_addr());
    }
    if let Ok(address) = text.parse::<NameAddr>() {
        let again: NameAddr = address.to_string().parse().expect("what was read and written can be read");
        assert_eq!((&again.uri, again.params.len()), (&address.uri, address.params.len()));
        let _ = (address.tag(), address.expires());
    }
    if let Ok(via) = text.parse::<Via>() {
        let again: Via = via.to_string().parse().expect("what was read and written can be read");
        assert_eq!((&again.host, again.port, again.params.len()), (&via.host, via.port, via.params.len()));
        let _ = (via.received(), via.rport(), via.sent_by(), via.has_magic_cookie());
    }
    if let Ok(cseq) = text.parse::<CSeq>() {
        assert_eq!(cseq.to_string().parse::<CSeq>(), Ok(cseq));
    }
    let _ = (text.parse::<Method>(), text.parse::<Replaces>(), text.parse::<EventPackage>());
    let _ = text.parse::<SubscriptionState>();
    if let Ok(refer) = ReferTo::parse(text) {
        let _ = refer.to_value();
    }
    let _ = crate::workbench::target::parse(text, "example.com");
}

/// Reading a description, answering it as an offer, and taking it as an answer.
pub fn sdp(bytes: &[u8]) {
    let local = LocalMedia {
        session_id: 1,
        version: 1,
        address: SocketAddr::from(([192, 0, 2, 1], 4000)),
        codecs: vec![Codec::Opus, Codec::Pcma, Codec::Pcmu],
        dtmf: true,
        direction: Direction::SendRecv,
        ptime: 20,
    };
    let _ = sdp::parse::parse(&String::from_utf8_lossy(bytes));
    if let Ok((answer, agreed)) = offer_answer::answer(&local, bytes) {
        let text = std::str::from_utf8(&answer).expect("an answer of ours is text");
        let read = sdp::parse::parse(text).expect("our answer can be read");
        let offered = sdp::parse::parse(&String::from_utf8_lossy(bytes)).map(|offer| offer.media.len());
        assert_eq!(Ok(read.media.len()), offered, "every medium of the offer is answered");
        assert!(agreed.receive_payload_type < 128 && agreed.send_payload_type < 128);
        let again = offer_answer::reoffer(&local, &agreed);
        let _ = offer_answer::accept_reoffer(&local, &agreed, bytes);
        assert!(sdp::parse::parse(&String::from_utf8_lossy(&again)).is_ok(), "our offer can be read");
    }
    let _ = offer_answer::accept(&local, bytes);
}

/// The headers of digest authentication, in both roles.
pub fn challenge(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let password = Pii::new("secret".to_owned());
    let login = || Login { user: "1001", password: &password };
    let request = || Digested { method: &Method::Register, uri: "sip:example.com", body: b"" };
    for challenge in Challenge::parse_all(&text).iter().take(16) {
        let answer = challenge.answer(login(), request(), "c0ffee", 1);
        assert!(!answer.contains(['\r', '\n']), "credentials hold a line break");
        match Credentials::parse(&answer) {
            Ok(credentials) => drop(credentials.verify(challenge, login(), request())),
            Err(error) => assert!(challenge.nonce.is_empty(), "credentials of ours cannot be read: {error}"),
        }
    }
    let mut headers = Headers::new();
    for line in text.lines().take(32) {
        headers.add(HeaderName::WwwAuthenticate, line);
        headers.add(HeaderName::Authorization, line);
    }
    let _ = Challenge::strongest(&headers, HeaderName::WwwAuthenticate);
    let _ = Challenge::strongest_by_realm(&headers, HeaderName::WwwAuthenticate);
    if let Some(credentials) = Credentials::for_realm(&headers, HeaderName::Authorization, "r") {
        let _ =
            credentials.verify(&Challenge::new("r", "n", crate::sip::digest::Algorithm::Sha256), login(), request());
        let _ = crate::sip::digest::AuthenticationInfo::parse(&text).is_credible(&credentials, login(), b"");
    }
}

/// Small bodies, and what a person or a link writes to be called.
pub fn bodies(bytes: &[u8]) {
    if let Some(status) = sipfrag::status(bytes) {
        assert_eq!(sipfrag::status(&sipfrag::of_status(status)), Some(status));
    }
    let _ = crate::workbench::target::parse(&String::from_utf8_lossy(bytes), "example.com");
}
