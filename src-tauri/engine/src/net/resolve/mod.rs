//! Where a server is (RFC 3263): its name becomes hops, in the order in which they are to be tried.
//!
//! An address, or a name with a port, is taken as it is. Else NAPTR records tell the transport where the account leaves
//! that open, SRV records tell hosts and ports, and A and AAAA records their addresses. WebSocket has neither NAPTR nor
//! SRV (RFC 7118 §5.5). What has failed lately is tried last (RFC 3263 §4.3), and first again once that is forgotten.

mod failed;
mod order;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deskline_core::account::Server;
use deskline_core::flow::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

use self::failed::Failed;
use self::order::{Pointer, Service};
use super::ConnectError;
use super::dial::Deadline;

/// One question to one name server, and how often it is asked again.
const QUESTION: Duration = Duration::from_millis(1_500);
const ATTEMPTS: usize = 2;
/// Once one family's addresses are known, the other's are waited for that long (RFC 8305 §3).
const OTHER_FAMILY: Duration = Duration::from_millis(50);
/// Once the addresses of the name itself are known, its SRV records are waited for that long: some name servers never
/// answer such questions.
const SERVICE_RECORDS: Duration = Duration::from_millis(1_000);
/// Whoever writes the zone does not choose how long we try.
const MAX_HOPS: usize = 16;
const MAX_ADDRESSES: usize = 8;

/// One host to try: by which transport, and at which addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) transport: Transport,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Which name servers to ask.
#[derive(Debug, Clone, Default)]
pub enum NameServers {
    /// Those of the operating system, with its list of hosts.
    #[default]
    System,
    /// These, and nobody else.
    These(Vec<SocketAddr>),
}

/// Finds servers, and remembers which of them failed.
pub(super) struct Directory {
    servers: NameServers,
    /// Made when it is first needed, and anew after the network has changed.
    resolver: Mutex<Option<Arc<TokioResolver>>>,
    pub(super) failed: Failed,
}

impl Directory {
    pub(super) fn new(servers: NameServers, forget_failures_after: Duration) -> Self {
        Self { servers, resolver: Mutex::new(None), failed: Failed::new(forget_failures_after) }
    }

    /// The hops of a server, the preferred first; never empty, and none without an address.
    pub(super) async fn hops(&self, server: &Server, deadline: Deadline) -> Result<Vec<Hop>, ConnectError> {
        let host = server.host.trim_start_matches('[').trim_end_matches(']');
        let mut hops = match (host.parse::<IpAddr>(), server.port) {
            (Ok(ip), port) => {
                let transport = server.transport.unwrap_or(Transport::Udp);
                let port = port.unwrap_or(transport.default_port());
                vec![Hop { transport, addresses: vec![SocketAddr::new(ip, port)] }]
            }
            (Err(_), Some(port)) => self.host(host, port, server.transport.unwrap_or(Transport::Udp), deadline).await?,
            (Err(_), None) => self.services(host, server.transport, deadline).await?,
        };
        hops.truncate(MAX_HOPS);
        self.failed.arrange(&mut hops);
        Ok(hops)
    }

    /// Forgets the name servers and all that they said: the machine is on another network.
    pub(super) fn network_changed(&self) {
        *self.slot() = None;
        self.failed.forget_all();
    }

    /// A name without a port.
    async fn services(
        &self,
        host: &str,
        transport: Option<Transport>,
        deadline: Deadline,
    ) -> Result<Vec<Hop>, ConnectError> {
        let itself = transport.unwrap_or(Transport::Udp);
        let port = itself.default_port();
        let pointed = async {
            match transport {
                Some(Transport::Ws | Transport::Wss) => Vec::new(),
                Some(transport) => self.srv(&order::srv_name(transport, host), transport).await,
                None => self.automatic(host).await,
            }
        };
        let directly = self.host(host, port, itself, deadline);
        let (mut pointed, mut directly) = (std::pin::pin!(pointed), std::pin::pin!(directly));
        // Both are asked at once: most names have no service records.
        let (pointers, addresses) = tokio::select! {
            pointers = &mut pointed => (pointers, None),
            addresses = &mut directly => {
                let patience = if addresses.is_ok() { SERVICE_RECORDS } else { QUESTION * 4 };
                let pointers = deadline.limit(timeout(patience, pointed)).await?.unwrap_or_default();
                (pointers, Some(addresses))
            }
        };
        if pointers.iter().any(|pointer| pointer.is_absent()) {
            // The domain says that it has no such service (RFC 2782).
            return Err(ConnectError::Resolve(host.to_owned()));
        }
        if pointers.is_empty() {
            return match addresses {
                Some(addresses) => addresses,
                None => directly.await,
            };
        }
        let mut hops = Vec::new();
        for Pointer { host, port, transport } in pointers.into_iter().take(MAX_HOPS) {
            // A target that cannot be resolved leaves the others.
            hops.extend(self.host(&host, port, transport, deadline).await.unwrap_or_default());
        }
        if hops.is_empty() { Err(ConnectError::Resolve(host.to_owned())) } else { Ok(hops) }
    }

