//! What a client has to know of registrations (RFC 3261 §10.2, RFC 5626): when to refresh, which bindings are ours, what
//! else the registrar tells, and how long to wait after a failure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::message::grammar::{split_commas, unquote};
use super::message::{Contacts, HeaderAccess, HeaderName, Headers, Response};
use super::uri::{NameAddr, Uri};

/// Failures in a row that are retried soon: most troubles of a server are a restart of seconds, and an agent who is not
/// reachable costs calls. Three more requests of each client for a whole outage are a bounded price.
const SOON: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// `base-time-all-fail` of RFC 5626 §4.5: the bound of the first wait behind the soon ones; it doubles from there.
pub const BACK_OFF_BASE: Duration = Duration::from_secs(30);
/// `max-time` of RFC 5626 §4.5, whose default of 1,800 s is to be configured down here: an agent waits before the screen,
/// and one REGISTER of each in two minutes is no load. No wait is longer, unless the registrar asks for it by Retry-After.
pub const BACK_OFF_LIMIT: Duration = Duration::from_secs(120);
/// A Retry-After beyond this is not believed.
pub const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(3600);
/// The wait that an answer asks for by Retry-After, as far as it is believed. One that asks for none leaves the pause to us:
/// a server in distress must not make us send without any.
pub fn retry_after(headers: &Headers) -> Option<Duration> {
    let seconds = headers.retry_after().filter(|&seconds| seconds > 0)?;
    Some(Duration::from_secs(seconds.into()).min(RETRY_AFTER_LIMIT))
}

/// However long a binding lasts, it is refreshed so often: a registrar that lost it is noticed.
const LONGEST_REFRESH: Duration = Duration::from_secs(24 * 3600);
/// Bindings, routes and addresses of one answer beyond this are not kept.
const MOST: usize = 32;

/// What the registrar told with its last 200 to a registration.
#[derive(Clone, Default, PartialEq)]
pub struct Binding {
    /// How long it holds our binding.
    pub expires: Duration,
    /// Bindings of the same user that are not ours: other devices.
    pub others: Vec<NameAddr>,
    /// The route of later requests outside dialogs (RFC 3608).
    pub service_route: Vec<NameAddr>,
    /// Our globally routable URI (RFC 5627), and one that does not tell who we are.
    pub public_gruu: Option<Uri>,
    pub temporary_gruu: Option<Uri>,
    /// Every address of ours that the registrar knows (P-Associated-URI, RFC 7315 §4.1); the first is the default.
    pub associated: Vec<NameAddr>,
    /// The server closes the flow after so long a silence (RFC 5626 §4.4): keep-alives are to come earlier.
    pub flow_timer: Option<Duration>,
    /// The registrar keeps our flow (RFC 5626 §6): a new one replaces the old by itself.
    pub keeps_flow: bool,
    /// Older contacts of this very instance, as of a process that crashed.
    pub former: Vec<Uri>,
}

/// How we recognise our own bindings.
pub struct Ours<'a> {
    pub contact: &'a Uri,
    /// Contacts that we have used before.
    pub former: &'a [Uri],
    /// `urn:uuid:…`
    pub instance: Option<&'a str>,
}

impl Binding {
    /// Reads a 2xx to a REGISTER that asked for so long. `None` if the registrar lists bindings and ours cannot be among
    /// them, or says that it has ended.
    pub fn read(response: &Response, ours: &Ours<'_>, asked: Duration) -> Option<Self> {
        let headers = &response.headers;
        let listed = match headers.contacts() {
            Ok(Contacts::List(list)) => list,
            _ => Vec::new(),
        };
        let own = ours.find(&listed);
        if own.is_none() && listed.len() > 1 {
            return None;
        }
        let expires = granted(response, ours.contact, &listed, asked);
        if expires.is_zero() {
            return None;
        }
        // A single binding that we do not know again is ours, made unrecognisable on the way.
        let own = own.or((listed.len() == 1).then_some(0));
        let gruu = |name: &str| {
            own.and_then(|index| unquote(listed[index].param(name)?).parse::<Uri>().ok().filter(Uri::is_sip))
        };
        let (public_gruu, temporary_gruu) = (gruu("pub-gruu"), gruu("temp-gruu"));
        let mut others = Vec::new();
        let mut former = Vec::new();
        for (index, binding) in listed.into_iter().enumerate().take(MOST) {
            if Some(index) == own || binding.expires() == Some(0) {
                continue;
            }
            if ours.is_of_instance(&binding) {
                former.push(binding.uri);
            } else if !ours.former.iter().any(|uri| is_same_contact(&binding.uri, uri)) {
                others.push(binding);
            }
        }
        Some(Self {
            expires,
            others,
            service_route: addresses(headers.values(HeaderName::ServiceRoute)),
            public_gruu,
            temporary_gruu,
            associated: addresses(associated(headers)),
            flow_timer: headers
                .value(HeaderName::FlowTimer)
                .and_then(|seconds| seconds.trim().parse().ok())
                .filter(|&seconds: &u64| seconds > 0)
                .map(Duration::from_secs),
            keeps_flow: headers.has_item(HeaderName::Require, "outbound"),
            former,
        })
    }
}

