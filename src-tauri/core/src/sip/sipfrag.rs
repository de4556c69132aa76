//! `message/sipfrag` (RFC 3420), as far as the reports of a REFER need it: the status line of an answer.

use super::message::reason_phrase;

/// The content type of a report.
pub const CONTENT_TYPE: &str = "message/sipfrag;version=2.0";

/// The status code at the head of a fragment: 100..=699. What follows the first line does not matter (RFC 3515 §2.4.5).
pub fn status(body: &[u8]) -> Option<u16> {
    let line = body.split(|&byte| byte == b'\r' || byte == b'\n').find(|line| !line.is_empty())?;
    let rest = line.strip_prefix(b"SIP/2.0").or_else(|| line.strip_prefix(b"sip/2.0"))?;
    let rest = rest.strip_prefix(b" ")?.trim_ascii_start();
    let (digits, behind) = rest.split_at_checked(3)?;
    if behind.first().is_some_and(|byte| *byte != b' ') {
        return None;
    }
    let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (100..700).contains(&status).then_some(status)
}

/// The report of a status.
pub fn of_status(status: u16) -> Vec<u8> {
    format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)).into_bytes()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_from_the_first_line() {
        for (body, expected) in [
            ("SIP/2.0 100 Trying\r\n", Some(100)),
            ("SIP/2.0 200 OK", Some(200)),
            ("SIP/2.0 603", Some(603)),
            ("\r\nSIP/2.0 486 Busy Here\r\nVia: x\r\n\r\n", Some(486)),
            ("SIP/2.0 99 x", None),
            ("SIP/2.0 700 x", None),
            ("SIP/2.0 2000 x", None),
            ("SIP/2.0 +20 x", None),
            ("SIP/2.0", None),
            ("INVITE sip:a@b SIP/2.0", None),
            ("", None),
            ("SIP/2.0 2é", None),
        ] {
            assert_eq!(status(body.as_bytes()), expected, "{body:?}");
        }
        assert_eq!(status(&of_status(180)), Some(180));
    }
}