    /// The account leaves the transport open: the domain's NAPTR records tell, or which SRV records there are
    /// (RFC 3263 §4.1).
    async fn automatic(&self, host: &str) -> Vec<Pointer> {
        let mut services = Vec::new();
        for record in self.records(host, RecordType::NAPTR).await {
            if let RData::NAPTR(naptr) = record {
                services.extend(Service::of(&naptr));
            }
        }
        if services.is_empty() {
            let [tls, tcp, udp] = [Transport::Tls, Transport::Tcp, Transport::Udp]
                .map(async |transport| self.srv(&order::srv_name(transport, host), transport).await);
            let (tls, tcp, udp) = tokio::join!(tls, tcp, udp);
            return [tls, tcp, udp].concat();
        }
        let mut pointers = Vec::new();
        for Service { name, transport } in order::services(services) {
            pointers.extend(self.srv(&name, transport).await);
        }
        pointers
    }

    async fn srv(&self, name: &str, transport: Transport) -> Vec<Pointer> {
        let records = self.records(name, RecordType::SRV).await.into_iter().filter_map(|record| match record {
            RData::SRV(srv) => Some(srv),
            _ => None,
        });
        order::srv(records.collect(), transport, order::random)
    }

    /// A question about a service. What cannot be answered counts as no records: then the name itself is tried.
    async fn records(&self, name: &str, kind: RecordType) -> Vec<RData> {
        let Some(resolver) = self.resolver() else { return Vec::new() };
        // With a dot at the end: the search domains are for hosts that people name.
        match resolver.lookup(format!("{}.", name.trim_end_matches('.')), kind).await {
            Ok(found) => found.answers().iter().map(|record| record.data.clone()).collect(),
            Err(_) => Vec::new(),
        }
    }

    async fn host(
        &self,
        host: &str,
        port: u16,
        transport: Transport,
        deadline: Deadline,
    ) -> Result<Vec<Hop>, ConnectError> {
        let mut ips = deadline.limit(self.addresses(host)).await?;
        ips.truncate(MAX_ADDRESSES);
        if ips.is_empty() {
            return Err(ConnectError::Resolve(host.to_owned()));
        }
        let addresses = order::families(ips, transport).into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(vec![Hop { transport, addresses }])
    }

    async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let bare = host.trim_end_matches('.');
        if bare.is_empty() || bare.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Vec::new();
        }
        let found = match self.resolver() {
            Some(resolver) => both_families(&resolver, host).await,
            None => Vec::new(),
        };
        if !found.is_empty() || matches!(self.servers, NameServers::These(_)) {
            return found;
        }
        // The system knows names that no name server does: of the local link, of a directory.
        let found: Vec<_> =
            lookup_host((bare, 0)).await.map(|found| found.map(|at| at.ip()).collect()).unwrap_or_default();
        if found.is_empty() {
            // Perhaps the name servers are no longer the ones to ask.
            *self.slot() = None;
        }
        found
    }

    fn resolver(&self) -> Option<Arc<TokioResolver>> {
        let mut slot = self.slot();
        if slot.is_none() {
            *slot = resolver(&self.servers).map(Arc::new);
        }
        slot.clone()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<TokioResolver>>> {
        // A resolver is put in or taken out whole.
        self.resolver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A and AAAA at once; a family that is not answered for does not hold up the other.
async fn both_families(resolver: &TokioResolver, host: &str) -> Vec<IpAddr> {
    let ask = async |kind| match resolver.lookup(host, kind).await {
        Ok(found) => found.answers().iter().filter_map(|record| record.data.ip_addr()).collect::<Vec<_>>(),
        Err(_) => Vec::new(),
    };
    let (mut v4, mut v6) = (std::pin::pin!(ask(RecordType::A)), std::pin::pin!(ask(RecordType::AAAA)));
    let mut found = Vec::new();
    let rest: &mut (dyn Future<Output = Vec<IpAddr>> + Send + Unpin) = tokio::select! {
        first = &mut v4 => { found.extend(first); &mut v6 }
        first = &mut v6 => { found.extend(first); &mut v4 }
    };
    if found.is_empty() {
        found.extend(rest.await);
    } else {
        tokio::select! {
            more = rest => found.extend(more),
            () = sleep(OTHER_FAMILY) => {}
        }
    }
    found
}

/// `None`: the system does not tell its name servers. Then its own look-up has to do.
fn resolver(servers: &NameServers) -> Option<TokioResolver> {
    let builder = match servers {
        NameServers::System => TokioResolver::builder_tokio(),
        NameServers::These(servers) => {
            let servers = servers.iter().map(|server| {
                let mut connection = ConnectionConfig::udp();
                connection.port = server.port();
                NameServerConfig::new(server.ip(), true, vec![connection])
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
            *builder.options_mut() = ResolverOpts::default();
            Ok(builder)
        }
    };
    let made = builder.and_then(|mut builder| {
        let options = builder.options_mut();
        options.timeout = QUESTION;
        options.attempts = ATTEMPTS;
        options.cache_size = 256;
        builder.build()
    });
    made.inspect_err(|error| tracing::warn!(%error, "the system's name servers cannot be found out")).ok()
}
