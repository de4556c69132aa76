//! The exchange with real sockets and the real clock, on a thread of its own.
//!
//! The thread belongs to nobody's runtime: the embedding program may be as busy or as idle as it likes, the customers'
//! sound keeps its time. It ends when [`Centre`] is dropped.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

use deskline_core::flow::Transport;
use deskline_core::media::rtp::MAX_PACKET_BYTES;
use deskline_engine::net::{Net, NetEvent, NetEvents};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::call::{CallId, CallInfo, CustomerScript};
use crate::config::{CentreConfig, User, fill_random};
use crate::exchange::{CentreEvent, Exchange, Load, Output, RingError};
use crate::media::{self, CallProbe, PortId};
use crate::numbers::DemoNumber;

/// Packets that wait for the exchange; beyond, they are lost as on any network.
const MAX_PACKETS: usize = 1_024;

/// Events that a slow listener may lag behind.
const MAX_EVENTS: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen at {transport} {address}: {error}")]
    Listen { transport: Transport, address: SocketAddr, error: std::io::Error },
    #[error("the system does not let the centre start: {0}")]
    System(#[from] std::io::Error),
}

/// A running contact centre. Dropping it stops it.
pub struct Centre {
    questions: mpsc::UnboundedSender<Question>,
    events: broadcast::Sender<CentreEvent>,
    addresses: Vec<(Transport, SocketAddr)>,
    users: Vec<User>,
    numbers: Vec<DemoNumber>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Something to do on the centre's thread.
type Question = Box<dyn FnOnce(&mut Exchange, Instant) + Send>;

impl Centre {
    /// Starts a centre and returns once it listens.
    pub async fn start(config: CentreConfig) -> Result<Self, StartError> {
        let mut seed = [0; 32];
        fill_random(&mut seed)?;
        let (questions, asked) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(MAX_EVENTS);
        let (users, numbers) = (config.users.clone(), config.numbers_to_try());
        let (ready, started) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let told = events.clone();
        let thread = std::thread::Builder::new().name("centre".to_owned()).spawn(move || {
            runtime.block_on(async move {
                match Driver::listen(config, seed, told).await {
                    Ok((driver, addresses)) => {
                        if ready.send(Ok(addresses)).is_ok() {
                            driver.run(asked).await;
                        }
                    }
                    Err(error) => {
                        // Nobody waits any more: then nobody needs to know.
                        let _ = ready.send(Err(error));
                    }
                }
            });
        })?;
        let addresses = started.await.map_err(|_| std::io::Error::other("the centre's thread ended"))??;
        Ok(Self { questions, events, addresses, users, numbers, thread: Some(thread) })
    }

    /// Where it listens, with the ports that were chosen.
    pub fn addresses(&self) -> &[(Transport, SocketAddr)] {
        &self.addresses
    }

    pub fn address(&self, transport: Transport) -> Option<SocketAddr> {
        self.addresses.iter().find(|(known, _)| *known == transport).map(|(_, address)| *address)
    }

    /// The agents with their passwords.
    pub fn agents(&self) -> &[User] {
        &self.users
    }

    /// What an agent can dial, simulated agents first.
    pub fn demo_numbers(&self) -> &[DemoNumber] {
        &self.numbers
    }

    /// What happens from now on. A receiver that lags too far misses the oldest.
    pub fn events(&self) -> broadcast::Receiver<CentreEvent> {
        self.events.subscribe()
    }

    /// A simulated customer calls the phones of an extension. Returns as soon as the call is on its way.
    pub async fn ring_customer(&self, extension: &str, script: CustomerScript) -> Result<CallId, RingError> {
        let extension = extension.to_owned();
        let asked = self.ask(move |exchange, now| exchange.ring_customer(now, &extension, script));
        asked.await.unwrap_or(Err(RingError::Stopped))
    }

    /// Ends a call from the centre's side: BYE, CANCEL or a refusal, as its state demands.
    pub async fn hang_up(&self, call: CallId) {
        self.ask(move |exchange, now| exchange.hang_up(now, call)).await;
    }

    /// What the simulated side of a call has heard; of a call that is over too, for a while.
    pub async fn probe(&self, call: CallId) -> Option<CallProbe> {
        self.ask(move |exchange, now| exchange.probe(now, call)).await.flatten()
    }

    /// The calls that are not over, the oldest first.
    pub async fn calls(&self) -> Vec<CallInfo> {
        self.ask(|exchange, _| exchange.calls()).await.unwrap_or_default()
    }

    pub async fn is_registered(&self, extension: &str) -> bool {
        let extension = extension.to_owned();
        self.ask(move |exchange, _| exchange.is_registered(&extension)).await.unwrap_or_default()
    }

    pub async fn load(&self) -> Load {
        self.ask(|exchange, _| exchange.load()).await.unwrap_or_default()
    }

