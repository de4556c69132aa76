//! The table of flows: what [`super::Net::send`] and the tasks of the sockets share.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deskline_core::flow::{FlowId, Transport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::resolve::{Directory, NameServers};
use super::tls::Configurations;
use super::udp::{self, Socket};
use super::{ConnectId, Limits, NetEvent};

pub(super) struct Flows {
    pub(super) limits: Limits,
    pub(super) directory: Directory,
    pub(super) tls: Arc<Configurations>,
    events: mpsc::Sender<NetEvent>,
    next: AtomicU64,
    /// One permit for each connection that a message to an address may open.
    openings: Arc<Semaphore>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    routes: HashMap<FlowId, Route>,
    /// The newest stream to each address.
    streams: HashMap<(Transport, SocketAddr), FlowId>,
    sockets: Vec<Arc<Socket>>,
}

enum Route {
    Datagram { socket: Arc<Socket>, remote: SocketAddr },
    Stream(Stream),
}

struct Stream {
    transport: Transport,
    remote: SocketAddr,
    /// Our end, where [`super::Net::connect`] has opened it.
    opened_from: Option<SocketAddr>,
    queue: mpsc::Sender<Vec<u8>>,
    waiting: Arc<AtomicUsize>,
    stop: oneshot::Sender<Stop>,
}

/// How a stream ends at our wish: after what is queued. (When the sender is dropped instead: at once.)
pub(super) struct Stop;

/// The connection's end of its queue.
pub(super) struct Mailbox {
    pub(super) queue: mpsc::Receiver<Vec<u8>>,
    /// Octets in the queue.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) stop: oneshot::Receiver<Stop>,
}

/// Who wants a stream that is being opened.
pub(super) enum Opening {
    /// [`super::Net::connect`]: the flow gets its name once it stands.
    Asked(ConnectId),
    /// [`super::Net::send`] to an address: messages wait already.
    Queued(FlowId, Mailbox),
}

impl Opening {
    /// The stream stands: its name and its queue.
    pub(super) fn settle(
        self,
        flows: &Flows,
        transport: Transport,
        (local, remote): (SocketAddr, SocketAddr),
    ) -> (Option<ConnectId>, FlowId, Mailbox) {
        match self {
            Self::Asked(connect) => {
                let flow = flows.next_id();
                (Some(connect), flow, flows.insert(flow, transport, remote, Some(local)))
            }
            Self::Queued(flow, mailbox) => (None, flow, mailbox),
        }
    }
}

/// What became of a message.
pub(super) enum Outcome {
    Taken,
    Gone { flow: FlowId, peer: Option<(Transport, SocketAddr)>, reason: &'static str },
}

impl Flows {
    pub(super) fn new(limits: Limits, name_servers: NameServers, events: mpsc::Sender<NetEvent>) -> Self {
        let openings = Arc::new(Semaphore::new(limits.opened));
        let directory = Directory::new(name_servers, limits.failed_server);
        let (next, table) = (AtomicU64::new(1), Mutex::default());
        Self { limits, directory, tls: Arc::default(), events, next, openings, table }
    }

    pub(super) fn next_id(&self) -> FlowId {
        FlowId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Leave to open a connection for a message to an address, as long as the connection lasts.
    pub(super) fn opening(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.openings).try_acquire_owned().ok()
    }

    /// Waits while the event loop lags. An event loop that is gone needs no events.
    pub(super) async fn report(&self, event: NetEvent) {
        let _ = self.events.send(event).await;
    }

