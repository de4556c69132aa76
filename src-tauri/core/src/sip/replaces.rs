//! `Replaces` (RFC 3891): the dialog whose place an INVITE is to take.

use std::fmt;
use std::str::FromStr;

use super::message::Malformed;
use super::message::grammar::{ParamScan, is_token, trim};
use super::uri::escape_header;

/// A dialog as the receiver of the INVITE sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    pub call_id: Box<str>,
    /// The tag of the receiver.
    pub to_tag: Box<str>,
    /// The tag of the receiver's peer in that dialog.
    pub from_tag: Box<str>,
    /// Only while the dialog is early; a confirmed one is refused with 486.
    pub early_only: bool,
}

impl Replaces {
    /// As it stands behind the `?` of a Refer-To (RFC 3515 §2.1, RFC 3891 §4): `Replaces=…`, escaped.
    pub fn as_uri_header(&self) -> String {
        format!("Replaces={}", escape_header(&self.to_string()))
    }
}

impl FromStr for Replaces {
    type Err = Malformed;

    /// RFC 3891 §6.1: exactly one `to-tag` and one `from-tag`; unknown parameters are passed over.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = trim(text);
        let (call_id, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let call_id = trim(call_id);
        if call_id.is_empty() || call_id.bytes().any(|byte| byte <= b' ' || byte == b',' || byte == 0x7f) {
            return Err(Malformed("Replaces has no Call-ID"));
        }
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for param in ParamScan::new(params) {
            let (name, value) = param?;
            let slot = match name {
                name if name.eq_ignore_ascii_case("to-tag") => &mut to_tag,
                name if name.eq_ignore_ascii_case("from-tag") => &mut from_tag,
                name if name.eq_ignore_ascii_case("early-only") => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            let tag = value.filter(|tag| is_token(tag)).ok_or(Malformed("a tag in Replaces is not a token"))?;
            if slot.replace(tag).is_some() {
                return Err(Malformed("Replaces names a tag twice"));
            }
        }
        Ok(Self {
            call_id: call_id.into(),
            to_tag: to_tag.ok_or(Malformed("Replaces has no to-tag"))?.into(),
            from_tag: from_tag.ok_or(Malformed("Replaces has no from-tag"))?.into(),
            early_only,
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only {
            f.write_str(";early-only")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn header_is_read_and_written() {
        let read: Replaces = "98732@sip.example.com ;from-tag=r33th4x0r; to-tag=ff87ff;x=y;early-only".parse().unwrap();
        assert_eq!(read.to_string(), "98732@sip.example.com;to-tag=ff87ff;from-tag=r33th4x0r;early-only");
        assert_eq!(read.to_string().parse(), Ok(read));
    }

    #[test]
    fn ambiguous_and_broken_headers_are_refused() {
        for text in [
            "",
            ";to-tag=1;from-tag=2",
            "a;to-tag=1",
            "a;from-tag=1",
            "a;to-tag=1;from-tag=2;to-tag=3",
            "a;to-tag=;from-tag=2",
            "a;to-tag;from-tag=2",
            "a,b;to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
            "a;to-tag=1;from-tag=\"2\"",
        ] {
            assert!(text.parse::<Replaces>().is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_keep_it_in_one_piece_inside_a_uri() {
        let replaces: Replaces = "a&b=c?%@x;to-tag=1;from-tag=2".parse().unwrap();
        let text = replaces.as_uri_header();
        assert_eq!(text, "Replaces=a%26b%3Dc?%25%40x%3Bto-tag%3D1%3Bfrom-tag%3D2");
        assert_eq!(crate::sip::uri::unescape(text.strip_prefix("Replaces=").unwrap()), replaces.to_string());
    }
}
