//! SIP over UDP: a listener shared by all its peers, or a socket for one flow that we opened.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use deskline_core::account::KeepAlive;
use deskline_core::flow::{Flow, FlowId, Transport};
use deskline_core::sip::wire::MAX_MESSAGE;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until};

use super::dial::Deadline;
use super::flows::{Flows, Opening};
use super::resolve::Hop;
use super::stun::{self, Binding, Due, Message};
use super::{ConnectError, NetEvent};

/// Opens a flow to the first address that there is a way to, and serves it to its end. In vain, it gives back `opening`.
///
/// Nothing tells whether a UDP address answers. When one has not, that is remembered at the end of its flow, and the next
/// attempt goes to the next address.
pub(super) async fn open(
    flows: &Arc<Flows>,
    opening: Opening,
    hops: &[Hop],
    keep_alive: KeepAlive,
    deadline: Deadline,
) -> Result<(), (ConnectError, Opening)> {
    let Opening::Asked(connect) = opening else {
        return Err((ConnectError::Unsupported(Transport::Udp), opening));
    };
    let mut failure = ConnectError::Unreachable;
    let replaceable = hops.iter().map(|hop| hop.addresses.len()).sum::<usize>() > 1;
    for remote in hops.iter().flat_map(|hop| &hop.addresses).copied() {
        let role = Role::Client(Client { server: remote, keep_alive, replaceable });
        let bound = bind_towards(remote).and_then(|io| Socket::new(io, role, flows.limits.peers));
        match bound {
            Ok((socket, spilled)) => {
                // From here on the first send finds the socket ready.
                let _ = socket.io.writable().await;
                flows.insert_socket(&socket);
                let Learned { flow, .. } = socket.learn(flows, remote);
                flows.report(NetEvent::Up { flow, connect: Some(connect) }).await;
                serve(Arc::clone(flows), socket, spilled).await;
                return Ok(());
            }
            Err(error) => failure = ConnectError::from_io(&error, deadline),
        }
    }
    Err((failure, opening))
}

/// Binds a socket for all peers; the future serves it until dropped.
pub(super) async fn listen(
    flows: &Arc<Flows>,
    address: SocketAddr,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let (socket, spilled) = Socket::new(bind(address)?, Role::Listener, flows.limits.peers)?;
    socket.io.writable().await?;
    flows.insert_socket(&socket);
    Ok((socket.local, serve(Arc::clone(flows), socket, spilled)))
}