    pub(super) fn try_report(&self, event: NetEvent) -> Result<(), NetEvent> {
        match self.events.try_send(event) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(event)) => Err(event),
        }
    }

    /// Forgets the flow and reports it, unless that has been done.
    pub(super) async fn down(&self, flow: FlowId, reason: String) {
        let known = self.table().remove(flow);
        if let Some(route) = known {
            self.report(NetEvent::Down { flow, peer: route.peer(), reason }).await;
        }
    }

    pub(super) fn insert_stream(&self, flow: FlowId, transport: Transport, remote: SocketAddr) -> Mailbox {
        self.insert(flow, transport, remote, None)
    }

    fn insert(
        &self,
        flow: FlowId,
        transport: Transport,
        remote: SocketAddr,
        opened_from: Option<SocketAddr>,
    ) -> Mailbox {
        let (sender, queue) = mpsc::channel(self.limits.queue_messages);
        let (stop, stopped) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let stream = Stream { transport, remote, opened_from, queue: sender, waiting: Arc::clone(&waiting), stop };
        let mut table = self.table();
        table.streams.insert((transport, remote), flow);
        table.routes.insert(flow, Route::Stream(stream));
        Mailbox { queue, waiting, stop: stopped }
    }

    pub(super) fn insert_peer(&self, flow: FlowId, socket: &Arc<Socket>, remote: SocketAddr) {
        self.table().routes.insert(flow, Route::Datagram { socket: Arc::clone(socket), remote });
    }

    pub(super) fn insert_socket(&self, socket: &Arc<Socket>) {
        self.table().sockets.push(Arc::clone(socket));
    }

    pub(super) fn remove_socket(&self, socket: &Arc<Socket>) {
        let mut table = self.table();
        table.sockets.retain(|other| !Arc::ptr_eq(other, socket));
        table
            .routes
            .retain(|_, route| !matches!(route, Route::Datagram { socket: other, .. } if Arc::ptr_eq(other, socket)));
    }

    pub(super) fn forget(&self, flows: &[FlowId]) {
        let mut table = self.table();
        for flow in flows {
            table.remove(*flow);
        }
    }

    pub(super) fn contains(&self, flow: FlowId) -> bool {
        self.table().routes.contains_key(&flow)
    }

    pub(super) fn stream_to(&self, transport: Transport, remote: SocketAddr) -> Option<FlowId> {
        self.table().streams.get(&(transport, remote)).copied()
    }

    /// The best socket to send to `remote` from: one opened for it, a listener, any other that can reach it.
    pub(super) fn socket_towards(&self, remote: SocketAddr) -> Option<Arc<Socket>> {
        let table = self.table();
        table
            .sockets
            .iter()
            .filter_map(|socket| Some((socket.suits(remote)?, socket)))
            .max_by_key(|found| found.0)
            .map(|found| Arc::clone(found.1))
    }

    /// The flows opened by [`super::Net::connect`] whose peer is now reached from another address of ours.
    pub(super) fn moved(&self) -> Vec<FlowId> {
        let opened: Vec<_> = {
            let table = self.table();
            let opened = table.routes.iter().filter_map(|(flow, route)| match route {
                Route::Stream(stream) => Some((*flow, stream.opened_from?, stream.remote)),
                Route::Datagram { socket, remote } => Some((*flow, socket.opened_from(*remote)?, *remote)),
            });
            opened.collect()
        };
        let moved = |(_, local, remote): &(FlowId, SocketAddr, SocketAddr)| {
            // Without any way to it, no other address is of use: it may still come back.
            udp::route(*remote).is_ok_and(|ip| ip != local.ip())
        };
        opened.into_iter().filter(moved).map(|(flow, ..)| flow).collect()
    }

    /// Remembers the UDP servers that do not answer.
    pub(super) fn note_silence(&self) {
        let sockets = self.table().sockets.clone();
        sockets.iter().for_each(|socket| socket.note_silence(self));
    }

    pub(super) fn send(&self, flow: FlowId, bytes: Vec<u8>) -> Outcome {
        let mut table = self.table();
        let reason = match table.routes.get(&flow) {
            Some(Route::Datagram { socket, remote }) => {
                let (socket, remote) = (Arc::clone(socket), *remote);
                drop(table);
                socket.send(bytes, remote);
                return Outcome::Taken;
            }
            Some(Route::Stream(stream)) => match stream.push(bytes, self.limits.queue) {
                Ok(()) => return Outcome::Taken,
                Err(reason) => reason,
            },
            None => return Outcome::Gone { flow, peer: None, reason: "there is no such flow" },
        };
        // Dropped with its `stop`: the connection ends at once.
        let peer = table.remove(flow).and_then(|route| route.peer());
        Outcome::Gone { flow, peer, reason }
    }

    pub(super) fn close(&self, flow: FlowId) {
        match self.table().remove(flow) {
            Some(Route::Stream(stream)) => {
                let _ = stream.stop.send(Stop);
            }
            Some(Route::Datagram { socket, remote }) => socket.close(remote),
            None => {}
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code that holds the lock can leave the table half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, flow: FlowId) -> Option<Route> {
        let route = self.routes.remove(&flow)?;
        if let Route::Stream(stream) = &route {
            let key = (stream.transport, stream.remote);
            if self.streams.get(&key) == Some(&flow) {
                self.streams.remove(&key);
            }
        }
        Some(route)
    }
}

impl Route {
    /// Where a stream leads.
    const fn peer(&self) -> Option<(Transport, SocketAddr)> {
        match self {
            Self::Stream(stream) => Some((stream.transport, stream.remote)),
            Self::Datagram { .. } => None,
        }
    }
}

impl Stream {
    fn push(&self, bytes: Vec<u8>, limit: usize) -> Result<(), &'static str> {
        let length = bytes.len();
        if self.waiting.load(Ordering::Relaxed) + length > limit {
            return Err("the peer does not read what is sent to it");
        }
        // Before the message itself, so that the connection never subtracts first.
        self.waiting.fetch_add(length, Ordering::Relaxed);
        self.queue.try_send(bytes).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => "the peer does not read what is sent to it",
            mpsc::error::TrySendError::Closed(_) => "the connection has ended",
        })
    }
}
