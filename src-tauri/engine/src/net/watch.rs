//! Notices that the machine's addresses or routes have changed: another network, a VPN, a cable, a wake from sleep.
//!
//! Linux tells it through a netlink socket; elsewhere the addresses are compared every few seconds.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::NetEvent;
use super::flows::Flows;

/// Changes come in bursts: an address, its routes, another address. Only when they have been quiet for that long …
const QUIET: Duration = Duration::from_millis(300);
/// … or have gone on for that long, is it looked at what they amount to.
const BURST: Duration = Duration::from_secs(2);
/// Where the system does not tell.
const POLL: Duration = Duration::from_secs(3);

/// Reports changes until dropped.
pub(super) async fn run(flows: Arc<Flows>) {
    let mut news = News::open();
    let mut before = addresses();
    loop {
        news.wait().await;
        let end = Instant::now() + BURST;
        while Instant::now() < end && timeout(QUIET, news.wait()).await.is_ok() {}
        let now = addresses();
        let moved = flows.moved();
        if now == before && moved.is_empty() {
            continue;
        }
        before = now;
        flows.directory.network_changed();
        tracing::info!(moved = moved.len(), "the machine's addresses have changed");
        flows.report(NetEvent::AddressChanged { moved }).await;
    }
}

/// Our addresses, without those that lead to nobody else.
fn addresses() -> BTreeSet<IpAddr> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    all.into_iter().filter(|interface| !interface.is_loopback()).map(|interface| interface.ip()).collect()
}

/// Where news of changes come from.
enum News {
    #[cfg(target_os = "linux")]
    Netlink(netlink::Socket),
    Poll,
}

impl News {
    fn open() -> Self {
        #[cfg(target_os = "linux")]
        match netlink::Socket::open() {
            Ok(socket) => return Self::Netlink(socket),
            Err(error) => tracing::debug!(%error, "the system does not tell of changed addresses: they are compared"),
        }
        Self::Poll
    }

    /// Returns when something may have changed.
    async fn wait(&mut self) {
        #[cfg(target_os = "linux")]
        if let Self::Netlink(socket) = self {
            if socket.wait().await.is_ok() {
                return;
            }
            *self = Self::Poll;
        }
        sleep(POLL).await;
    }
}

#[cfg(target_os = "linux")]
mod netlink {
    use std::io;
    use std::os::fd::{AsRawFd as _, OwnedFd};

    use nix::libc;
    use nix::sys::socket::{
        AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Listens to what the kernel tells everybody of links, addresses and routes (rtnetlink(7)).
    pub(super) struct Socket(AsyncFd<OwnedFd>);

    impl Socket {
        pub(super) fn open() -> io::Result<Self> {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
            let groups = libc::RTMGRP_LINK
                | libc::RTMGRP_IPV4_IFADDR
                | libc::RTMGRP_IPV4_ROUTE
                | libc::RTMGRP_IPV6_IFADDR
                | libc::RTMGRP_IPV6_ROUTE;
            bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups.cast_unsigned()))?;
            // SAFETY: an `OwnedFd` stays open, and the same, for as long as it lives; here as long as the `AsyncFd`.
            let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
            Ok(Self(fd))
        }

        /// Takes everything that waits; what it says is found out by looking.
        pub(super) async fn wait(&self) -> io::Result<()> {
            let mut buffer = [0; 8192];
            let mut some = false;
            loop {
                let mut ready = self.0.readable().await?;
                let received = ready.try_io(|fd| {
                    recv(fd.get_ref().as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).map_err(io::Error::from)
                });
                match received {
                    Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(Ok(_)) => some = true,
                    // More than the system could hold for us: something has changed, at any rate.
                    Ok(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => some = true,
                    Ok(Err(error)) => return Err(error),
                    Err(_) if some => return Ok(()),
                    Err(_) => {}
                }
            }
        }
    }
}