    /// Stops it and waits until its sockets are closed. Calls and bindings are dropped without a word, as in a crash: a
    /// phone must bear that.
    pub async fn stop(mut self) {
        let thread = self.thread.take();
        drop(self);
        if let Some(thread) = thread {
            // The thread has at most the work of one turn before it; a panic in it has been reported there.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    /// `None` when the centre's thread is gone.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Exchange, Instant) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |exchange, now| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(question(exchange, now));
        });
        self.questions.send(question).ok()?;
        answer.await.ok()
    }
}

/// Everything on the centre's thread.
struct Driver {
    exchange: Exchange,
    net: Net,
    net_events: NetEvents,
    sockets: HashMap<PortId, Socket>,
    packets: mpsc::Receiver<(PortId, SocketAddr, Vec<u8>)>,
    packet_in: mpsc::Sender<(PortId, SocketAddr, Vec<u8>)>,
    events: broadcast::Sender<CentreEvent>,
}

struct Socket {
    /// Non-blocking: what does not fit the system's buffer is lost, as on any network.
    out: UdpSocket,
    reader: AbortHandle,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Driver {
    async fn listen(
        config: CentreConfig,
        seed: [u8; 32],
        events: broadcast::Sender<CentreEvent>,
    ) -> Result<(Self, Vec<(Transport, SocketAddr)>), StartError> {
        let (mut net, net_events) = Net::new();
        let mut addresses = Vec::new();
        for &(transport, address) in &config.listen {
            match net.listen(transport, address).await {
                Ok(bound) => addresses.push((transport, bound)),
                Err(error) => return Err(StartError::Listen { transport, address, error }),
            }
        }
        let (packet_in, packets) = mpsc::channel(MAX_PACKETS);
        let exchange = Exchange::new(config, seed);
        let driver = Self { exchange, net, net_events, sockets: HashMap::new(), packets, packet_in, events };
        Ok((driver, addresses))
    }

    async fn run(mut self, mut questions: mpsc::UnboundedReceiver<Question>) {
        loop {
            self.drain();
            let due = self.exchange.poll_timeout();
            tokio::select! {
                question = questions.recv() => match question {
                    Some(question) => question(&mut self.exchange, Instant::now()),
                    None => return,
                },
                event = self.net_events.recv() => match event {
                    Some(event) => self.handle_net(event),
                    None => return,
                },
                Some((port, from, packet)) = self.packets.recv() => {
                    self.exchange.handle_packet(Instant::now(), port, from, &packet);
                }
                () = until(due) => self.exchange.handle_timeout(Instant::now()),
            }
        }
    }

    fn handle_net(&mut self, event: NetEvent) {
        let now = Instant::now();
        match event {
            NetEvent::Message { flow, bytes } => self.exchange.handle_received(now, &flow, &bytes),
            NetEvent::Down { flow, peer, .. } => {
                self.exchange.handle_flow_closed(now, flow);
                if let Some((transport, address)) = peer {
                    self.drain();
                    self.exchange.handle_unsent(now, transport, address);
                }
            }
            NetEvent::Up { .. }
            | NetEvent::ConnectFailed { .. }
            | NetEvent::AddressChanged { .. }
            | NetEvent::MappedAddressChanged { .. } => {}
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Transmit { destination, bytes } => self.net.send(destination, bytes),
                Output::Media(media::Output::Send { port, to, packet }) => {
                    if let Some(socket) = self.sockets.get(&port) {
                        // Lost, as on any network.
                        let _ = socket.out.send_to(&packet, to);
                    }
                }
                Output::Media(media::Output::Bind { port, address }) => {
                    let bound = self.bind(port, address);
                    if let Err(error) = &bound {
                        tracing::warn!(%error, "a media socket cannot be bound");
                    }
                    self.exchange.handle_bound(Instant::now(), port, bound.ok());
                }
                Output::Media(media::Output::Release { port }) => drop(self.sockets.remove(&port)),
                Output::Event(event) => {
                    // Without a listener there is nobody to tell.
                    let _ = self.events.send(event);
                }
            }
        }
    }

    fn bind(&mut self, port: PortId, address: IpAddr) -> std::io::Result<SocketAddr> {
        let out = UdpSocket::bind((address, 0))?;
        out.set_nonblocking(true)?;
        let local = out.local_addr()?;
        let reader = tokio::net::UdpSocket::from_std(out.try_clone()?)?;
        let packets = self.packet_in.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; MAX_PACKET_BYTES + 1];
            // An error of a datagram socket is about one packet (as a port that nobody listens at): the next may do.
            loop {
                if let Ok((length, from)) = reader.recv_from(&mut buffer).await {
                    let _ = packets.try_send((port, from, buffer[..length].to_vec()));
                }
            }
        });
        self.sockets.insert(port, Socket { out, reader: task.abort_handle() });
        Ok(local)
    }
}

/// Ends at that time; never without one.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