impl Ours<'_> {
    /// Which of the listed bindings is the one that we have just made.
    fn find(&self, listed: &[NameAddr]) -> Option<usize> {
        let same = |binding: &&NameAddr| is_same_contact(&binding.uri, self.contact);
        let exact = listed.iter().position(|binding| same(&binding));
        let of_instance = || listed.iter().position(|binding| self.is_of_instance(binding));
        // A registrar that rewrites the address of a client behind NAT lists nothing that we know again; the newest
        // binding of our user is then ours.
        let rewritten = || {
            let alike = listed.iter().enumerate().filter(|(_, binding)| binding.uri.user == self.contact.user);
            alike.max_by_key(|(_, binding)| binding.expires().unwrap_or(0)).map(|(index, _)| index)
        };
        exact.or_else(of_instance).or_else(rewritten)
    }

    fn is_of_instance(&self, binding: &NameAddr) -> bool {
        let (Some(ours), Some(theirs)) = (self.instance, binding.param("+sip.instance")) else { return false };
        unquote(theirs).trim_matches(['<', '>']).eq_ignore_ascii_case(ours)
    }
}

/// How long the registrar holds our binding: the `expires` of our Contact in its 200, else the Expires header, else what
/// we asked for (RFC 3261 §10.2.4). Where several bindings of our user may be ours, the one that ends first decides.
fn granted(response: &Response, contact: &Uri, listed: &[NameAddr], asked: Duration) -> Duration {
    let header = response.headers.expires();
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

/// The addresses of header values; what cannot be read is left out.
fn addresses<'a>(values: impl Iterator<Item = &'a str>) -> Vec<NameAddr> {
    values.flat_map(split_commas).filter_map(|one| one.parse().ok()).take(MOST).collect()
}

fn associated(headers: &Headers) -> impl Iterator<Item = &str> {
    headers.values(HeaderName::PAssociatedUri)
}

/// When to refresh a binding that was granted for so long: 30 s before its end, and not before 90 % of a short one.
pub fn refresh_after(granted: Duration) -> Duration {
    let early = granted.saturating_sub(Duration::from_secs(30));
    let tenth = granted.mul_f64(0.9);
    // Long ones by the fixed lead, which covers a registrar that answers slowly; short ones would have none left.
    let after = if granted >= Duration::from_secs(300) { early } else { tenth.min(early.max(granted / 2)) };
    after.min(LONGEST_REFRESH)
}

/// The upper bound of the wait after so many failures in a row (from 1); the wait itself is drawn from its upper half.
///
/// RFC 5626 §4.5 has `min(max-time, base-time · 2^failures)`, here behind the tries that come soon.
pub fn back_off(failures: u32) -> Duration {
    let index = failures.max(1) - 1;
    match SOON.get(index as usize) {
        Some(&soon) => soon,
        None => BACK_OFF_BASE.saturating_mul(1 << (index - SOON.len() as u32).min(16)).min(BACK_OFF_LIMIT),
    }
}

/// Whether trying again by itself may help: the registrar is overloaded, away or restarting, or the edge proxy lost our
/// flow (430, RFC 5626 §11.5). Any other refusal stands until the agent changes something.
pub const fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 430 | 480 | 500..=599)
}