/// A socket for a destination that none of ours can reach. Bound to all addresses, there are at most two of them.
pub(super) fn open_wildcard(
    flows: &Arc<Flows>,
    remote: SocketAddr,
) -> io::Result<(Arc<Socket>, impl Future<Output = ()> + Send + 'static)> {
    let (socket, spilled) = Socket::new(bind(any(remote))?, Role::Listener, flows.limits.peers)?;
    flows.insert_socket(&socket);
    Ok((Arc::clone(&socket), serve(Arc::clone(flows), socket, spilled)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Opened for this peer: kept alive, and given up when the peer's host says that nothing listens there. Others may
    /// send to it all the same: a proxy that does not record-route leaves the peers of a call to themselves.
    Client(Client),
    Listener,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client {
    server: SocketAddr,
    keep_alive: KeepAlive,
    /// There are others that do the same.
    replaceable: bool,
}

impl Role {
    /// The interface of a link-local address may be missing in what the system tells.
    fn is_client_of(self, remote: SocketAddr) -> bool {
        self.server().is_some_and(|server| (server.ip(), server.port()) == (remote.ip(), remote.port()))
    }

    fn server(self) -> Option<SocketAddr> {
        match self {
            Self::Client(client) => Some(client.server),
            Self::Listener => None,
        }
    }
}

pub(super) struct Socket {
    io: UdpSocket,
    local: SocketAddr,
    role: Role,
    peers: Mutex<Peers>,
    /// What the system would not take at once, and how many there are of it.
    spill: mpsc::Sender<(Vec<u8>, SocketAddr)>,
    spilled: AtomicUsize,
    ended: Notify,
    /// Why the socket is of no use any more; empty where we closed it.
    fault: OnceLock<&'static str>,
    /// Since when the server owes us an answer to anything that we have sent.
    unanswered: Mutex<Option<Instant>>,
}

/// A server that has said nothing for that long to what we sent is tried last the next time.
const SILENCE: Duration = Duration::from_secs(2);

type Spilled = mpsc::Receiver<(Vec<u8>, SocketAddr)>;

impl Socket {
    fn new(io: UdpSocket, role: Role, peers: usize) -> io::Result<(Arc<Self>, Spilled)> {
        let local = io.local_addr()?;
        if matches!(role, Role::Client(_)) {
            errors::enable(&io, local);
        }
        let (spill, spilled) = mpsc::channel(256);
        let socket = Self {
            io,
            local,
            role,
            peers: Mutex::new(Peers::new(peers)),
            spill,
            spilled: AtomicUsize::new(0),
            ended: Notify::new(),
            fault: OnceLock::new(),
            unanswered: Mutex::new(None),
        };
        Ok((Arc::new(socket), spilled))
    }

    /// Never blocks. UDP may lose what is sent, and so may this.
    pub(super) fn send(&self, bytes: Vec<u8>, remote: SocketAddr) {
        if self.role.is_client_of(remote) && wants_answer(&bytes) {
            self.unanswered().get_or_insert_with(Instant::now);
        }
        if self.spilled.load(Ordering::Acquire) == 0 {
            let mut sent = self.io.try_send_to(&bytes, remote);
            if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
                // The fate of an earlier datagram, told now; this one has not been sent yet.
                sent = self.io.try_send_to(&bytes, remote);
            }
            match sent {
                Ok(_) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(%error, length = bytes.len(), "a datagram was not sent");
                    if self.role.server() == Some(remote) && is_lasting(&error) {
                        let _ = self.fault.set("the network is unreachable");
                        self.ended.notify_one();
                    }
                    return;
                }
            }
        }
        self.spilled.fetch_add(1, Ordering::AcqRel);
        if self.spill.try_send((bytes, remote)).is_err() {
            self.spilled.fetch_sub(1, Ordering::AcqRel);
            tracing::debug!("a datagram was dropped: the system takes no more");
        }
    }

    /// How well this socket suits a destination; `None`: not at all.
    pub(super) fn suits(&self, remote: SocketAddr) -> Option<u8> {
        let ip = self.local.ip();
        let reaches = self.local.is_ipv4() == remote.is_ipv4()
            && (ip.is_unspecified() || ip.is_loopback() == remote.ip().is_loopback());
        reaches.then_some(match self.role {
            Role::Client(client) if client.server == remote => 3,
            Role::Listener => 2,
            Role::Client(_) => 1,
        })
    }

    /// Forgets a peer; a socket opened for it ends.
    pub(super) fn close(&self, remote: SocketAddr) {
        self.peers().by_address.remove(&remote);
        if self.role.server() == Some(remote) {
            self.ended.notify_one();
        }
    }

    /// The flow of a peer, new or known.
    fn learn(self: &Arc<Self>, flows: &Flows, remote: SocketAddr) -> Learned {
        let mut peers = self.peers();
        peers.clock += 1;
        let now = peers.clock;
        if let Some(peer) = peers.by_address.get_mut(&remote) {
            peer.heard = now;
            return Learned { flow: peer.flow, new: false };
        }
        let forgotten = peers.make_room(self.role.server());
        let flow = Flow { id: flows.next_id(), transport: Transport::Udp, local: self.local_towards(remote), remote };
        peers.by_address.insert(remote, Peer { flow, heard: now });
        drop(peers);
        flows.forget(&forgotten);
        flows.insert_peer(flow.id, self, remote);
        Learned { flow, new: true }
    }

    /// Our address as the peer sees it. Where we listen on all addresses, the one of the route to it.
    fn local_towards(&self, remote: SocketAddr) -> SocketAddr {
        if !self.local.ip().is_unspecified() {
            return self.local;
        }
        let ip = route(remote).unwrap_or_else(|_| remote.ip());
        SocketAddr::new(ip, self.local.port())
    }

    /// The next datagram, or word that one of ours did not arrive.
    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            self.io.ready(Interest::READABLE | Interest::ERROR).await?;
            let received = self.io.try_recv_from(buffer);
            if let Ok((length, remote)) = received {
                return Ok(Received::Datagram(length, remote));
            }
            let undelivered =
                self.io.try_io(Interest::ERROR, || errors::next(&self.io).ok_or(io::ErrorKind::WouldBlock.into()));
            match (undelivered, received) {
                (Ok((remote, error)), _) => return Ok(Received::Undelivered(remote, error)),
                (Err(_), Err(error)) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }

    /// Remembers a server that does not answer, so that the next attempt goes to another.
    pub(super) fn note_silence(&self, flows: &Flows) {
        let faulty = self.fault.get().is_some();
        // Taken out: one silence counts once, however long the flow stays.
        let silence = self.unanswered().take_if(|since| faulty || since.elapsed() >= SILENCE);
        if let (Some(_), Some(server)) = (silence, self.role.server()) {
            flows.directory.failed.note(Transport::Udp, server);
        }
    }

    /// Our end, where it was opened for this peer.
    pub(super) fn opened_from(&self, remote: SocketAddr) -> Option<SocketAddr> {
        (self.role.server() == Some(remote)).then_some(self.local)
    }

    fn unanswered(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keeps the way of a flow open.
enum Pulse {
    LineEnds { at: Instant },
    Stun(Binding),
}

impl Pulse {
    fn at(&self) -> Instant {
        match self {
            Self::LineEnds { at } => *at,
            Self::Stun(binding) => binding.at(),
        }
    }
}

impl Socket {
    /// `Some`: the server is gone.
    fn keep_alive(&self, pulse: &mut Pulse, interval: Duration) -> Option<&'static str> {
        let server = self.role.server()?;
        let now = Instant::now();
        let bytes = match pulse {
            Pulse::LineEnds { at } => {
                *at = now + interval;
                b"\r\n\r\n".to_vec()
            }
            Pulse::Stun(binding) => match binding.due(now, stun::Id::from(random())) {
                Due::Send(bytes) => bytes,
                Due::LineEnds => {
                    tracing::info!("the server does not answer STUN: line ends keep the flow alive");
                    *pulse = Pulse::LineEnds { at: now + interval };
                    b"\r\n\r\n".to_vec()
                }
                Due::Gone => return Some("the peer no longer answers keep-alives"),
            },
        };
        self.send(bytes, server);
        None
    }

    async fn stun(self: &Arc<Self>, flows: &Flows, pulse: &mut Pulse, message: &Message, remote: SocketAddr) {
        match (message, pulse) {
            // Whoever keeps a flow to our listener alive in this way (RFC 5626 §8).
            (Message::Request(id), _) if self.role == Role::Listener => self.send(stun::answer(*id, remote), remote),
            (answer, Pulse::Stun(binding)) if self.role.is_client_of(remote) => {
                if let Some(mapped) = binding.answered(Instant::now(), answer) {
                    let flow = self.learn(flows, remote).flow.id;
                    flows.report(NetEvent::MappedAddressChanged { flow, mapped }).await;
                }
            }
            _ => {}
        }
    }
}

/// The name of a request: whoever cannot read along must not be able to answer it.
fn random() -> [u8; 12] {
    let mut octets = [0; 12];
    // Without randomness the keep-alives still keep alive.
    let _ = getrandom::fill(&mut octets);
    octets
}

struct Learned {
    flow: Flow,
    new: bool,
}

enum Received {
    Datagram(usize, SocketAddr),
    Undelivered(SocketAddr, errors::Errno),
}

async fn serve(flows: Arc<Flows>, socket: Arc<Socket>, mut spilled: Spilled) {
    let end = receive_all(&flows, &socket, &mut spilled).await;
    if let Some(reason) = end {
        // For `note_silence`.
        let _ = socket.fault.set(reason);
    }
    socket.note_silence(&flows);
    if let (Some(reason), Some(server)) = (end, socket.role.server()) {
        let id = socket.learn(&flows, server).flow.id;
        flows.down(id, reason.to_owned()).await;
    }
    flows.remove_socket(&socket);
}

/// `None`: closed at our wish.
async fn receive_all(flows: &Flows, socket: &Arc<Socket>, spilled: &mut Spilled) -> Option<&'static str> {
    let mut buffer = vec![0; MAX_MESSAGE];
    // Looked at from time to time: what is sent does not come by here.
    let replaceable = matches!(socket.role, Role::Client(Client { replaceable: true, .. }));
    let first_look = if replaceable { flows.limits.silent_server } else { Duration::from_secs(u32::MAX.into()) };
    let mut patience = std::pin::pin!(sleep(first_look));
    let interval = flows.limits.datagram_keep_alive;
    let mut keep_alive = match socket.role {
        Role::Client(Client { keep_alive: KeepAlive::Stun, .. }) => Pulse::Stun(Binding::new(Instant::now(), interval)),
        _ => Pulse::LineEnds { at: Instant::now() + interval },
    };
    loop {
        tokio::select! {
            () = socket.ended.notified() => return socket.fault.get().copied(),
            Some((bytes, remote)) = spilled.recv() => {
                let _ = socket.io.send_to(&bytes, remote).await;
                socket.spilled.fetch_sub(1, Ordering::AcqRel);
            }
            received = socket.receive(&mut buffer) => match received {
                Ok(Received::Datagram(length, remote)) => {
                    let bytes = &buffer[..length];
                    if socket.role.is_client_of(remote) {
                        *socket.unanswered() = None;
                    }
                    if let Some(message) = Message::parse(bytes) {
                        socket.stun(flows, &mut keep_alive, &message, remote).await;
                    } else if is_sip(bytes) {
                        let Learned { flow, new } = socket.learn(flows, remote);
                        if new {
                            flows.report(NetEvent::Up { flow, connect: None }).await;
                        }
                        flows.report(NetEvent::Message { flow, bytes: bytes.to_vec() }).await;
                    }
                }
                Ok(Received::Undelivered(remote, error)) => {
                    if let (true, Some(reason)) = (socket.role.is_client_of(remote), errors::describe(error)) {
                        return Some(reason);
                    }
                }
                // On some systems an unconnected socket learns so that one of its datagrams was refused, not which.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused) => {}
                Err(error) => {
                    tracing::debug!(%error, "a datagram could not be received");
                    sleep(Duration::from_millis(50)).await;
                }
            },
            () = &mut patience => {
                let limit = flows.limits.silent_server;
                if socket.unanswered().is_some_and(|since| since.elapsed() >= limit) {
                    return Some("the server does not answer, and there is another");
                }
                patience.as_mut().reset(Instant::now() + limit / 4);
            }
            () = sleep_until(keep_alive.at()), if socket.role != Role::Listener => {
                if let Some(reason) = socket.keep_alive(&mut keep_alive, interval) {
                    return Some(reason);
                }
            }
        }
    }
}

/// The request that a server answers itself, and soon. Any other one may be for somebody behind it who is slow or gone,
/// and its silence says nothing about the server.
fn wants_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"REGISTER ")
}

