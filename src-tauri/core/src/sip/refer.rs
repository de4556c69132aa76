//! Refer-To and Referred-By (RFC 3515, RFC 3892): whom somebody is asked to call, and what the call is to carry.

use super::message::grammar::{is_token, split_at_byte};
use super::message::{HeaderAccess, HeaderName, Headers, Malformed, Method};
use super::replaces::Replaces;
use super::uri::{NameAddr, Uri, escape_header, unescape};

/// Headers that a Refer-To may ask the INVITE to carry; beyond, the REFER is refused.
const MAX_HEADERS: usize = 32;

/// What a Refer-To asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferTo {
    /// Whom to call, without headers and `method`.
    pub target: Uri,
    pub display: Option<String>,
    /// INVITE unless the URI says otherwise.
    pub method: Method,
    /// The call whose place the new one is to take (an attended transfer).
    pub replaces: Option<Replaces>,
    /// What else the INVITE is to carry. The headers that the protocol owns, and those that would change what the call
    /// may do, are left out (RFC 3261 §19.1.5).
    pub headers: Headers,
}

impl ReferTo {
    /// A plain transfer to somebody.
    pub fn new(target: Uri) -> Self {
        Self {
            target: target.without_headers(),
            display: None,
            method: Method::Invite,
            replaces: None,
            headers: Headers::default(),
        }
    }

    /// Reads the value of a Refer-To header.
    pub fn parse(value: &str) -> Result<Self, Malformed> {
        let address: NameAddr = value.parse()?;
        let method = match address.uri.param("method") {
            Some(method) => method.parse()?,
            None => Method::Invite,
        };
        let mut refer_to = Self { display: address.display, method, ..Self::new(address.uri.clone()) };
        let asked = address.uri.headers.as_deref().unwrap_or("");
        for (count, field) in asked.split('&').filter(|field| !field.is_empty()).enumerate() {
            if count >= MAX_HEADERS {
                return Err(Malformed("Refer-To asks for too many headers"));
            }
            let (name, value) = split_at_byte(field, |byte| byte == b'=').unwrap_or((field, ""));
            refer_to.take(&unescape(name), unescape(value))?;
        }
        Ok(refer_to)
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), Malformed> {
        if !is_token(name) || value.contains(['\r', '\n', '\0']) {
            return Err(Malformed("Refer-To asks for a header that cannot be"));
        }
        match HeaderName::from_bytes(name.as_bytes()) {
            Some(HeaderName::Replaces) => {
                if self.replaces.replace(value.parse()?).is_some() {
                    return Err(Malformed("Refer-To names two calls to replace"));
                }
            }
            Some(name) if is_harmless(name) && !asks_for_answer(&value) => self.headers.add(name, value),
            Some(_) => {}
            None if is_privileged(name) => {}
            None => self.headers.add_named(name, value),
        }
        Ok(())
    }

    /// As the value of a Refer-To header.
    pub fn to_value(&self) -> String {
        let mut fields: Vec<String> = self.replaces.iter().map(Replaces::as_uri_header).collect();
        for header in self.headers.iter() {
            fields.push(format!("{}={}", escape_header(header.name), escape_header(header.value)));
        }
        let mut uri = self.target.clone();
        uri.headers = (!fields.is_empty()).then(|| fields.join("&").into());
        let mut address = NameAddr::new(uri);
        address.display.clone_from(&self.display);
        address.to_string()
    }
}

/// A header of a known name that a Refer-To may put into a call: none that routes, identifies, authenticates or asks for
/// extensions.
const fn is_harmless(name: HeaderName) -> bool {
    matches!(
        name,
        HeaderName::CallInfo
            | HeaderName::Subject
            | HeaderName::Priority
            | HeaderName::Organization
            | HeaderName::InReplyTo
            | HeaderName::Diversion
            | HeaderName::HistoryInfo
    )
}

/// Whoever refers us must not open somebody's microphone in our name.
fn asks_for_answer(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value.contains("answer-after") || value.contains("autoanswer")
}

/// A header of an unknown name that servers act upon: those of the networks of operators (RFC 7315 and others), what makes
/// a phone answer by itself (RFC 5373), what proves who we are (RFC 8224).
fn is_privileged(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let prefixes = ["p-", "proxy-", "refer-", "security-", "identity"];
    // The last of them is no header at all, but what the call would say (RFC 3261 §19.1.1).
    let names = ["answer-mode", "priv-answer-mode", "feature-caps", "geolocation", "resource-priority", "body"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&&*name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_headers_are_taken_out_of_the_uri() {
        let text = "\"Bob\" <sip:bob@example.org;transport=tcp?Replaces=12%40x%3Bto-tag%3Da%3Bfrom-tag%3Db\
                    &X-Case=4%202&Subject=hi&Require=replaces&Contact=%3Csip:evil%3E>";
        let refer_to = ReferTo::parse(text).unwrap();
        assert_eq!(refer_to.target.to_string(), "sip:bob@example.org;transport=tcp");
        assert_eq!(refer_to.display.as_deref(), Some("Bob"));
        assert_eq!(refer_to.replaces.as_ref().unwrap().to_string(), "12@x;to-tag=a;from-tag=b");
        assert_eq!(refer_to.headers.named("x-case"), Some("4 2"));
        assert_eq!(refer_to.headers.value(HeaderName::Subject), Some("hi"));
        assert_eq!(refer_to.headers.iter().count(), 2, "{:?}", refer_to.headers);
        assert_eq!(ReferTo::parse(&refer_to.to_value()).unwrap(), refer_to);
    }

    #[test]
    fn plain_address_is_a_plain_transfer() {
        for text in ["<sip:bob@example.org>", "sip:bob@example.org", "<tel:+123>"] {
            let refer_to = ReferTo::parse(text).unwrap();
            assert_eq!((refer_to.method, refer_to.replaces), (Method::Invite, None), "{text}");
        }
        assert_eq!(ReferTo::parse("<sip:bob@example.org;method=BYE>").unwrap().method, Method::Bye);
    }

    #[test]
    fn one_who_refers_puts_nothing_into_our_call_that_servers_or_phones_act_upon() {
        let text = "<sip:bob@x?Answer-Mode=Auto&Priv-Answer-Mode=Auto&Call-Info=%3Csip:x%3E%3Banswer-after%3D0\
                    &P-Preferred-Identity=%3Csip:boss@x%3E&P-Charge-Info=%3Csip:boss@x%3E&Identity-Info=x\
                    &P-Asserted-Identity=%3Csip:boss@x%3E&Alert-Info=autoanswer&Route=%3Csip:evil%3E&From=%3Csip:e%3E\
                    &body=v%3D0&X-Case=4>";
        let refer_to = ReferTo::parse(text).unwrap();
        let names: Vec<_> = refer_to.headers.iter().map(|header| header.name.to_owned()).collect();
        assert_eq!(names, ["X-Case"]);
    }

    #[test]
    fn smuggled_line_breaks_and_broken_replaces_are_refused() {
        let many = format!("<sip:b@x?{}>", "X-A=1&".repeat(MAX_HEADERS + 1));
        for text in [
            "<sip:b@x?X-A=1%0D%0AVia:%20x>",
            "<sip:b@x?X%20A=1>",
            "<sip:b@x?Replaces=nothing>",
            "<sip:b@x?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2>",
            "<>",
            &many,
        ] {
            assert!(ReferTo::parse(text).is_err(), "{text}");
        }
    }
}
