#![allow(clippy::unwrap_used)]

use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_is_read_is_written_again() {
    for text in [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:*72%23@[2001:db8::1]:5070;lr;x=1",
        "sip:a_b.example.com:5060",
        "tel:+1-201-555-0123;phone-context=example.com;isub=1?2",
        "tel:*72",
        "urn:service:sos",
        "mailto:a@b?c=d",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
    assert_eq!(uri("SIP:a@B;X=Y").to_string(), "sip:a@B;X=Y");
}

#[test]
fn what_is_no_uri_is_refused() {
    for text in [
        "",
        "sip",
        ":",
        "sip:",
        "sip:@host",
        "sip:a@",
        "sip:a@b:",
        "sip:a@b:0x1",
        "sip:a@b:65536",
        "sip:a@b:+5",
        "1sip:a@b",
        "sip:a@b c",
        "sip:a b@c",
        "<sip:a@b>",
        "sip:a@\"b\"",
        "sip:a@b\r\n",
        "sip:a@b\0",
        "sip:a@[::1",
        "sip:a@[::1]x",
        "sip:a@[1.2.3.4]",
        "sip:a@[]",
        "sip:a@b;=x",
        "sip:a@b@c",
        "sip:a@b/c",
        "sip:a@münchen.de",
        "tel:",
        "tel:;x=y",
        "x:",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text:?}: {:?}", text.parse::<Uri>());
    }
}

#[test]
fn parts_are_where_they_belong() {
    let uri = uri("sip:a;b?c:d;e@h:1;f=g;i?j=k&l=m");
    assert_eq!((uri.user.as_deref(), uri.password.as_deref()), (Some("a;b?c"), Some("d;e")));
    assert_eq!((&*uri.host, uri.port), ("h", Some(1)));
    assert_eq!((uri.param("F"), uri.param("i"), uri.param("j")), (Some("g"), Some(""), None));
    assert_eq!(uri.headers.as_deref(), Some("j=k&l=m"));
    assert_eq!(uri.host_addr(), None);
}

#[test]
fn constructors_escape() {
    assert_eq!(Uri::sip("*72#", "pbx").to_string(), "sip:*72%23@pbx");
    assert_eq!(Uri::sip("Jäger & Söhne", "pbx").user_plain().as_deref(), Some("Jäger & Söhne"));
    assert_eq!(Uri::sip("", "pbx"), Uri::sip_host("pbx"));
    let address = "[2001:db8::1]:5062".parse().unwrap();
    let contact = Uri::sip_address("1001", address).with_param("transport", Some("ws"));
    assert_eq!(contact.to_string(), "sip:1001@[2001:db8::1]:5062;transport=ws");
    assert_eq!(contact.host_addr(), Some(address.ip()));
    assert_eq!(Uri::tel("+4930123456").to_string(), "tel:+4930123456");
    assert_eq!(unescape("%41%zz%4%"), "A%zz%4%");
    assert_eq!(unescape("%ff"), "\u{fffd}");
}

/// The examples of RFC 3261 §19.1.4, and of RFC 3966 §4.
#[test]
fn equivalence() {
    for (one, other) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ("sip:a@b;lr", "sip:a@b"),
        ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
        ("tel:123;phone-context=Example.com;ext=4", "tel:123;EXT=4;phone-context=example.com"),
    ] {
        assert!(uri(one).is_equivalent(&uri(other)) && uri(other).is_equivalent(&uri(one)), "{one} and {other}");
    }
    for (one, other) in [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("sip:bob:x@biloxi.com", "sip:bob@biloxi.com"),
        ("tel:+123", "tel:123"),
        ("tel:123;ext=4", "tel:123"),
    ] {
        assert!(!uri(one).is_equivalent(&uri(other)) && !uri(other).is_equivalent(&uri(one)), "{one} and {other}");
    }
}

#[test]
fn an_address_of_record_is_bare() {
    let full = uri("sip:%31001:pw@PBX.example.com:5080;user=phone?x=y");
    assert_eq!(full.address_of_record().to_string(), "sip:1001@pbx.example.com:5080");
}

