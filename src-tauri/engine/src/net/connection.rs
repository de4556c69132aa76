//! What every connection-oriented transport does: reading and writing at once, keep-alives, limits, the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deskline_core::flow::Flow;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::flows::{Flows, Mailbox, Stop};
use super::{ConnectId, NetEvent};

/// What a stream brings.
pub(super) enum Incoming {
    Message(Vec<u8>),
    /// A keep-alive that wants an answer.
    Ping,
    /// The answer to ours.
    Pong,
}

/// The receiving half of a connection.
pub(super) trait Receive: Send {
    /// `None`: the peer has closed in an orderly way. The error is for people.
    fn next(&mut self) -> impl Future<Output = Result<Option<Incoming>, String>> + Send;
}

/// The sending half of a connection.
pub(super) trait Transmit: Send {
    /// Whether every peer answers our keep-alives, or only some do.
    const PINGS_ARE_ANSWERED: bool;

    fn message(&mut self, bytes: Vec<u8>) -> impl Future<Output = Result<(), String>> + Send;
    fn ping(&mut self) -> impl Future<Output = Result<(), String>> + Send;
    fn pong(&mut self) -> impl Future<Output = Result<(), String>> + Send;
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// Which side opened the connection: the client sends keep-alives, the server does not wait for ever for a first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// Reports the flow up, serves it to its end, reports it down.
pub(super) async fn serve(
    flows: &Arc<Flows>,
    flow: Flow,
    connect: Option<ConnectId>,
    side: Side,
    mailbox: Mailbox,
    mut receive: impl Receive,
    mut transmit: impl Transmit,
) {
    // It may have been closed while it was being opened.
    if flows.contains(flow.id) {
        flows.report(NetEvent::Up { flow, connect }).await;
    }
    let Mailbox { queue, waiting, stop } = mailbox;
    let link = Link { flows, flow, side, life: Life::of(&transmit) };
    let ended = {
        let mut writing = std::pin::pin!(link.write(&mut transmit, queue, &waiting));
        tokio::select! {
            biased;
            stopped = stop => {
                if let Ok(Stop) = stopped {
                    let _ = timeout(flows.limits.write, writing).await;
                }
                return;
            }
            reason = link.read(&mut receive) => reason,
            reason = &mut writing => reason,
        }
    };
    flows.down(flow.id, ended).await;
}

struct Link<'a> {
    flows: &'a Flows,
    flow: Flow,
    side: Side,
    life: Life,
}

/// What the two halves tell each other of the peer's being alive.
struct Life {
    /// A keep-alive of ours is unanswered, and nothing else has come since.
    awaited: AtomicBool,
    /// The peer has answered a keep-alive before: only then does silence mean anything (RFC 5626 §4.4.1).
    answers: AtomicBool,
    /// The peer wants an answer.
    asked: Notify,
}

impl Life {
    fn of<T: Transmit>(_: &T) -> Self {
        Self { awaited: AtomicBool::new(false), answers: AtomicBool::new(T::PINGS_ARE_ANSWERED), asked: Notify::new() }
    }
}

impl Link<'_> {
    async fn read(&self, receive: &mut impl Receive) -> String {
        let mut first = (self.side == Side::Server).then(|| Instant::now() + self.flows.limits.first_message);
        loop {
            let next = match first {
                Some(deadline) => match timeout_at(deadline, receive.next()).await {
                    Ok(next) => next,
                    Err(_) => return "no message came".to_owned(),
                },
                None => receive.next().await,
            };
            let incoming = match next {
                Ok(Some(incoming)) => incoming,
                Ok(None) => return "the peer has closed the connection".to_owned(),
                Err(reason) => return reason,
            };
            self.life.awaited.store(false, Ordering::Relaxed);
            match incoming {
                Incoming::Message(bytes) => {
                    first = None;
                    self.flows.report(NetEvent::Message { flow: self.flow, bytes }).await;
                }
                Incoming::Ping => self.life.asked.notify_one(),
                Incoming::Pong => self.life.answers.store(true, Ordering::Relaxed),
            }
        }
    }

    async fn write(
        &self,
        transmit: &mut impl Transmit,
        mut queue: tokio::sync::mpsc::Receiver<Vec<u8>>,
        waiting: &std::sync::atomic::AtomicUsize,
    ) -> String {
        let limits = &self.flows.limits;
        let mut tick = Instant::now() + limits.stream_keep_alive;
        let mut pinged = false;
        loop {
            let written = tokio::select! {
                message = queue.recv() => match message {
                    Some(bytes) => {
                        let length = bytes.len();
                        let written = in_time(limits.write, transmit.message(bytes)).await;
                        waiting.fetch_sub(length, Ordering::Relaxed);
                        written
                    }
                    None => {
                        let _ = timeout(limits.write, transmit.close()).await;
                        return "closed".to_owned();
                    }
                },
                () = self.life.asked.notified() => in_time(limits.write, transmit.pong()).await,
                () = sleep_until(tick), if self.side == Side::Client => {
                    let silent = self.life.awaited.load(Ordering::Relaxed) && self.life.answers.load(Ordering::Relaxed);
                    if pinged && silent {
                        return "the peer no longer answers keep-alives".to_owned();
                    }
                    pinged = !pinged;
                    if pinged {
                        self.life.awaited.store(true, Ordering::Relaxed);
                        tick = Instant::now() + limits.keep_alive_answer.min(limits.stream_keep_alive);
                        in_time(limits.write, transmit.ping()).await
                    } else {
                        tick = Instant::now() + limits.stream_keep_alive.saturating_sub(limits.keep_alive_answer);
                        Ok(())
                    }
                }
            };
            if let Err(reason) = written {
                return reason;
            }
        }
    }
}

async fn in_time(limit: Duration, write: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    timeout(limit, write).await.unwrap_or_else(|_| Err("the peer does not read what is sent to it".to_owned()))
}
