//! The registrar and its location service (RFC 3261 §10.3): which phones an extension can be reached at.
//!
//! A binding holds the flow that its REGISTER came along: calls go back along it, so that a phone behind a WebSocket, a
//! TCP connection or an address translator is reached (RFC 5626 §5.3). When a stream closes, its bindings go with it. A
//! phone that names its instance and flow takes the place of its own older binding (§6); it is told that its flow is kept.
//! Globally routable URIs (RFC 5627) are not handed out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use deskline_core::flow::{Flow, FlowId};
use deskline_core::sip::message::{Contacts, HeaderAccess, HeaderName};
use deskline_core::sip::{NameAddr, Request, Response, Uri};

use crate::config::Expiry;

/// Phones of one extension.
const MAX_CONTACTS: usize = 8;

/// Extensions with a phone.
const MAX_EXTENSIONS: usize = 1_024;

/// One phone of an extension.
#[derive(Clone)]
pub(crate) struct Binding {
    pub(crate) contact: Uri,
    pub(crate) flow: Flow,
    expires_at: Instant,
    call_id: String,
    sequence: u32,
    outbound: Option<Outbound>,
}

/// Which flow of which phone a binding is (RFC 5626 §4.2).
#[derive(Clone, PartialEq, Eq)]
struct Outbound {
    /// `+sip.instance` as it stood in the Contact, quoted.
    instance: String,
    reg_id: u32,
}

impl Outbound {
    fn of(contact: &NameAddr) -> Option<Self> {
        let instance = contact.param("+sip.instance").filter(|text| text.len() <= 256)?.to_owned();
        let reg_id = contact.param("reg-id")?.parse().ok().filter(|&id: &u32| id > 0)?;
        Some(Self { instance, reg_id })
    }
}

pub(crate) struct Registrar {
    expiry: Expiry,
    bindings: BTreeMap<String, Vec<Binding>>,
}

/// What a REGISTER changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// The extension had no phone, and has one now.
    Appeared,
    /// Its last phone is gone.
    Vanished,
}

impl Registrar {
    pub(crate) fn new(expiry: Expiry) -> Self {
        Self { expiry, bindings: BTreeMap::new() }
    }