/// Not a keep-alive (nothing but line ends), nor STUN (RFC 8489 §5: the first two bits are zero).
fn is_sip(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|octet| !matches!(octet, b'\r' | b'\n'));
    first.is_some_and(|octet| *octet >= b' ')
}

struct Peers {
    by_address: HashMap<SocketAddr, Peer>,
    limit: usize,
    /// Counts datagrams: the order in which peers were last heard.
    clock: u64,
}

struct Peer {
    flow: Flow,
    heard: u64,
}

impl Peers {
    fn new(limit: usize) -> Self {
        Self { by_address: HashMap::new(), limit, clock: 0 }
    }

    /// When full, forgets the quarter unheard for longest: one by one, each new peer would cost a search.
    fn make_room(&mut self, keep: Option<SocketAddr>) -> Vec<FlowId> {
        if self.by_address.len() < self.limit {
            return Vec::new();
        }
        let mut oldest: Vec<_> = self
            .by_address
            .iter()
            .filter(|(address, _)| Some(**address) != keep)
            .map(|(address, peer)| (peer.heard, *address, peer.flow.id))
            .collect();
        oldest.sort_unstable_by_key(|(heard, ..)| *heard);
        oldest.truncate((self.limit / 4).max(1));
        oldest
            .into_iter()
            .map(|(_, address, flow)| {
                self.by_address.remove(&address);
                flow
            })
            .collect()
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Best effort: the system caps it. A burst of calls must not overrun the default of some 200 KiB.
    let _ = socket.set_recv_buffer_size(4 << 20);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// A socket bound to the local address of the route to `remote`.
fn bind_towards(remote: SocketAddr) -> io::Result<UdpSocket> {
    let mut local = SocketAddr::new(route(remote)?, 0);
    if let (SocketAddr::V6(local), SocketAddr::V6(remote)) = (&mut local, remote) {
        // A link-local address means nothing without its interface.
        local.set_scope_id(remote.scope_id());
    }
    bind(local)
}

/// The local address that the system would send from. Connecting a UDP socket sends nothing.
pub(super) fn route(remote: SocketAddr) -> io::Result<IpAddr> {
    let probe = std::net::UdpSocket::bind(any(remote))?;
    probe.connect(remote)?;
    Ok(probe.local_addr()?.ip())
}

/// The wildcard address of the family of `remote`.
fn any(remote: SocketAddr) -> SocketAddr {
    let ip = if remote.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    SocketAddr::new(ip, 0)
}

/// The route or our own address is gone (some systems call the latter an invalid argument).
fn is_lasting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::InvalidInput
    )
}

