//! What a client has to know of registrations (RFC 3261 §10.2, RFC 5626): when to refresh, which binding is ours, and
//! how long to wait after a failure.

use std::time::Duration;

use super::message::{Contacts, HeaderAccess, Response};
use super::uri::Uri;

/// The first wait after a failure lies below twice this; it doubles with every further failure (RFC 5626 §4.5).
pub const BACK_OFF_BASE: Duration = Duration::from_secs(5);
/// No wait is longer than this, unless the registrar asks for it by Retry-After.
pub const BACK_OFF_LIMIT: Duration = Duration::from_secs(300);
/// A Retry-After beyond this is not believed.
pub const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(3600);

/// How long the registrar holds our binding: the `expires` of our Contact in its 200, else the Expires header, else what
/// we asked for (RFC 3261 §10.2.4).
///
/// A registrar that rewrites the address of a client behind NAT lists nothing that we know again; among several bindings
/// of our user ours is then any, so the one that ends first decides.
pub fn granted(response: &Response, contact: &Uri, asked: Duration) -> Duration {
    let header = response.headers.expires();
    let listed = match response.headers.contacts() {
        Ok(Contacts::List(list)) => list,
        _ => Vec::new(),
    };
    let ours = match listed.iter().find(|binding| is_same_contact(&binding.uri, contact)) {
        Some(ours) => ours.expires(),
        None => {
            let alike = listed.iter().filter(|binding| binding.uri.user == contact.user);
            alike.filter_map(|binding| binding.expires()).filter(|&seconds| seconds > 0).min()
        }
    };
    ours.or(header).map_or(asked, |seconds| Duration::from_secs(seconds.into()))
}

fn is_same_contact(one: &Uri, other: &Uri) -> bool {
    one.is_equivalent(other)
        || (one.user == other.user && one.host.eq_ignore_ascii_case(&other.host) && one.port == other.port)
}

/// When to refresh a binding that was granted for so long: 30 s before its end, and not before 90 % of a short one.
pub fn refresh_after(granted: Duration) -> Duration {
    let early = granted.saturating_sub(Duration::from_secs(30));
    let tenth = granted.mul_f64(0.9);
    // Long ones by the fixed lead, which covers a registrar that answers slowly; short ones would have none left.
    if granted >= Duration::from_secs(300) { early } else { tenth.min(early.max(granted / 2)) }
}

/// The upper bound of the wait after so many failures in a row; the wait itself is drawn from its upper half.
pub fn back_off(failures: u32) -> Duration {
    BACK_OFF_BASE.saturating_mul(1 << failures.clamp(1, 16)).min(BACK_OFF_LIMIT)
}

/// Whether trying again by itself may help: the registrar is overloaded, away or restarting. Any other refusal stands
/// until the agent changes something.
pub const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 480 | 500..=599)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sip::message::HeaderName;

    fn granted_by(contact: &str, expires: Option<&str>) -> u64 {
        let mut response = Response::new(200);
        if !contact.is_empty() {
            response.headers.add(HeaderName::Contact, contact);
        }
        if let Some(expires) = expires {
            response.headers.add(HeaderName::Expires, expires);
        }
        let ours = "sip:7001@10.0.0.1:5062".parse().unwrap();
        granted(&response, &ours, Duration::from_secs(3600)).as_secs()
    }

    #[test]
    fn our_own_contact_decides_how_long_the_binding_lasts() {
        let two = "<sip:7001@10.0.0.9:5062>;expires=5, <sip:7001@10.0.0.1:5062>;expires=60";
        assert_eq!(granted_by(two, Some("900")), 60);
        assert_eq!(granted_by("<sip:7001@10.0.0.1:5062>", Some("900")), 900);
        assert_eq!(granted_by("<sip:7001@192.0.2.7:1024>;expires=50", None), 50);
        assert_eq!(granted_by("", None), 3600);
        let rewritten = "<sip:7001@192.0.2.7:1>;expires=90, <sip:7001@192.0.2.8:2>;expires=70";
        assert_eq!(granted_by(rewritten, None), 70);
        assert_eq!(granted_by("<sip:a@10.0.0.9>;expires=5", Some("900")), 900);
        assert_eq!(granted_by("<sip:7001@10.0.0.1:5062>;expires=0", None), 0);
    }

    #[test]
    fn refresh_comes_before_the_end_however_short_the_binding() {
        for (granted, refresh) in [(3600, 3570), (300, 270), (60, 30), (40, 20), (10, 5), (1, 0)] {
            let at = refresh_after(Duration::from_secs(granted));
            assert_eq!(at.as_secs(), refresh, "{granted}");
            assert!(at < Duration::from_secs(granted));
        }
    }

    #[test]
    fn back_off_doubles_up_to_its_limit() {
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 6, 7, 60].map(|failures| back_off(failures).as_secs()).into();
        assert_eq!(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
    }
}
