//! Call records and tracking events on disk (SQLite), on a thread of its own: nothing here blocks the caller.
//!
//! A record handed over is not lost while the program lives: when the disk is full, read-only or gone, records wait in
//! memory, stand in the call list all the same, and are written as soon as that works again. A damaged file is put aside
//! and a new one begun.

mod disk;
mod kept;
mod record;
mod schema;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use deskline_core::call::CallId;
use deskline_core::pii::Pii;
use deskline_core::workbench::recovery::Kept;
use tokio::sync::mpsc as async_mpsc;
use tokio::sync::oneshot;

pub use self::record::{CallPage, CallQuery, CallRecord, TelemetryEvent, TelemetryQuery, TelemetryRecord};
use self::worker::Command;

/// Tracking events that may wait for a slow disk; more are dropped.
const TELEMETRY_WAITING: usize = 10_000;

/// Where the records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// For tests and for programs that shall leave no trace.
    Memory,
    /// A file; missing folders are made, for this user only.
    File(PathBuf),
}

/// What happened to the store, for the agent's eyes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEvent {
    /// The file was damaged. It was renamed to `aside` (`None`: that failed, and it is left as it is), and a new one begun.
    Recovered { aside: Option<PathBuf> },
    /// Nothing can be written now. What waits is kept in memory. Told once, until [`StoreEvent::Healed`].
    Failed(StoreError),
    /// Writing works again, and what waited has been written.
    Healed,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("the disk is full")]
    DiskFull,
    #[error("the file cannot be written: it, or its folder, is read-only")]
    ReadOnly,
    #[error("another program holds the file locked")]
    Locked,
    #[error("the file is damaged")]
    Damaged,
    #[error("the store could not be used: {0}")]
    Other(String),
}

pub type StoreEvents = async_mpsc::UnboundedReceiver<StoreEvent>;

/// The answer to a question; it comes when the disk has had its time. A dropped answer harms nothing.
pub type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// The handle of the store's thread. Dropping it waits until everything is written.
pub struct Store {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    telemetry_waiting: Arc<AtomicUsize>,
}

impl Store {
    /// Opens or creates the store. The file itself is opened on the store's thread: its troubles come as events.
    ///
    /// # Errors
    /// The system grants no thread.
    pub fn open(location: Location) -> io::Result<(Self, StoreEvents)> {
        let (commands, receiver) = mpsc::channel();
        let (events, event_receiver) = async_mpsc::unbounded_channel();
        let telemetry_waiting = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&telemetry_waiting);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker::run(location, &receiver, events, &waiting))?;
        Ok((Self { commands: Some(commands), thread: Some(thread), telemetry_waiting }, event_receiver))
    }

    /// Writes a call down, or writes it anew where its `call_id` is known. The answer is the row's id; an error says why
    /// it waits in memory.
    pub fn save_call(&self, call: CallRecord) -> Answer<i64> {
        self.ask(|answer| Command::SaveCall(Box::new(call), answer))
    }

    /// Keeps a call that stands, in place of what was kept of it before: for the time after a crash.
    pub fn keep_call(&self, call: &Kept) {
        self.tell(Command::KeepCall { call_id: call.id.to_string(), kept: Pii::new(kept::to_text(call)) });
    }

    /// The call has ended in good order.
    pub fn forget_call(&self, call: CallId) {
        self.tell(Command::ForgetCall(call.to_string()));
    }

    /// The calls that an earlier run of the program has left standing.
    pub fn kept_calls(&self) -> Answer<Vec<Kept>> {
        self.ask(Command::KeptCalls)
    }

    /// Calls, newest first.
    pub fn calls(&self, query: CallQuery) -> Answer<CallPage> {
        self.ask(|answer| Command::Calls(query, answer))
    }

    /// Replaces the note of a call. `false`: there is no such call.
    pub fn set_note(&self, call_id: &str, note: Option<String>) -> Answer<bool> {
        let call_id = call_id.to_owned();
        self.ask(|answer| Command::SetNote { call_id, note, answer })
    }

    /// Keeps a tracking event until it is delivered, and some time beyond. Dropped when ten thousand wait for the disk.
    pub fn append_telemetry(&self, event: TelemetryEvent) {
        if self.telemetry_waiting.fetch_add(1, Ordering::Relaxed) >= TELEMETRY_WAITING {
            self.telemetry_waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.tell(Command::AppendTelemetry(event));
    }

    /// Tracking events, oldest first.
    pub fn telemetry(&self, query: TelemetryQuery) -> Answer<Vec<TelemetryRecord>> {
        self.ask(|answer| Command::Telemetry(query, answer))
    }

    /// Everything up to and with this sequence number has been delivered.
    pub fn mark_delivered(&self, up_to: i64) -> Answer<()> {
        self.ask(|answer| Command::MarkDelivered(up_to, answer))
    }

    fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        self.tell(command(sender));
        answer
    }

    fn tell(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // The thread outlives this handle; were it gone, the dropped answer tells.
            let _ = commands.send(command);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
