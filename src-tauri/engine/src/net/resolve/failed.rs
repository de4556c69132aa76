//! Servers that did not answer: they are tried last, until that is forgotten.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deskline_core::flow::Transport;
use tokio::time::Instant;

use super::Hop;

/// What a program can have to do with.
const MOST: usize = 256;

pub(in super::super) struct Failed {
    after: Duration,
    until: Mutex<HashMap<(Transport, SocketAddr), Instant>>,
}

impl Failed {
    pub(super) fn new(after: Duration) -> Self {
        Self { after, until: Mutex::default() }
    }

    pub(in super::super) fn note(&self, transport: Transport, address: SocketAddr) {
        let now = Instant::now();
        let mut until = self.until();
        if until.len() >= MOST {
            until.retain(|_, until| *until > now);
        }
        if until.len() < MOST {
            until.insert((transport, address), now + self.after);
        }
    }

    /// It has answered.
    pub(in super::super) fn clear(&self, transport: Transport, address: SocketAddr) {
        self.until().remove(&(transport, address));
    }

    pub(super) fn forget_all(&self) {
        self.until().clear();
    }

    /// Puts what has failed behind what has not: among the addresses of a hop, and among the hops. When all have failed,
    /// the one that failed first is tried first.
    pub(super) fn arrange(&self, hops: &mut [Hop]) {
        let now = Instant::now();
        let mut until = self.until();
        until.retain(|_, until| *until > now);
        if until.is_empty() {
            return;
        }
        let of = |transport: Transport, address: &SocketAddr| until.get(&(transport, *address)).copied();
        for hop in hops.iter_mut() {
            let transport = hop.transport;
            hop.addresses.sort_by_key(|address| of(transport, address));
        }
        hops.sort_by_key(|hop| hop.addresses.first().and_then(|address| of(hop.transport, address)));
    }

    fn until(&self) -> MutexGuard<'_, HashMap<(Transport, SocketAddr), Instant>> {
        // Entries are put in and taken out whole.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