/// Refusals (ICMP port unreachable) on a socket that is not connected: only Linux tells whose they are.
#[cfg(target_os = "linux")]
mod errors {
    use std::io::IoSliceMut;
    use std::net::SocketAddr;
    use std::os::fd::AsRawFd as _;

    pub(super) use nix::errno::Errno;
    use nix::libc;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
    use tokio::net::UdpSocket;

    pub(super) fn enable(socket: &UdpSocket, local: SocketAddr) {
        let _ = if local.is_ipv4() {
            setsockopt(socket, sockopt::Ipv4RecvErr, &true)
        } else {
            setsockopt(socket, sockopt::Ipv6RecvErr, &true)
        };
    }

    /// Takes one entry of the error queue: where the datagram was sent, and what is wrong there. (The queue holds other
    /// news too, such as that a path takes smaller packets only: then the error is of no use to us.)
    pub(super) fn next(socket: &UdpSocket) -> Option<(SocketAddr, Errno)> {
        let mut head = [0_u8; 64];
        let mut lines = [IoSliceMut::new(&mut head)];
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let told = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut lines, Some(&mut control), flags).ok()?;
        let number = told.cmsgs().ok()?.find_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                Some(error.ee_errno)
            }
            _ => None,
        })?;
        let address = told.address?;
        let remote = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => SocketAddr::from((v4.ip(), v4.port())),
            (None, Some(v6)) => SocketAddr::from((v6.ip(), v6.port())),
            (None, None) => return None,
        };
        Some((remote, Errno::from_raw(i32::try_from(number).ok()?)))
    }

    pub(super) fn describe(error: Errno) -> Option<&'static str> {
        match error {
            Errno::ECONNREFUSED => Some("nothing listens there: the datagram was refused"),
            Errno::EHOSTUNREACH | Errno::ENETUNREACH => Some("the host cannot be reached"),
            _ => None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod errors {
    use std::net::SocketAddr;

    use tokio::net::UdpSocket;

    pub(super) fn enable(_: &UdpSocket, _: SocketAddr) {}

    /// Never made.
    #[derive(Debug, Clone, Copy)]
    pub(super) enum Errno {}

    pub(super) fn next(_: &UdpSocket) -> Option<(SocketAddr, Errno)> {
        None
    }

    pub(super) fn describe(error: Errno) -> Option<&'static str> {
        match error {}
    }
}
