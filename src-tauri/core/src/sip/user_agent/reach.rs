//! Where others reach us, as the registrars have taught: what the Contact of dialogs says instead of the flow's address.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::RegistrationId;
use crate::flow::FlowId;
use crate::sip::uri::{NameAddr, Uri, host_text};

/// By flow, then by the registration that lives on it.
#[derive(Default)]
pub(super) struct Reach {
    known: BTreeMap<(FlowId, RegistrationId), Known>,
}

struct Known {
    user: Box<str>,
    way: Way,
}

pub(super) enum Way {
    /// A globally routable URI (RFC 5627 §4.4).
    Gruu(Uri),
    /// The flow, kept by the server (RFC 5626 §4.3).
    Flow,
    /// The address that the server sees, beyond a NAT.
    Public(SocketAddr),
}

impl Reach {
    pub(super) fn learn(&mut self, flow: FlowId, id: RegistrationId, user: &str, way: Way) {
        self.forget(id);
        self.known.insert((flow, id), Known { user: user.into(), way });
    }

    pub(super) fn forget(&mut self, id: RegistrationId) {
        self.known.retain(|&(_, registration), _| registration != id);
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The Contact along a flow for a user, given the one that names the flow's own address.
    pub(super) fn contact(&self, flow: FlowId, user: &str, plain: NameAddr) -> NameAddr {
        let first = (flow, RegistrationId(0));
        let last = (flow, RegistrationId(u64::MAX));
        let mut on_flow = self.known.range(first..=last).map(|(_, known)| known);
        let only = on_flow.clone().count() == 1;
        // A call to a temporary GRUU, or to a number of ours, has another user part than the registration.
        let Some(known) = on_flow.find(|known| only || &*known.user == user) else { return plain };
        match &known.way {
            Way::Gruu(gruu) => NameAddr::new(gruu.clone()),
            Way::Flow => NameAddr::new(plain.uri.with_param("ob", None)),
            Way::Public(address) => at_address(plain, *address),
        }
    }
}

/// The same contact at another address.
pub(super) fn at_address(mut contact: NameAddr, address: SocketAddr) -> NameAddr {
    contact.uri.host = host_text(address.ip()).into();
    contact.uri.port = Some(address.port());
    contact
}
