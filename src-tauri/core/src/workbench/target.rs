//! From what the agent types or pastes to a URI that can be called.

use crate::sip::Uri;

/// It cannot be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("enter a number to dial")]
    Empty,
    #[error("that is not a number, a user name or a SIP address")]
    NotANumber,
    #[error("only sip:, sips: and tel: addresses can be called")]
    Scheme,
    #[error("that number is too long")]
    TooLong,
}

/// Reads a number (spaces, dashes, dots, slashes and brackets are dropped), a user name, `user@host`, or a `sip:`, `sips:`
/// or `tel:` URI. Numbers and names are looked up in `domain`.
pub fn parse(text: &str, domain: &str) -> Result<Uri, Malformed> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Malformed::Empty);
    }
    if text.len() > 255 {
        return Err(Malformed::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(Malformed::NotANumber);
    }
    if let Some((scheme, rest)) = text.split_once(':')
        && scheme.chars().all(|c| c.is_ascii_alphabetic())
    {
        return match scheme.to_ascii_lowercase().as_str() {
            "sip" | "sips" => {
                let uri: Uri = text.parse().map_err(|_| Malformed::NotANumber)?;
                // Headers in a URI (`?`) would let a link write into our INVITE (RFC 3261 §19.1.5).
                Ok(uri.without_headers())
            }
            "tel" => number(rest.split(';').next().unwrap_or_default(), domain),
            _ => Err(Malformed::Scheme),
        };
    }
    if text.contains('@') {
        return format!("sip:{text}").parse::<Uri>().map(Uri::without_headers).map_err(|_| Malformed::NotANumber);
    }
    number(text, domain)
}

fn number(text: &str, domain: &str) -> Result<Uri, Malformed> {
    let looks_like_number = text.chars().all(|c| c.is_ascii_digit() || "+*#()-. /\u{a0}".contains(c));
    let user: String = if looks_like_number {
        text.chars().filter(|c| c.is_ascii_digit() || "+*#".contains(*c)).collect()
    } else {
        text.to_owned()
    };
    if user.is_empty() {
        return Err(Malformed::Empty);
    }
    let legal = |c: char| c.is_alphanumeric() || "+*#-_.!~'()&=$,".contains(c);
    if !user.chars().all(legal) {
        return Err(Malformed::NotANumber);
    }
    Ok(Uri::sip(&user, domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_and_pasted_numbers() {
        let check = |text: &str, expected: Result<&str, Malformed>| {
            let outcome = parse(text, "pbx.example.com").map(|uri| uri.to_string());
            assert_eq!(outcome, expected.map(str::to_owned), "{text:?}");
        };
        check("1002", Ok("sip:1002@pbx.example.com"));
        check(" 138 0013-8000 ", Ok("sip:13800138000@pbx.example.com"));
        check("+86 (10) 1234.5678", Ok("sip:+861012345678@pbx.example.com"));
        check("*72#", Ok("sip:*72%23@pbx.example.com"));
        check("alice", Ok("sip:alice@pbx.example.com"));
        check("bob@other.example", Ok("sip:bob@other.example"));
        check("sip:bob@other.example;transport=tcp", Ok("sip:bob@other.example;transport=tcp"));
        check("sip:bob@other.example?Subject=x", Ok("sip:bob@other.example"));
        check("tel:+86-10-12345678", Ok("sip:+861012345678@pbx.example.com"));
        check("http://example.com", Err(Malformed::Scheme));
        check("", Err(Malformed::Empty));
        check("( ) -", Err(Malformed::Empty));
        check("two words", Err(Malformed::NotANumber));
        check("1002\r\nX: y", Err(Malformed::NotANumber));
    }
}
