//! Which way the requests of a session or registration go, and what they say of ourselves in Via and Contact.

use std::net::SocketAddr;

use super::Identity;
use crate::flow::{Destination, Flow, FlowId, Transport};
use crate::sip::message::Via;
use crate::sip::uri::{NameAddr, Uri};

#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// Ours: its transport and local address stand in Via and Contact.
    pub flow: Flow,
    rule: Rule,
}

#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Everything along the flow, which serves as the outbound proxy.
    Pinned,
    /// By route set and remote target where they are numeric, else there.
    Routed(Destination),
}

impl Path {
    pub(super) fn of_identity(identity: &Identity) -> Self {
        let rule = match identity.destination {
            Destination::Flow(_) => Rule::Pinned,
            address => Rule::Routed(address),
        };
        let id = match identity.destination {
            Destination::Flow(id) => id,
            Destination::Address(..) => identity.flow.id,
        };
        Self { flow: Flow { id, ..identity.flow }, rule }
    }

    pub(super) const fn pinned(flow: Flow) -> Self {
        Self { flow, rule: Rule::Pinned }
    }

    /// The way back to a peer whose request came by `flow`.
    pub(super) const fn answering(flow: Flow) -> Self {
        let rule = if flow.transport.is_reliable() { Rule::Pinned } else { Rule::Routed(Destination::Flow(flow.id)) };
        Self { flow, rule }
    }

    /// The same rule with another flow.
    pub(super) const fn moved(self, flow: Flow) -> Self {
        match self.rule {
            Rule::Pinned => Self::pinned(flow),
            Rule::Routed(Destination::Flow(_)) => Self::answering(flow),
            Rule::Routed(address) => Self { flow, rule: Rule::Routed(address) },
        }
    }

    /// Where a request outside any dialog goes.
    pub(super) const fn first_hop(&self) -> Destination {
        match self.rule {
            Rule::Pinned => Destination::Flow(self.flow.id),
            Rule::Routed(destination) => destination,
        }
    }

    /// Where a request of a dialog goes whose topmost route, or remote target, is `uri`.
    pub(super) fn next_hop(&self, uri: &Uri) -> Destination {
        let Rule::Routed(fallback) = self.rule else { return self.first_hop() };
        let transport = self.flow.transport;
        let same_transport = match uri.param("transport") {
            Some(token) => token.eq_ignore_ascii_case(transport.uri_token()),
            None => matches!(transport, Transport::Udp),
        };
        match uri.host_addr() {
            Some(ip) if same_transport => {
                let address = SocketAddr::new(ip, uri.port.unwrap_or(transport.default_port()));
                if address == self.flow.remote && matches!(fallback, Destination::Flow(_)) {
                    Destination::Flow(self.flow.id)
                } else {
                    Destination::Address(transport, address)
                }
            }
            _ => fallback,
        }
    }

    /// Where a request outside any dialog goes whose target has changed.
    pub(super) fn retarget(&self, destination: Destination, target: &Uri) -> Destination {
        match (self.rule, self.next_hop(target)) {
            (Rule::Routed(fallback), next) if next != fallback => next,
            _ => destination,
        }
    }

    pub(super) const fn transport_of(&self, destination: Destination) -> Transport {
        match destination {
            Destination::Flow(_) => self.flow.transport,
            Destination::Address(transport, _) => transport,
        }
    }

    /// Where a datagram to that destination goes; `None` for a stream.
    pub(super) const fn datagram_to(&self, destination: Destination) -> Option<SocketAddr> {
        match destination {
            Destination::Flow(_) if matches!(self.flow.transport, Transport::Udp) => Some(self.flow.remote),
            Destination::Address(Transport::Udp, address) => Some(address),
            _ => None,
        }
    }

    pub(super) fn uses(&self, flow: FlowId) -> bool {
        self.flow.id == flow && matches!(self.first_hop(), Destination::Flow(_))
    }

    /// Where the peer is seen, for diagnostics.
    pub(super) const fn peer(&self) -> SocketAddr {
        match self.rule {
            Rule::Routed(Destination::Address(_, address)) => address,
            _ => self.flow.remote,
        }
    }

    /// Our Via. A browser-like WebSocket client has no address of its own, so it names `unreachable` (RFC 7118 §5.1).
    pub(super) fn via(&self, transport: Transport, branch: &str, unreachable: &str) -> Via {
        let mut via = Via::new(transport, self.flow.local, branch);
        if self.is_web_socket() {
            via.host = unreachable.into();
            via.port = None;
        }
        via
    }

    /// Our Contact (RFC 3261 §8.1.1.8, RFC 7118 §5.2).
    pub(super) fn contact(&self, user: &str, unreachable: &str) -> NameAddr {
        let uri = if self.is_web_socket() {
            Uri { user: (!user.is_empty()).then(|| user.into()), ..Uri::sip_host(unreachable) }
        } else {
            Uri { user: (!user.is_empty()).then(|| user.into()), ..Uri::sip_address("", self.flow.local) }
        };
        NameAddr::new(match self.flow.transport {
            Transport::Udp => uri,
            transport => uri.with_param("transport", Some(transport.uri_token())),
        })
    }

    const fn is_web_socket(&self) -> bool {
        matches!(self.flow.transport, Transport::Ws | Transport::Wss)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn flow(transport: Transport) -> Flow {
        let (local, remote) = ("10.0.0.1:5062".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
        Flow { id: FlowId(7), transport, local, remote }
    }

    #[test]
    fn pinned_path_takes_its_flow_whatever_the_target() {
        let path = Path::pinned(flow(Transport::Udp));
        assert_eq!(path.next_hop(&"sip:a@10.9.9.9".parse().unwrap()), Destination::Flow(FlowId(7)));
    }

    #[test]
    fn answering_path_follows_numeric_targets_of_its_transport_and_falls_back_to_its_flow() {
        let path = Path::answering(flow(Transport::Udp));
        let address = |text: &str| Destination::Address(Transport::Udp, text.parse().unwrap());
        for (target, expected) in [
            ("sip:a@10.0.0.9:5070", address("10.0.0.9:5070")),
            ("sip:a@10.0.0.9", address("10.0.0.9:5060")),
            ("sip:a@[2001:db8::9]:5070", address("[2001:db8::9]:5070")),
            ("sip:a@10.0.0.2", Destination::Flow(FlowId(7))),
            ("sip:a@example.org", Destination::Flow(FlowId(7))),
            ("sip:a@10.0.0.9;transport=tcp", Destination::Flow(FlowId(7))),
        ] {
            assert_eq!(path.next_hop(&target.parse().unwrap()), expected, "{target}");
        }
        let stream = Path::answering(flow(Transport::Tcp));
        assert_eq!(stream.next_hop(&"sip:a@10.0.0.9;transport=tcp".parse().unwrap()), Destination::Flow(FlowId(7)));
    }

    #[test]
    fn contact_names_where_we_are_reached() {
        for (transport, expected) in [
            (Transport::Udp, "<sip:7001@10.0.0.1:5062>"),
            (Transport::Tcp, "<sip:7001@10.0.0.1:5062;transport=tcp>"),
            (Transport::Tls, "<sip:7001@10.0.0.1:5062;transport=tls>"),
            (Transport::Wss, "<sip:7001@x.invalid;transport=ws>"),
        ] {
            assert_eq!(Path::pinned(flow(transport)).contact("7001", "x.invalid").to_string(), expected);
        }
        let bare = Path::pinned(flow(Transport::Udp)).contact("", "x.invalid").to_string();
        assert_eq!(bare, "<sip:10.0.0.1:5062>");
    }
}
