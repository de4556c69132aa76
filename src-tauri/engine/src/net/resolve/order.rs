//! In which order records are to be tried: pure arithmetic over what a zone says.

use std::net::IpAddr;

use deskline_core::flow::Transport;
use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};

/// What an SRV record points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) transport: Transport,
}

impl Pointer {
    /// "The service is decidedly not available at this domain" (RFC 2782).
    pub(super) fn is_absent(&self) -> bool {
        self.host.is_empty()
    }
}

/// What a NAPTR record points to: the name of SRV records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) transport: Transport,
}

impl Service {
    /// Its order and preference, with the service; `None` for services that we do not speak, or other rules than the
    /// terminal one for SRV (RFC 3263 §4.1).
    pub(super) fn of(record: &NAPTR) -> Option<(u16, u16, Self)> {
        let transport = match record.services.to_ascii_uppercase().as_slice() {
            b"SIP+D2U" => Transport::Udp,
            b"SIP+D2T" => Transport::Tcp,
            b"SIPS+D2T" => Transport::Tls,
            _ => return None,
        };
        let usable = record.flags.eq_ignore_ascii_case(b"s") && !record.replacement.is_root();
        usable.then(|| {
            let name = record.replacement.to_utf8();
            (record.order, record.preference, Self { name, transport })
        })
    }
}

/// By order, then by preference.
pub(super) fn services(mut found: Vec<(u16, u16, Service)>) -> Vec<Service> {
    found.sort_by_key(|(order, preference, _)| (*order, *preference));
    found.into_iter().map(|(.., service)| service).collect()
}

/// The name of the SRV records of a transport (RFC 3263 §4.1).
pub(super) fn srv_name(transport: Transport, host: &str) -> String {
    let service = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tls => "_sips._tcp",
        Transport::Tcp | Transport::Ws | Transport::Wss => "_sip._tcp",
    };
    format!("{service}.{host}")
}

/// By priority; among equal ones by a draw in which each has as many lots as its weight (RFC 2782). `random(n)` draws
/// from 0..=n.
pub(super) fn srv(records: Vec<SRV>, transport: Transport, mut random: impl FnMut(u32) -> u32) -> Vec<Pointer> {
    let mut left = records;
    // Those of weight 0 first, so that they have a chance when the draw is 0.
    left.sort_by_key(|record| (record.priority, record.weight));
    let mut pointers = Vec::with_capacity(left.len());
    while let Some(priority) = left.first().map(|record| record.priority) {
        let group = left.iter().take_while(|record| record.priority == priority);
        let total = group.clone().map(|record| u32::from(record.weight)).sum();
        let drawn = random(total);
        let mut sum = 0;
        let chosen = group.take_while(|record| {
            sum += u32::from(record.weight);
            sum < drawn
        });
        let record = left.remove(chosen.count());
        let host = record.target.to_utf8();
        pointers.push(Pointer { host: host.trim_end_matches('.').to_owned(), port: record.port, transport });
    }
    if pointers.len() > 1 {
        pointers.retain(|pointer| !pointer.is_absent());
    }
    pointers
}

/// A number from 0..=most.
pub(super) fn random(most: u32) -> u32 {
    let mut octets = [0; 8];
    // Without randomness the first one gets the work: nothing breaks.
    let _ = getrandom::fill(&mut octets);
    (u64::from_le_bytes(octets) % (u64::from(most) + 1)) as u32
}

/// Streams try both families in turn, IPv6 first (RFC 8305 §4): what does not answer is soon passed over. Over UDP
/// nothing tells whether an address answers, so the family that nearly every SIP server has goes first.
pub(super) fn families(ips: Vec<IpAddr>, transport: Transport) -> Vec<IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = ips.into_iter().partition(IpAddr::is_ipv6);
    if transport == Transport::Udp {
        return [v4, v6].concat();
    }
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = (v6.next(), v4.next());
        if pair == (None, None) {
            return mixed;
        }
        mixed.extend(pair.0);
        mixed.extend(pair.1);
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> SRV {
        SRV::new(priority, weight, 5060, Name::from_ascii(target).expect("a name"))
    }

    fn hosts(records: &[SRV], random: impl FnMut(u32) -> u32) -> Vec<String> {
        srv(records.to_vec(), Transport::Udp, random).into_iter().map(|pointer| pointer.host).collect()
    }

    #[test]
    fn srv_records_follow_priority_then_weight() {
        let records = [record(20, 0, "c."), record(10, 30, "b."), record(10, 10, "a."), record(10, 0, "z.")];
        assert_eq!(hosts(&records, |_| 0), ["z", "a", "b", "c"]);
        assert_eq!(hosts(&records, |most| most), ["b", "a", "z", "c"]);
        let mut draws = [5, 0, 0, 0].into_iter();
        assert_eq!(hosts(&records, |_| draws.next().unwrap_or(0)), ["a", "z", "b", "c"]);
    }

    #[test]
    fn srv_weights_are_shares() {
        let records = [record(1, 10, "a."), record(1, 30, "b.")];
        let mut first = 0;
        for draw in 0..=40 {
            let mut draws = [draw, 0].into_iter();
            first += usize::from(hosts(&records, |_| draws.next().unwrap_or(0))[0] == "a");
        }
        assert_eq!(first, 11);
    }

    #[test]
    fn srv_root_says_that_there_is_no_service() {
        assert!(srv(vec![record(0, 0, ".")], Transport::Tcp, |_| 0)[0].is_absent());
        assert_eq!(hosts(&[record(0, 0, "."), record(1, 0, "a.")], |_| 0), ["a"]);
        assert!(hosts(&[], |_| 0).is_empty());
    }

    #[test]
    fn naptr_records_name_transports_in_order() {
        let naptr = |order, preference, flags: &str, services: &str, replacement: &str| {
            let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
            let name = Name::from_ascii(replacement).expect("a name");
            NAPTR::new(order, preference, bytes(flags), bytes(services), bytes(""), name)
        };
        let records = [
            naptr(50, 50, "s", "SIP+D2U", "_sip._udp.a."),
            naptr(10, 60, "S", "sip+d2t", "_sip._tcp.a."),
            naptr(10, 50, "s", "SIPS+D2T", "_sips._tcp.a."),
            naptr(1, 1, "s", "SIP+D2S", "_sip._sctp.a."),
            naptr(1, 1, "u", "SIP+D2U", "_sip._udp.b."),
            naptr(1, 1, "s", "SIP+D2U", "."),
        ];
        let found = services(records.iter().filter_map(Service::of).collect());
        let found: Vec<_> = found.into_iter().map(|service| service.transport).collect();
        assert_eq!(found, [Transport::Tls, Transport::Tcp, Transport::Udp]);
    }

    #[test]
    fn families_take_turns_on_streams_only() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let mixed = vec![ip("10.0.0.1"), ip("10.0.0.2"), ip("fd00::1")];
        assert_eq!(families(mixed.clone(), Transport::Tcp), [ip("fd00::1"), ip("10.0.0.1"), ip("10.0.0.2")]);
        assert_eq!(families(mixed.clone(), Transport::Udp), mixed);
    }
}
