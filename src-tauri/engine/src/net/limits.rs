//! How long and how much a peer may keep us waiting or holding.

use std::time::Duration;

/// The limits of one [`super::Net`]. The defaults suit a desktop and the embedded centre alike.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Name resolution, connection, proxy, TLS and WebSocket handshake together.
    pub connect: Duration,
    /// The same for a connection that messages wait for already. What went to it only for its size has another way.
    pub connect_for_waiting: Duration,
    /// For how long a server that did not answer is tried last, where there are others (RFC 3263 §4.3).
    pub failed_server: Duration,
    /// How long a datagram server may leave a REGISTER unanswered before its flow is given up, where there is another server
    /// to turn to. (Where there is none, the request's own timers decide.)
    pub silent_server: Duration,
    /// From the first to the last octet of one message on a stream (against peers that send a few octets a minute).
    pub partial_message: Duration,
    /// From the acceptance of a connection to its first whole message.
    pub first_message: Duration,
    /// One write that the peer does not take.
    pub write: Duration,
    /// Between keep-alives on a stream that we opened (RFC 5626 §4.4.1, RFC 7118 §6).
    pub stream_keep_alive: Duration,
    /// From a keep-alive to its answer, where the peer is known to answer (RFC 5626 §4.4.1: 10 s).
    pub keep_alive_answer: Duration,
    /// Between keep-alives on a UDP flow that we opened; shorter than the 30 s after which common NATs forget.
    pub datagram_keep_alive: Duration,
    /// Connections that one listener holds at a time.
    pub connections: usize,
    /// Connections opened at a time only since a message is to go to an address: peers choose such addresses.
    pub opened: usize,
    /// Peer addresses that one UDP socket remembers; the ones unheard for longest go first.
    pub peers: usize,
    /// Octets waiting to be written to one stream.
    pub queue: usize,
    /// Messages waiting to be written to one stream.
    pub queue_messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(8),
            connect_for_waiting: Duration::from_secs(4),
            failed_server: Duration::from_secs(300),
            silent_server: Duration::from_secs(4),
            partial_message: Duration::from_secs(30),
            first_message: Duration::from_secs(30),
            write: Duration::from_secs(10),
            stream_keep_alive: Duration::from_secs(30),
            keep_alive_answer: Duration::from_secs(10),
            datagram_keep_alive: Duration::from_secs(25),
            connections: 1024,
            opened: 256,
            peers: 4096,
            queue: 1 << 20,
            queue_messages: 1024,
        }
    }
}

/// Events that wait for the event loop; beyond it sockets are no longer read, and the peers feel it.
pub(super) const EVENTS: usize = 1024;
