//! The torture messages of RFC 4475 (named as there) and of RFC 5118, as far as they test reading.

use super::*;
use crate::sip::message::{Contacts, HeaderAccess, HeaderName, Method};
use crate::sip::uri::{NameAddr, Uri};

/// The headers that every message needs, for messages that test something else.
fn with_headers(start: &str, method: &str, more: &str) -> Vec<u8> {
    crlf(&format!(
        "{start}\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw\nTo: sip:user@example.com\nFrom: sip:caller@example.net;tag=1\nCall-ID: a@192.0.2.1\nCSeq: 7 {method}\n{more}\n"
    ))
}

#[test]
fn wsinv_short_tortuous_invite() {
    let body = "v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n";
    let head = format!(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : {}
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

",
        body.len()
    );
    let request = request(&[crlf(&head), body.into()].concat());
    let headers = &request.headers;
    assert_eq!(request.uri.param("unknownparam"), Some(""));
    assert_eq!(headers.to_header().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.from_header().unwrap().display.as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(headers.from_tag(), Some("98asjd8"));
    assert_eq!(headers.max_forwards(), Some(68));
    assert_eq!(headers.cseq().unwrap().seq, 9);
    let vias = headers.vias().unwrap();
    let hops: Vec<_> = vias.iter().map(|via| (&*via.transport, &*via.host, via.branch().unwrap())).collect();
    assert_eq!(
        hops,
        [
            ("UDP", "192.0.2.2", "390skdjuw"),
            ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
            ("UDP", "192.168.255.111", "z9hG4bK30239"),
        ]
    );
    assert_eq!(headers.value(HeaderName::Subject), Some(""));
    assert_eq!(headers.named("newfangledheader"), Some("newfangled value continued newfangled value"));
    assert_eq!(headers.named("UnknownHeaderWithUnusualValue"), Some(";;,,;;,;"));
    let route = &headers.routes().unwrap()[0];
    assert!(route.uri.is_loose_route());
    let contact = headers.contact().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(
        (contact.param("newparam"), contact.param("secondparam"), contact.param("q")),
        (Some("newvalue"), Some(""), Some("0.33"))
    );
    assert_eq!(request.body, body.as_bytes());
}

#[test]
fn intmeth_wide_range_of_valid_characters() {
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let user = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*";
    let bytes = crlf(&format!(
        "{method} sip:{user}:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7F\" <sip:{user}@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}}{{
CSeq: 139122385 {method}
Max-Forwards: 255
extensionHeader-!.%*+_`'~:\u{feff}大停電
Content-Length: 0

"
    ));
    let request = request(&bytes);
    assert_eq!(request.method, Method::Extension(method.into()));
    assert_eq!(request.uri.user.as_deref(), Some(user));
    assert_eq!(request.uri.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(request.headers.from_tag(), Some("_token~1'+`*%!-."));
    assert_eq!(request.headers.from_header().unwrap().display.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(request.headers.from_header().unwrap().param("fromParam''~+*_!.-%"), Some("\"работающий\""));
    assert_eq!(request.headers.named("extensionHeader-!.%*+_`'~"), Some("\u{feff}大停電"));
    assert_eq!(request.headers.to_header().unwrap().uri.user.as_deref(), Some(user));
}

#[test]
fn esc01_escnull_and_esc02_percent_escapes() {
    let request_01 = request(&with_headers(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
        "INVITE",
        "Contact: <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>\n",
    ));
    assert_eq!(request_01.uri.user.as_deref(), Some("sips%3Auser%40example.com"));
    assert_eq!(request_01.uri.user_plain().as_deref(), Some("sips:user@example.com"));
    assert_eq!(request_01.uri.to_string(), "sip:sips%3Auser%40example.com@example.net");
    let contact = request_01.headers.contact().unwrap().uri;
    assert_eq!(contact.user_plain().as_deref(), Some("caller"));
    assert_eq!(contact.param("n%61me"), Some("v%61lue%25%34%31"));

    let contacts = "Contact: <sip:%00@host5.example.com>\nContact: <sip:%00%00@host5.example.com>\n";
    let request_null = request(&with_headers("REGISTER sip:example.com SIP/2.0", "REGISTER", contacts));
    let Contacts::List(list) = request_null.headers.contacts().unwrap() else { panic!("a list") };
    assert!(!list[0].uri.is_equivalent(&list[1].uri));
    assert_eq!(list[1].uri.user_plain().as_deref(), Some("\0\0"));

    let request_02 = request(&crlf(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0
To: \"%Z%45\" <sip:resource@example.com>
From: \"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0

",
    ));
    assert_eq!(request_02.method.as_str(), "RE%47IST%45R");
    assert_eq!(request_02.headers.items(HeaderName::Contact).count(), 2);
    assert_eq!(request_02.headers.from_header().unwrap().display.as_deref(), Some("%Z%45"));
}

#[test]
fn lwsdisp_no_space_in_front_of_the_angle_bracket() {
    let bytes = crlf(
        "OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0

",
    );
    assert_eq!(request(&bytes).headers.from_header().unwrap().display.as_deref(), Some("caller"));
}

#[test]
fn longreq_long_values() {
    let long = "long".repeat(60);
    let bytes = crlf(&format!(
        "INVITE sip:user@example.com SIP/2.0
To: \"I have a user name of {long}\"<sip:user@example.com:6000;{long}={long};{long}>
F: sip:{long}@example.net;tag=12{long}424;unknown{long}=
Call-ID: {long}
CSeq: 3882340 INVITE
Unknown{long}: unknown-{long}-value;{long}=x
v: SIP/2.0/TCP sip{n}.example.com, SIP/2.0/TCP sip2.example.com
 ;branch=z9hG4bK{long}, {vias}
Contact: <sip:{long}@host5.example.net>
Content-Length: 0

",
        n = 33,
        vias = vec!["SIP/2.0/TCP sip31.example.com:5060;branch=very"; 30].join(",\n  "),
    ));
    let request = request(&bytes);
    assert_eq!(request.headers.vias().unwrap().len(), 32);
    assert_eq!(request.headers.call_id(), Some(&*long));
}

#[test]
fn dblreq_octets_behind_the_message_are_ignored() {
    let first = with_headers("REGISTER sip:example.com SIP/2.0", "REGISTER", "Content-Length: 0\n");
    let both = [first.clone(), crlf(INVITE)].concat();
    assert_eq!(parse(&both), parse(&first));
    assert!(request(&both).body.is_empty());
}

#[test]
fn semiuri_transports_unreason_and_noreason() {
    let semi = request(&with_headers("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", "OPTIONS", ""));
    assert_eq!(semi.uri.user_plain().as_deref(), Some("user;par=u@example.net"));
    assert!(semi.uri.params.is_empty());

    let vias = "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf\nVia: SIP/2.0/TLS t3.example.com\nVia: SIP/2.0/UNKNOWN t4.example.com:9\n";
    let transports = request(&with_headers("OPTIONS sip:user@example.com SIP/2.0", "OPTIONS", vias));
    let names: Vec<_> = transports.headers.vias().unwrap().into_iter().map(|via| via.transport).collect();
    assert_eq!(names, ["UDP".into(), "SCTP".into(), "TLS".into(), "UNKNOWN".into()]);

    let reason = "= 2**3 * 5**2 но сто девяносто девять - простое";
    let unreason = response(&with_headers(&format!("SIP/2.0 200 {reason}"), "INVITE", ""));
    assert_eq!((unreason.code(), &*unreason.reason), (200, reason));
    let noreason = response(&with_headers("SIP/2.0 100 ", "INVITE", ""));
    assert_eq!((noreason.code(), &*noreason.reason), (100, ""));
    assert_eq!(response(&with_headers("SIP/2.0 180", "INVITE", "")).code(), 180);
}

#[test]
fn mpart01_binary_bodies_pass_unchanged() {
    let body = b"--7a9cbec02ceef655\r\nContent-Type: text/plain\r\n\r\nHello\r\n\0\xff\xfe\r\n--7a9cbec02ceef655--\r\n";
    let head = with_headers(
        "MESSAGE sip:kumiko@example.org SIP/2.0",
        "MESSAGE",
        &format!("Content-Type: multipart/mixed;boundary=7a9cbec02ceef655\nContent-Length: {}\n", body.len()),
    );
    let message = request(&[head, body.to_vec()].concat());
    assert_eq!(message.body, body);
    assert_eq!(message.headers.content_type(), Some("multipart/mixed"));
}

/// Messages of §3.1.2 and §3.3 that are to be answered by this status.
#[test]
fn malformed_requests_are_answered() {
    let start = "INVITE sip:user@example.com SIP/2.0";
    let replace = |from: &str, to: &str| {
        let text = String::from_utf8(with_headers(start, "INVITE", "")).unwrap();
        assert!(text.contains(from));
        text.replace(from, to).into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("badinv01", replace("branch=z9hG4bKkdjuw", ";,;,,"), 400),
        ("clerr", with_headers(start, "INVITE", "Content-Length: 9999\n"), 400),
        ("ncl", with_headers(start, "INVITE", "Content-Length: -999\n"), 400),
        ("a signed length", with_headers(start, "INVITE", "Content-Length: +1\n"), 400),
        ("a length beyond every number", with_headers(start, "INVITE", &format!("l: {}\n", "9".repeat(99))), 400),
        ("scalar02", replace("CSeq: 7", "CSeq: 36893488147419103232"), 400),
        ("a CSeq of 2^31", replace("CSeq: 7", "CSeq: 2147483648"), 400),
        ("quotbal", replace("To: ", "To: \"Mr. J. User <sip:j.user@example.com>"), 400),
        ("ltgtruri", with_headers("INVITE <sip:user@example.com> SIP/2.0", "INVITE", ""), 400),
        ("lwsruri", with_headers("INVITE sip:user@example.com; lr SIP/2.0", "INVITE", ""), 400),
        ("lwsstart", with_headers("INVITE  sip:user@example.com  SIP/2.0", "INVITE", ""), 400),
        ("trws", with_headers("INVITE sip:user@example.com SIP/2.0  ", "INVITE", ""), 400),
        ("badaspec", replace("To: sip:user@example.com", "To: < sip:user@example.com >"), 400),
        ("badvers", with_headers("INVITE sip:user@example.com SIP/7.0", "INVITE", ""), 505),
        ("mismatch01", with_headers(start, "OPTIONS", ""), 400),
        ("mismatch02", with_headers("NEWMETHOD sip:user@example.com SIP/2.0", "INVITE", ""), 400),
        ("insuf", replace("Call-ID: a@192.0.2.1\r\n", ""), 400),
        ("multi01 From", with_headers(start, "INVITE", "From: sip:x@y;tag=9\n"), 400),
        ("multi01 CSeq", with_headers(start, "INVITE", "CSeq: 8 INVITE\n"), 400),
        ("multi01 Call-ID", with_headers(start, "INVITE", "i: b\n"), 400),
        ("mcl01", with_headers(start, "INVITE", "Content-Length: 0\nl: 0\n"), 400),
        ("RFC 5118 §4.2", with_headers("REGISTER sip:2001:db8::10 SIP/2.0", "REGISTER", ""), 400),
    ];
    for (name, bytes, status) in cases {
        let Err(ParseError::Answerable { response, why }) = parse(&bytes) else {
            panic!("{name}: {:?}", parse(&bytes));
        };
        assert_eq!(response.code(), status, "{name}: {why}");
        let headers = &response.headers;
        assert!(headers.value(HeaderName::Via).unwrap().starts_with("SIP/2.0/UDP 192.0.2.1;"), "{name}");
        assert!(headers.value(HeaderName::From).is_some() && headers.value(HeaderName::CSeq).is_some(), "{name}");
        assert!(
            parse(&write(&Message::Response(*response))).is_ok()
                || ["insuf", "badinv01", "scalar02", "a CSeq of 2^31", "quotbal", "badaspec"].contains(&name),
            "{name}"
        );
    }
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    let start = "INVITE sip:user@example.com SIP/2.0";
    let no_via = String::from_utf8(with_headers(start, "INVITE", "")).unwrap().replace("Via", "Vai");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("bigcode", with_headers("SIP/2.0 4294967301 better not break the receiver", "INVITE", "")),
        (
            "scalarlg",
            crlf(
                "SIP/2.0 503 x\nVia: SIP/2.0/TCP h;branch=1\nTo: <sip:a@b>\nFrom: <sip:a@b>;tag=1\nCall-ID: 1\nCSeq: 9292394834772304023312 OPTIONS\n\n",
            ),
        ),
        ("a status of two digits", with_headers("SIP/2.0 20 OK", "INVITE", "")),
        ("a status of 700", with_headers("SIP/2.0 700 OK", "INVITE", "")),
        ("a response of another version", with_headers("SIP/3.0 200 OK", "INVITE", "")),
        ("a truncated response", with_headers("SIP/2.0 200 OK", "INVITE", "Content-Length: 4\n")),
        ("a malformed ACK", with_headers("ACK sip:user@example.com SIP/2.0", "INVITE", "")),
        ("no Via", no_via.into_bytes()),
        ("another protocol", crlf("GET / HTTP/1.1\nHost: example.com\n\n")),
        ("a method that is no token", with_headers("IN,VITE sip:a@b SIP/2.0", "INVITE", "")),
        ("noise", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("one byte", b"I".to_vec()),
    ];
    for (name, bytes) in cases {
        assert!(matches!(parse(&bytes), Err(ParseError::Unanswerable(_))), "{name}: {:?}", parse(&bytes));
    }
    for keep_alive in ["", "\r\n", "\r\n\r\n", "\n"] {
        assert_eq!(parse(keep_alive.as_bytes()), Err(ParseError::KeepAlive));
    }
}

/// Valid or harmless by RFC 4475, so they must be read.
#[test]
fn unusual_requests_are_read() {
    let options = |start: &str, more: &str| request(&with_headers(start, "OPTIONS", more));
    let start = "OPTIONS sip:user@example.com SIP/2.0";

    let novel = options("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", "");
    assert_eq!((&*novel.uri.scheme, novel.uri.to_string()), ("soap.beep", "soap.beep://192.0.2.103:3002".into()));
    let unknown = options("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", "");
    assert_eq!(&*unknown.uri.scheme, "nobodyknowsthisscheme");
    let tel = options("OPTIONS tel:+49-30-1234;ext=5 SIP/2.0", "");
    assert_eq!((tel.uri.user.as_deref(), tel.uri.param("ext")), (Some("+49-30-1234"), Some("5")));
    // escruri: headers in a Request-URI are to be ignored or refused by who uses them.
    let escaped = options("OPTIONS sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", "");
    assert_eq!(escaped.uri.clone().without_headers().to_string(), "sip:user@example.com");
    // baddate, zeromf, bext01, invut, regaut01, sdp01: judged by those who need the header, if anybody.
    let more = "Date: Fri, 01 Jan 2010 16:00:00 EST\nMax-Forwards: 0\nRequire: nothingSupportsThis, nothingSupportsThisEither\nProxy-Require: noProxiesSupportThis\nAccept: text/nobodyKnowsThis\nAuthorization: NoOneKnowsThisScheme opaque-data=here\n";
    let headers = options(start, more).headers;
    assert_eq!(headers.max_forwards(), Some(0));
    assert!(headers.has_item(HeaderName::Require, "NOTHINGsupportsthiseither"));
    assert_eq!(headers.items(HeaderName::Require).count(), 2);
    // regbadct: the Contact is wrong, which concerns a registrar only.
    assert!(
        options(start, "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E\n").headers.contacts().is_err()
    );
    // unksm2: other schemes in From and Contact.
    let bytes = String::from_utf8(with_headers(start, "OPTIONS", "Contact: <name:John_Smith>\n")).unwrap();
    let bytes = bytes.replace("To: sip:user@example.com", "To: isbn:2983792873");
    assert_eq!(request(bytes.as_bytes()).headers.to_header().unwrap().uri.to_string(), "isbn:2983792873");
    // baddn: a comma in a display name without quotation marks does no harm where no list may stand.
    let bytes = bytes.replace("To: isbn:2983792873", "To: Watson, Thomas <sip:t.watson@example.org>");
    assert_eq!(request(bytes.as_bytes()).headers.to_header().unwrap().display.as_deref(), Some("Watson, Thomas"));
    // badbranch: the cookie alone.
    let bytes = bytes.replace("z9hG4bKkdjuw", "z9hG4bK");
    assert!(!request(bytes.as_bytes()).headers.via().unwrap().has_magic_cookie());
    // cparam01, cparam02, regescrt.
    let contact: NameAddr = "<sip:+19725552222@gw1.example.net;unknownparam>;expires=5".parse().unwrap();
    assert_eq!((contact.uri.param("unknownparam"), contact.expires()), (Some(""), Some(5)));
    let contact: NameAddr = "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>".parse().unwrap();
    assert_eq!(contact.uri.headers.as_deref(), Some("Route=%3Csip:sip.example.com%3E"));
    // inv2543: neither branch nor tag.
    let old = request(&crlf(
        "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\nFrom: <sip:+13035551111@ift.client.example.net;user=phone>\nRecord-Route: <sip:UserB@example.com;maddr=ss1.example.com>\nTo: sip:+16505552222@ss1.example.net;user=phone\nCall-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 INVITE\n\n",
    ));
    assert_eq!((old.headers.from_tag(), old.headers.via().unwrap().branch()), (None, None));
    // Without brackets the parameter is the header's.
    assert_eq!(old.headers.to_header().unwrap().param("user"), Some("phone"));
    // bcast: a response that is not ours, but well formed.
    let bcast = response(&with_headers(
        "SIP/2.0 200 OK",
        "INVITE",
        "v: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923;received=255.255.255.255\n",
    ));
    assert_eq!(bcast.headers.vias().unwrap()[1].received(), Some([255, 255, 255, 255].into()));
}

#[test]
fn ipv6_addresses_of_rfc_5118() {
    let bytes = crlf(
        "REGISTER sip:[2001:db8::10]:5070 SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111
Via: SIP/2.0/UDP [2001:db8::9:2]:5080;received=2001:db8::9:256;branch=z9hG4bKas3
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: \"Caller\" <sip:caller@[::FFFF:192.0.2.2]>
CSeq: 98176 REGISTER
Content-Length: 0

",
    );
    let request = request(&bytes);
    assert_eq!(request.uri.host_addr(), Some("2001:db8::10".parse().unwrap()));
    assert_eq!(request.uri.port, Some(5070));
    let vias = request.headers.vias().unwrap();
    assert_eq!(vias[0].received(), Some("2001:db8::9:255".parse().unwrap()));
    assert_eq!(vias[1].received(), Some("2001:db8::9:256".parse().unwrap()));
    assert_eq!((&*vias[1].host, vias[1].port), ("[2001:db8::9:2]", Some(5080)));
    let ambiguous: Uri = "sip:[2001:db8::10:5070]".parse().unwrap();
    assert_eq!((ambiguous.port, ambiguous.host_addr()), (None, Some("2001:db8::10:5070".parse().unwrap())));
}