/// Where the server sees us, if it is another place than ours and calls would only reach us there: we have a private
/// address, and the server is beyond the NAT (RFC 3581 §4: `received` and `rport` of our Via).
pub fn public_address(response: &Response, local: SocketAddr) -> Option<SocketAddr> {
    let via = response.headers.via().ok()?;
    let port = via.rport()??;
    let ip = via.received()?;
    let seen = SocketAddr::new(ip.to_canonical(), port);
    let reachable = port != 0 && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback() && !is_private(ip);
    (reachable && is_private(local.ip()) && seen.is_ipv4() == local.is_ipv4()).then_some(seen)
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = ip & Ipv4Addr::new(255, 192, 0, 0) == Ipv4Addr::new(100, 64, 0, 0);
            ip.is_private() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ASKED: Duration = Duration::from_secs(3600);

    fn ok(contact: &str, expires: Option<&str>) -> Response {
        let mut response = Response::new(200);
        if !contact.is_empty() {
            response.headers.add(HeaderName::Contact, contact);
        }
        if let Some(expires) = expires {
            response.headers.add(HeaderName::Expires, expires);
        }
        response
    }

    fn read(response: &Response) -> Option<Binding> {
        let contact = "sip:7001@10.0.0.1:5062".parse().unwrap();
        let former = ["sip:7001@10.0.0.1:40404".parse().unwrap()];
        Binding::read(response, &Ours { contact: &contact, former: &former, instance: Some("urn:uuid:1") }, ASKED)
    }

    fn granted_by(contact: &str, expires: Option<&str>) -> Option<u64> {
        read(&ok(contact, expires)).map(|binding| binding.expires.as_secs())
    }

    fn others_in(contact: &str) -> Vec<String> {
        read(&ok(contact, None)).unwrap().others.iter().map(|other| other.uri.to_string()).collect()
    }

    #[test]
    fn our_own_contact_decides_how_long_the_binding_lasts() {
        let two = "<sip:7001@10.0.0.9:5062>;expires=5, <sip:7001@10.0.0.1:5062>;expires=60";
        assert_eq!(granted_by(two, Some("900")), Some(60));
        assert_eq!(granted_by("<sip:7001@10.0.0.1:5062>", Some("900")), Some(900));
        assert_eq!(granted_by("<sip:7001@192.0.2.7:1024>;expires=50", None), Some(50));
        assert_eq!(granted_by("", None), Some(3600));
        let rewritten = "<sip:7001@192.0.2.7:1>;expires=90, <sip:7001@192.0.2.8:2>;expires=70";
        assert_eq!(granted_by(rewritten, None), Some(70));
        assert_eq!(granted_by("<sip:a@10.0.0.9>;expires=5", Some("900")), Some(900));
    }

    #[test]
    fn answer_that_does_not_hold_our_contact_is_no_registration() {
        assert_eq!(granted_by("<sip:7001@10.0.0.1:5062>;expires=0", None), None);
        assert_eq!(granted_by("", Some("0")), None);
        assert_eq!(granted_by("<sip:a@10.0.0.9>;expires=60, <sip:b@10.0.0.8>;expires=60", None), None);
    }

    #[test]
    fn bindings_that_are_not_ours_are_other_devices() {
        let ours = "<sip:7001@10.0.0.1:5062>;expires=60";
        assert_eq!(others_in(ours), [""; 0]);
        assert_eq!(others_in(&format!("<sip:7001@10.0.0.9>;expires=5, {ours}")), ["sip:7001@10.0.0.9"]);
        let ended = format!("{ours}, <sip:7001@10.0.0.8>;expires=0");
        assert_eq!(others_in(&ended), [""; 0]);
        let used_before = format!("{ours}, <sip:7001@10.0.0.1:40404>;expires=9");
        assert_eq!(others_in(&used_before), [""; 0]);
        let crashed = format!("{ours}, <sip:7001@10.0.0.1:9>;expires=9;+sip.instance=\"<URN:UUID:1>\"");
        assert_eq!(others_in(&crashed), [""; 0]);
        assert_eq!(read(&ok(&crashed, None)).unwrap().former.len(), 1);
        // Rewritten by the server: the newest is ours.
        let rewritten = "<sip:7001@192.0.2.7:1>;expires=3600, <sip:7001@192.0.2.8:2>;expires=70";
        assert_eq!(others_in(rewritten), ["sip:7001@192.0.2.8:2"]);
        let by_instance = "<sip:x@192.0.2.7>;+sip.instance=\"<urn:uuid:1>\", <sip:7001@192.0.2.8>;expires=70";
        assert_eq!(others_in(by_instance), ["sip:7001@192.0.2.8"]);
    }

    #[test]
    fn what_else_the_registrar_tells_is_read() {
        let gruu = "\"sip:7001@example.org;gr=urn:uuid:1\"";
        let temporary = "\"sip:tgruu.7hs@example.org;gr\"";
        let contact = format!(
            "<sip:7001@10.0.0.1:5062>;expires=60;+sip.instance=\"<urn:uuid:1>\";pub-gruu={gruu};temp-gruu={temporary}"
        );
        let mut response = ok(&contact, None);
        response.headers.add(HeaderName::ServiceRoute, "<sip:p1;lr>, <sip:p2;lr>");
        response.headers.add_named("p-associated-uri", "<sip:7001@example.org>, <tel:+86108000>");
        response.headers.add(HeaderName::FlowTimer, "120");
        response.headers.add(HeaderName::Require, "outbound");
        let binding = read(&response).unwrap();
        assert_eq!(binding.public_gruu.unwrap().to_string(), "sip:7001@example.org;gr=urn:uuid:1");
        assert_eq!(binding.temporary_gruu.unwrap().to_string(), "sip:tgruu.7hs@example.org;gr");
        assert_eq!(binding.service_route.len(), 2);
        assert_eq!(binding.associated.len(), 2);
        assert_eq!(binding.flow_timer, Some(Duration::from_secs(120)));
        assert!(binding.keeps_flow);
    }

    #[test]
    fn refresh_comes_before_the_end_however_short_the_binding() {
        for (granted, refresh) in [(3600, 3570), (300, 270), (60, 30), (40, 20), (10, 5), (1, 0)] {
            let at = refresh_after(Duration::from_secs(granted));
            assert_eq!(at.as_secs(), refresh, "{granted}");
            assert!(at < Duration::from_secs(granted));
        }
        assert_eq!(refresh_after(Duration::from_secs(u32::MAX.into())), LONGEST_REFRESH);
    }

    #[test]
    fn back_off_begins_soon_and_then_follows_rfc_5626() {
        let waits: Vec<u64> = [1, 2, 3, 4, 5, 6, 7, 60, u32::MAX].map(|n| back_off(n).as_secs()).into();
        assert_eq!(waits, [2, 4, 8, 30, 60, 120, 120, 120, 120]);
    }

    #[test]
    fn private_address_behind_a_translator_is_seen_as_a_public_one() {
        let seen = |local: &str, via: &str| {
            let mut response = Response::new(401);
            response.headers.add(HeaderName::Via, format!("SIP/2.0/UDP {local};branch=z9hG4bKx;{via}"));
            public_address(&response, local.parse().unwrap()).map(|address| address.to_string())
        };
        assert_eq!(seen("10.0.0.1:5062", "rport=1024;received=192.0.2.7").as_deref(), Some("192.0.2.7:1024"));
        assert_eq!(seen("100.64.9.1:5062", "rport=1024;received=192.0.2.7").as_deref(), Some("192.0.2.7:1024"));
        assert_eq!(seen("192.0.2.9:5062", "rport=1024;received=192.0.2.7"), None, "no private address");
        assert_eq!(
            seen("10.0.0.1:5062", "rport=1024;received=172.17.0.1"),
            None,
            "the server is in a network like ours"
        );
        assert_eq!(seen("10.0.0.1:5062", "rport;received=192.0.2.7"), None);
        assert_eq!(seen("10.0.0.1:5062", "rport=0;received=192.0.2.7"), None);
        for hostile in ["0.0.0.0", "224.0.0.1", "127.0.0.1"] {
            assert_eq!(seen("10.0.0.1:5062", &format!("rport=9;received={hostile}")), None);
        }
    }
}