fn check_name_addr(text: &str, display: Option<&str>, address: &str, params: &str) {
    let parsed: NameAddr = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(parsed.display.as_deref(), display, "{text}");
    assert_eq!(parsed.uri.to_string(), address, "{text}");
    let bare = NameAddr { display: None, ..parsed.clone() }.to_string();
    assert_eq!(bare, format!("<{address}>{params}"), "{text}");
    assert_eq!(parsed.to_string().parse(), Ok(parsed), "{text}");
}

#[test]
fn name_addrs_of_every_form() {
    check_name_addr("<sip:a@b>", None, "sip:a@b", "");
    check_name_addr("sip:a@b;tag=1", None, "sip:a@b", ";tag=1");
    check_name_addr("sip:a@b", None, "sip:a@b", "");
    check_name_addr("<sip:a@b;x=1>;tag=2", None, "sip:a@b;x=1", ";tag=2");
    check_name_addr(" Bob  Smith <sip:a@b> ; tag = 2 ; lr", Some("Bob  Smith"), "sip:a@b", ";tag=2;lr");
    check_name_addr("\"\" <sip:a@b>", None, "sip:a@b", "");
    check_name_addr(r#""A \"B\" \\ <C>, D;" <sip:a@b>"#, Some("A \"B\" \\ <C>, D;"), "sip:a@b", "");
    check_name_addr("\"张三\"<tel:+86-10>;x=\"y;z\"", Some("张三"), "tel:+86-10", ";x=\"y;z\"");
    check_name_addr(
        "<sip:a@b>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";expires=9",
        None,
        "sip:a@b",
        ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";expires=9",
    );
    for text in [
        "",
        "<>",
        "<sip:a@b",
        "\"x",
        "\"x\"",
        "Bob",
        "\"a\" sip:a@b",
        "sip:a@b?x=y",
        "sip:a@b,sip:c@d",
        "<sip:a@b> x",
        "<sip:a@b>;x=\"y",
        "<sip:a@b>;a b=c",
    ] {
        assert!(text.parse::<NameAddr>().is_err(), "{text:?}: {:?}", text.parse::<NameAddr>());
    }
}

#[test]
fn a_list_is_split_where_it_should_be() {
    let list = split_name_addrs("\"a,b\" <sip:a,b@c;x=1,2>;y=\"p,q\" , <sip:d@e>,, sip:f@g").unwrap();
    let texts: Vec<_> = list.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["\"a,b\" <sip:a,b@c;x=1,2>;y=\"p,q\"", "<sip:d@e>", "<sip:f@g>"]);
}

#[test]
fn expires_of_a_contact() {
    let expires = |value: &str| format!("<sip:a@b>;expires={value}").parse::<NameAddr>().unwrap().expires();
    assert_eq!(expires("60"), Some(60));
    assert_eq!(expires("99999999999"), Some(u32::MAX));
    assert_eq!(expires("soon"), Some(3600));
    assert_eq!("<sip:a@b>".parse::<NameAddr>().unwrap().expires(), None);
}

#[test]
fn nothing_breaks_out_of_what_is_written() {
    let evil = "a\"><sip:x@y>;tag=1\r\nInjected: 1";
    let mut bad = Uri::sip("x", "y");
    bad.user = Some(evil.into());
    bad.host = evil.into();
    bad.params = vec![(evil.into(), Some(evil.into()))];
    let address = NameAddr::new(bad).with_display(evil).with_param(evil, Some(evil)).with_param("ok", Some("a;b"));
    let text = address.to_string();
    assert!(!text.contains(['\r', '\n']));
    assert_eq!(text.matches('<').count() - text.matches("\\\"><").count(), 1, "{text}");
    let shown = NameAddr::new(Uri::sip("a", "b")).with_display(evil).with_param("x", Some(evil)).to_string();
    let read: NameAddr = shown.parse().unwrap();
    assert_eq!((read.tag(), &read.uri), (None, &Uri::sip("a", "b")));
    assert_eq!(read.display.as_deref(), Some("a\"><sip:x@y>;tag=1  Injected: 1"));
}
