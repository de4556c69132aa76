//! Messages of any size and odd shape, to show that the time to read one grows with its length and no faster.

/// What is read, and by whom.
pub enum Shape {
    Message(Vec<u8>),
    Description(String),
}

const INVITE: &str = "INVITE sip:bob@example.com{uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1{via}\r\nFrom: <sip:a@b>;tag=1{from}\r\nTo: {to}<sip:bob@example.com>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n";

/// Every shape, of about `size` bytes.
pub fn shapes(size: usize) -> Vec<(&'static str, Shape)> {
    let room = size.saturating_sub(200);
    let filled = |filler: &str| filler.repeat(room / filler.len());
    let at = |mark: &str, text: &str| {
        let message = INVITE.replace(mark, text);
        let message =
            ["{uri}", "{via}", "{from}", "{to}", "{more}"].iter().fold(message, |text, mark| text.replace(mark, ""));
        Shape::Message(message.into_bytes())
    };
    let value = |filler: &str| at("{more}", &format!("X: a{}\r\n", filled(filler)));
    // No byte of UTF-8 is 0xff.
    let broken = |shape: Shape| match shape {
        Shape::Message(bytes) => {
            Shape::Message(bytes.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect())
        }
        other => other,
    };
    let line = |length: usize| format!("X-A: {}\r\n", "b".repeat(length.max(8) - 7));
    let session = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
    let described = |filler: &str| Shape::Description(format!("{session}{}", filled(filler)));
    let audio = |filler: &str| Shape::Description(format!("{session}m=audio 4000 RTP/AVP 0\r\n{}", filled(filler)));
    vec![
        ("one long value", value("b")),
        ("folded lines", value("\r\n b")),
        ("folded empty lines", value("\r\n \t")),
        ("commas", value(",")),
        ("quotation marks", value("\"\\")),
        ("lone line feeds", value("\n")),
        ("lone carriage returns", value("\r")),
        ("bytes that are no UTF-8", broken(value("\u{1}"))),
        ("bytes that are no UTF-8, here and there", broken(value("abcdefg\u{1}"))),
        ("spaces", value(" ")),
        ("256 headers", at("{more}", &line(room / 240).repeat(240))),
        ("short headers", at("{more}", &filled("A: b\r\n"))),
        ("lines without a colon", at("{more}", &filled("abc\r\n"))),
        ("one line without a colon", at("{more}", &format!("{}\r\n", filled("a")))),
        ("Via elements", at("{via}", &filled(", SIP/2.0/UDP h;branch=z9hG4bK1"))),
        ("Via parameters", at("{via}", &filled(";a=b"))),
        ("From parameters", at("{from}", &filled(";a=b"))),
        ("empty parameters", at("{from}", &filled(";"))),
        ("URI parameters", at("{uri}", &filled(";a=b"))),
        ("escapes in a URI", at("{uri}", &format!(";a={}", filled("%41")))),
        ("a long display name", at("{to}", &format!("\"{}\" ", filled("a")))),
        ("a display name of escapes", at("{to}", &format!("\"{}\" ", filled("\\\"")))),
        ("SDP: media", described("m=audio 0 RTP/AVP 0\r\n")),
        ("SDP: attributes", audio("a=sendrecv\r\n")),
        ("SDP: mappings", audio("a=rtpmap:97 a/8000\r\n")),
        ("SDP: empty lines", audio("\r\n")),
        ("SDP: formats", Shape::Description(format!("{session}m=audio 4000 RTP/AVP{}\r\n", filled(" 96")))),
    ]
}