    /// Steps 6 to 8 of §10.3, after the password was proven.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        extension: &str,
        request: &Request,
        flow: Flow,
    ) -> (Response, Change) {
        self.handle_timeout(now);
        let before = self.is_registered(extension);
        let response = match self.update(now, extension, request, flow) {
            Ok(()) => {
                let mut listing = self.listing(now, extension);
                if headers_name_a_flow(request) {
                    listing.headers.set(HeaderName::Require, "outbound");
                    listing.headers.set(HeaderName::Supported, "path, outbound");
                }
                listing
            }
            Err(response) => response,
        };
        let change = match (before, self.is_registered(extension)) {
            (false, true) => Change::Appeared,
            (true, false) => Change::Vanished,
            _ => Change::None,
        };
        (response, change)
    }

    /// The phones of an extension, the newest first.
    pub(crate) fn contacts(&self, extension: &str) -> Vec<Binding> {
        self.bindings.get(extension).map(|list| list.iter().rev().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn is_registered(&self, extension: &str) -> bool {
        self.bindings.contains_key(extension)
    }

    /// Whether the extension is registered along this very flow.
    pub(crate) fn is_bound_to(&self, extension: &str, flow: FlowId) -> bool {
        self.bindings.get(extension).is_some_and(|list| list.iter().any(|binding| binding.flow.id == flow))
    }

    /// The extensions whose last phone went with the flow.
    pub(crate) fn handle_flow_closed(&mut self, flow: FlowId) -> Vec<String> {
        self.retain(|binding| binding.flow.id != flow)
    }

    /// The extensions whose last binding has run out.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<String> {
        self.retain(|binding| binding.expires_at > now)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.bindings.values().flatten().map(|binding| binding.expires_at).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.bindings.values().map(Vec::len).sum()
    }

    fn retain(&mut self, keep: impl Fn(&Binding) -> bool) -> Vec<String> {
        let mut vanished = Vec::new();
        self.bindings.retain(|extension, list| {
            list.retain(&keep);
            if list.is_empty() {
                vanished.push(extension.clone());
            }
            !list.is_empty()
        });
        vanished
    }

    /// All the changes of a request, or none (step 7).
    fn update(&mut self, now: Instant, extension: &str, request: &Request, flow: Flow) -> Result<(), Response> {
        let headers = &request.headers;
        let call_id = headers.call_id().unwrap_or_default();
        let sequence = headers.cseq().map_err(|_| Response::new(400))?.seq;
        let old = self.bindings.get(extension).cloned().unwrap_or_default();
        let in_order = |binding: &Binding| binding.call_id != call_id || sequence > binding.sequence;

        let new = match headers.contacts().map_err(|_| Response::new(400))? {
            Contacts::Any => {
                if headers.expires() != Some(0) || headers.items(HeaderName::Contact).count() != 1 {
                    return Err(Response::new(400));
                }
                if !old.iter().all(in_order) {
                    return Err(Response::new(500));
                }
                Vec::new()
            }
            Contacts::List(contacts) => {
                let mut new = old;
                for contact in contacts {
                    let lasts = self.lasts(&contact, headers.expires())?;
                    let outbound = Outbound::of(&contact);
                    let known = new.iter().position(|binding| {
                        is_same_contact(&binding.contact, &contact.uri)
                            || (outbound.is_some() && binding.outbound == outbound)
                    });
                    if let Some(index) = known {
                        if !in_order(&new[index]) {
                            return Err(Response::new(500));
                        }
                        new.remove(index);
                    }
                    if !lasts.is_zero() {
                        if !contact.uri.is_sip() {
                            return Err(Response::new(400));
                        }
                        let expires_at = now + lasts;
                        let call_id = call_id.to_owned();
                        new.push(Binding { contact: contact.uri, flow, expires_at, call_id, sequence, outbound });
                    }
                }
                new
            }
        };
        if new.len() > MAX_CONTACTS {
            return Err(Response::new(403));
        }
        if new.is_empty() {
            self.bindings.remove(extension);
        } else if self.bindings.len() < MAX_EXTENSIONS || self.is_registered(extension) {
            self.bindings.insert(extension.to_owned(), new);
        } else {
            return Err(Response::new(503));
        }
        Ok(())
    }

    /// How long a contact is to be bound; zero removes it.
    fn lasts(&self, contact: &NameAddr, header: Option<u32>) -> Result<Duration, Response> {
        let wish = contact.expires().or(header).map(|seconds| Duration::from_secs(seconds.into()));
        match wish {
            Some(Duration::ZERO) => Ok(Duration::ZERO),
            Some(wish) if wish < self.expiry.min => {
                let mut response = Response::new(423);
                response.headers.set(HeaderName::MinExpires, self.expiry.min.as_secs().to_string());
                Err(response)
            }
            Some(wish) => Ok(wish.min(self.expiry.max)),
            None => Ok(self.expiry.default),
        }
    }

    /// 200 with every binding that stands and the seconds that each has left.
    fn listing(&self, now: Instant, extension: &str) -> Response {
        let mut response = Response::new(200);
        for binding in self.bindings.get(extension).into_iter().flatten() {
            let left = binding.expires_at.saturating_duration_since(now).as_secs_f64().ceil() as u64;
            let mut contact = NameAddr::new(binding.contact.clone()).with_param("expires", Some(&left.to_string()));
            if let Some(Outbound { instance, reg_id }) = &binding.outbound {
                contact =
                    contact.with_param("+sip.instance", Some(instance)).with_param("reg-id", Some(&reg_id.to_string()));
            }
            response.headers.add(HeaderName::Contact, contact.to_string());
        }
        response
    }
}

