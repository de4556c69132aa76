//! Names to addresses, and addresses to TCP connections, within one time limit.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::{ConnectError, Target};

/// The addresses of `host` in the resolver's order; never empty.
pub(super) async fn resolve(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, ConnectError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let unresolved = || ConnectError::Resolve(host.to_owned());
    if host.is_empty() {
        return Err(unresolved());
    }
    let found = deadline.limit(lookup_host((host, port))).await?;
    let addresses: Vec<_> = found.map_err(|_| unresolved())?.collect();
    if addresses.is_empty() { Err(unresolved()) } else { Ok(addresses) }
}

/// Connects to the first address that takes the connection. The addresses share what remains of the time, so that a
/// silent first one leaves some for the next.
pub(super) async fn tcp(target: &Target, deadline: Deadline) -> Result<TcpStream, ConnectError> {
    let addresses = resolve(&target.host, target.port, deadline).await?;
    let mut failure = ConnectError::Unreachable;
    for (index, address) in addresses.iter().enumerate() {
        let share = deadline.share(addresses.len() - index);
        match share.limit(TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                super::tcp::prepare(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => failure = ConnectError::from_io(&error, deadline),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The end of the time given to one attempt to connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    whole: Duration,
}

impl Deadline {
    pub(super) fn after(whole: Duration) -> Self {
        Self { at: Instant::now() + whole, whole }
    }

    pub(super) async fn limit<F: Future>(self, future: F) -> Result<F::Output, ConnectError> {
        timeout_at(self.at, future).await.map_err(|_| self.timed_out())
    }

    fn share(self, among: usize) -> Self {
        let remaining = self.at.saturating_duration_since(Instant::now());
        let parts = u32::try_from(among.max(1)).unwrap_or(u32::MAX);
        Self { at: Instant::now() + remaining / parts, whole: self.whole }
    }

    fn timed_out(self) -> ConnectError {
        ConnectError::TimedOut(self.whole.as_secs())
    }
}

impl ConnectError {
    pub(super) fn from_io(error: &io::Error, deadline: Deadline) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => deadline.timed_out(),
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
            kind => Self::Other(kind.to_string()),
        }
    }
}
