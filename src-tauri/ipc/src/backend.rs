//! What a front end needs of the program behind it.

use std::sync::Arc;

pub use crate::command::Commands;
use crate::event::Event;
use crate::snapshot::Snapshot;

/// The engine, as a front end sees it: all commands, the snapshot, and the events.
pub trait Backend: Commands {
    type Events: Subscription;

    /// The newest snapshot, at once.
    fn current(&self) -> Arc<Snapshot>;

    /// From now on, every event in order; `None` when the program is ending. A subscriber that does not keep up loses
    /// snapshots that newer ones replace, never an edge event.
    fn subscribe(&self) -> impl Future<Output = Option<Self::Events>> + Send;
}

/// A stream of events.
pub trait Subscription: Send + 'static {
    /// `None` when the program ends.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}