/// Whether a client that supports it registers a flow (RFC 5626 §6).
fn headers_name_a_flow(request: &Request) -> bool {
    let Ok(Contacts::List(contacts)) = request.headers.contacts() else { return false };
    request.headers.has_item(HeaderName::Supported, "outbound")
        && contacts.iter().any(|contact| Outbound::of(contact).is_some())
}

/// The same place for a call: user, host, port and transport (a client that changes a mere label refreshes, it does not
/// add).
fn is_same_contact(a: &Uri, b: &Uri) -> bool {
    let place = |uri: &Uri| {
        let transport = uri.param("transport").unwrap_or("udp").to_ascii_lowercase();
        (uri.scheme.clone(), uri.user_plain(), uri.host.to_ascii_lowercase(), uri.port, transport)
    };
    place(a) == place(b)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;

    use deskline_core::flow::Transport;
    use deskline_core::sip::Method;

    use super::*;

    struct Desk {
        registrar: Registrar,
        now: Instant,
        sequence: u32,
    }

    impl Desk {
        fn new() -> Self {
            Self { registrar: Registrar::new(Expiry::default()), now: Instant::now(), sequence: 0 }
        }

        /// REGISTER with these Contacts; each call a later CSeq.
        fn register(&mut self, contacts: &[&str], expires: Option<u32>) -> (Response, Change) {
            self.sequence += 1;
            self.register_as(self.sequence, 1, contacts, expires)
        }

        fn register_as(&mut self, seq: u32, flow: u64, contacts: &[&str], expires: Option<u32>) -> (Response, Change) {
            let mut request = Request::new(Method::Register, Uri::sip_host("centre.test"));
            request.headers.set(HeaderName::CallId, "one");
            request.headers.set(HeaderName::CSeq, format!("{seq} REGISTER"));
            for contact in contacts {
                request.headers.add(HeaderName::Contact, *contact);
            }
            if let Some(expires) = expires {
                request.headers.set(HeaderName::Expires, expires.to_string());
            }
            let address: SocketAddr = "127.0.0.1:5060".parse().unwrap();
            let flow = Flow { id: FlowId(flow), transport: Transport::Tcp, local: address, remote: address };
            self.registrar.handle(self.now, "1001", &request, flow)
        }

        fn pass(&mut self, seconds: u64) -> Vec<String> {
            self.now += Duration::from_secs(seconds);
            self.registrar.handle_timeout(self.now)
        }
    }

    const PHONE: &str = "<sip:1001@127.0.0.1:40000>";

    #[test]
    fn a_binding_lasts_as_agreed_and_is_listed_with_what_it_has_left() {
        let mut desk = Desk::new();
        let (response, change) = desk.register(&[PHONE], Some(60));
        assert_eq!((response.code(), change), (200, Change::Appeared));
        assert_eq!(response.headers.contact().unwrap().expires(), Some(60));
        assert!(desk.pass(50).is_empty());
        let (response, change) = desk.register(&[], None);
        assert_eq!(response.headers.contact().unwrap().expires(), Some(10), "a fetch changes nothing");
        assert_eq!(change, Change::None);
        assert_eq!(desk.pass(10), ["1001"]);
        assert_eq!(desk.registrar.poll_timeout(), None);
    }

    #[test]
    fn the_parameter_of_a_contact_goes_before_the_header_and_the_limits_before_both() {
        let mut desk = Desk::new();
        let (response, _) = desk.register(&["<sip:1001@h>;expires=100"], Some(60));
        assert_eq!(response.headers.contact().unwrap().expires(), Some(100));
        let (response, _) = desk.register(&["<sip:1001@h>"], Some(1_000_000));
        assert_eq!(response.headers.contact().unwrap().expires(), Some(3600));
        let (response, _) = desk.register(&["<sip:1001@h>"], None);
        assert_eq!(response.headers.contact().unwrap().expires(), Some(300));
        let (response, change) = desk.register(&["<sip:1001@h>"], Some(3));
        assert_eq!((response.code(), change), (423, Change::None));
        assert_eq!(response.headers.min_expires(), Some(10));
    }

    #[test]
    fn expires_zero_removes_one_and_the_star_removes_all() {
        let mut desk = Desk::new();
        desk.register(&[PHONE, "<sip:1001@10.0.0.9>", "<sip:1001@10.0.0.9;transport=tcp>"], Some(60));
        assert_eq!(desk.registrar.contacts("1001").len(), 3);
        desk.register(&["<sip:1001@10.0.0.9>;expires=0"], None);
        assert_eq!(desk.registrar.contacts("1001").len(), 2);
        assert_eq!(desk.register(&["*"], Some(60)).0.code(), 400, "only with Expires: 0");
        assert_eq!(desk.register(&["*", PHONE], Some(0)).0.code(), 400, "only alone");
        let (response, change) = desk.register(&["*"], Some(0));
        assert_eq!((response.code(), change), (200, Change::Vanished));
        assert!(response.headers.contact().is_none());
    }

    #[test]
    fn a_request_that_was_overtaken_changes_nothing() {
        let mut desk = Desk::new();
        desk.register_as(5, 1, &[PHONE], Some(60));
        assert_eq!(desk.register_as(4, 1, &[PHONE], Some(0)).0.code(), 500);
        assert_eq!(desk.register_as(5, 1, &["*"], Some(0)).0.code(), 500);
        assert!(desk.registrar.is_registered("1001"));
    }

    #[test]
    fn a_phone_that_comes_back_along_a_new_flow_is_one_phone() {
        let mut desk = Desk::new();
        desk.register_as(1, 1, &[PHONE], Some(60));
        desk.register_as(2, 2, &[PHONE], Some(60));
        assert_eq!(desk.registrar.contacts("1001").len(), 1);
        assert!(desk.registrar.is_bound_to("1001", FlowId(2)));
        assert!(desk.registrar.handle_flow_closed(FlowId(1)).is_empty());
        assert_eq!(desk.registrar.handle_flow_closed(FlowId(2)), ["1001"]);
    }

    #[test]
    fn phone_that_names_its_instance_takes_the_place_of_its_older_self() {
        let mut desk = Desk::new();
        let contact = |port: u16, instance: &str| {
            format!("<sip:1001@10.0.0.9:{port};ob>;+sip.instance=\"<urn:uuid:{instance}>\";reg-id=1")
        };
        let (response, _) = desk.register(&[&contact(1, "a")], Some(60));
        assert_eq!(response.headers.value(HeaderName::Require), None, "whoever does not ask is not told");
        let listed = response.headers.contact().unwrap();
        assert_eq!(listed.param("+sip.instance"), Some("\"<urn:uuid:a>\""));
        assert_eq!(listed.param("reg-id"), Some("1"));
        // After a crash: another port, another Call-ID.
        desk.register(&[&contact(2, "a")], Some(60));
        desk.register(&[&contact(3, "b")], Some(60));
        let ports: Vec<_> = desk.registrar.contacts("1001").iter().map(|binding| binding.contact.port).collect();
        assert_eq!(ports, [Some(3), Some(2)], "the other phone stays");
        desk.register(&[&format!("{};expires=0", contact(2, "a"))], None);
        assert_eq!(desk.registrar.len(), 1);
    }

    #[test]
    fn hostile_contacts_are_refused_as_a_whole() {
        let mut desk = Desk::new();
        assert_eq!(desk.register(&["<<<;;"], Some(60)).0.code(), 400);
        assert_eq!(desk.register(&[PHONE, "<tel:+8613800138000>"], Some(60)).0.code(), 400);
        let many: Vec<String> = (0..20).map(|n| format!("<sip:1001@10.0.0.{n}>")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(desk.register(&many, Some(60)).0.code(), 403);
        assert_eq!(desk.registrar.len(), 0);
    }
}
