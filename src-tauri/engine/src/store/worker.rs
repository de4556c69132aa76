//! The store's thread: commands in their order, and what waits while the disk fails.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use deskline_core::pii::Pii;
use deskline_core::workbench::recovery::Kept;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::disk::{self, Disk};
use super::record::{CallPage, CallQuery, CallRecord, TelemetryEvent, TelemetryQuery, TelemetryRecord};
use super::{Location, StoreError, StoreEvent};

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) enum Command {
    SaveCall(Box<CallRecord>, Reply<i64>),
    KeepCall { call_id: String, kept: Pii<String> },
    ForgetCall(String),
    KeptCalls(Reply<Vec<Kept>>),
    Calls(CallQuery, Reply<CallPage>),
    SetNote { call_id: String, note: Option<String>, answer: Reply<bool> },
    AppendTelemetry(TelemetryEvent),
    Telemetry(TelemetryQuery, Reply<Vec<TelemetryRecord>>),
    MarkDelivered(i64, Reply<()>),
}

/// Between attempts to write what waits.
const RETRY: Duration = Duration::from_secs(30);

/// Calls that wait for the disk at most: more than an agent has in a month.
const CALLS_WAITING: usize = 10_000;

/// Tracking events that wait for the disk at most.
const TELEMETRY_WAITING: usize = 10_000;

/// Tracking events written in one transaction.
const BATCH: usize = 256;

/// Serves commands until the handle is dropped, then writes what waits.
pub(super) fn run(
    location: Location,
    commands: &Receiver<Command>,
    events: UnboundedSender<StoreEvent>,
    telemetry_queued: &AtomicUsize,
) {
    let mut worker = Worker {
        location,
        disk: None,
        events,
        failed: false,
        retry_at: None,
        calls: VecDeque::new(),
        telemetry: Vec::new(),
    };
    if let Err(error) = worker.open() {
        worker.fail(error);
    }
    loop {
        let command = match worker.retry_at {
            Some(at) => commands.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match command {
            Ok(command) => {
                let mut next = Some(command);
                // Tracking events come in flocks: one transaction for those that are there.
                while let Some(command) = next.take() {
                    let was_telemetry = matches!(command, Command::AppendTelemetry(_));
                    if !was_telemetry {
                        worker.write_telemetry();
                    }
                    worker.handle(command);
                    if was_telemetry {
                        telemetry_queued.fetch_sub(1, Ordering::Relaxed);
                        if worker.telemetry.len() < BATCH {
                            next = commands.try_recv().ok();
                        }
                    }
                }
                worker.write_telemetry();
            }
            Err(RecvTimeoutError::Timeout) => worker.retry(),
            Err(RecvTimeoutError::Disconnected) => {
                worker.retry();
                return;
            }
        }
    }
}

struct Worker {
    location: Location,
    /// `None` while the file cannot be opened.
    disk: Option<Disk>,
    events: UnboundedSender<StoreEvent>,
    failed: bool,
    retry_at: Option<Instant>,
    /// Calls that are not on disk yet, oldest first.
    calls: VecDeque<CallRecord>,
    telemetry: Vec<TelemetryEvent>,
}

impl Worker {
    fn handle(&mut self, command: Command) {
        // An answer that nobody waits for any more is dropped.
        match command {
            Command::SaveCall(call, answer) => drop(answer.send(self.save_call(*call))),
            // What cannot be written now is written with the next sign of life.
            Command::KeepCall { call_id, kept } => {
                drop(self.with_disk(|disk| disk.keep_call(&call_id, kept.expose())));
            }
            Command::ForgetCall(call_id) => drop(self.with_disk(|disk| disk.forget_call(&call_id))),
            Command::KeptCalls(answer) => drop(answer.send(self.with_disk(Disk::kept_calls))),
            Command::Calls(query, answer) => drop(answer.send(self.list(&query))),
            Command::SetNote { call_id, note, answer } => drop(answer.send(self.set_note(&call_id, note))),
            Command::AppendTelemetry(event) => {
                if self.telemetry.len() < TELEMETRY_WAITING {
                    self.telemetry.push(event);
                }
            }
            Command::Telemetry(query, answer) => drop(answer.send(self.with_disk(|disk| disk.telemetry(&query)))),
            Command::MarkDelivered(up_to, answer) => {
                drop(answer.send(self.with_disk(|disk| disk.mark_delivered(up_to))));
            }
        }
    }

    fn save_call(&mut self, call: CallRecord) -> Result<i64, StoreError> {
        if self.failed {
            self.retry();
        }
        let saved = if self.failed {
            Err(StoreError::Other("earlier records wait".to_owned()))
        } else {
            self.with_disk(|disk| disk.save_call(&call))
        };
        if let Err(error) = &saved {
            if self.calls.len() == CALLS_WAITING {
                self.calls.pop_front();
            }
            self.calls.retain(|waiting| waiting.call_id != call.call_id);
            self.calls.push_back(call);
            self.fail(error.clone());
        }
        saved
    }

    /// What waits is newer than what is on disk: it comes first.
    fn list(&mut self, query: &CallQuery) -> Result<CallPage, StoreError> {
        let waiting: Vec<_> = self.calls.iter().rev().filter(|call| disk::matches(call, query)).cloned().collect();
        let in_memory = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
        let mut calls: Vec<_> = waiting.into_iter().skip(query.offset as usize).take(query.limit() as usize).collect();
        let room = query.limit() - u32::try_from(calls.len()).unwrap_or(u32::MAX);
        let offset = query.offset.saturating_sub(in_memory);
        let on_disk = match self.with_disk(|disk| disk.calls(query, offset, room)) {
            Ok(page) => page,
            Err(_) if in_memory > 0 => CallPage::default(),
            Err(error) => return Err(error),
        };
        calls.extend(on_disk.calls);
        Ok(CallPage { calls, total: on_disk.total.saturating_add(in_memory) })
    }

    fn set_note(&mut self, call_id: &str, note: Option<String>) -> Result<bool, StoreError> {
        if let Some(call) = self.calls.iter_mut().find(|call| call.call_id == call_id) {
            call.note = note.map(Into::into);
            return Ok(true);
        }
        self.with_disk(|disk| disk.set_note(call_id, note.as_deref()))
    }

    fn write_telemetry(&mut self) {
        if self.telemetry.is_empty() || self.failed {
            return;
        }
        let events = std::mem::take(&mut self.telemetry);
        if let Err(error) = self.with_disk(|disk| disk.append_telemetry(&events)) {
            self.telemetry = events;
            self.fail(error);
        }
    }

    /// Opens what is not open, writes what waits.
    fn retry(&mut self) {
        if !self.failed {
            return self.write_telemetry();
        }
        self.retry_at = Some(Instant::now() + RETRY);
        if self.disk.is_none() && self.open().is_err() {
            return;
        }
        while let Some(call) = self.calls.pop_front() {
            if self.with_disk(|disk| disk.save_call(&call)).is_err() {
                return self.calls.push_front(call);
            }
        }
        self.failed = false;
        self.retry_at = None;
        self.write_telemetry();
        if !self.failed {
            self.tell(StoreEvent::Healed);
        }
    }

    /// Does something with the file; a file that turns out to be damaged is replaced, and the deed done on the new one.
    fn with_disk<T>(&mut self, act: impl Fn(&Disk) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let Some(disk) = &self.disk else {
            return Err(StoreError::Other("the file is not open".to_owned()));
        };
        match act(disk) {
            Err(StoreError::Damaged) => {
                self.disk = None;
                self.begin_anew()?;
                self.disk.as_ref().map_or(Err(StoreError::Damaged), act)
            }
            done => done,
        }
    }

    fn open(&mut self) -> Result<(), StoreError> {
        match Disk::open(&self.location) {
            Ok(disk) => {
                self.disk = Some(disk);
                Ok(())
            }
            Err(StoreError::Damaged) => self.begin_anew(),
            Err(error) => Err(error),
        }
    }

    fn begin_anew(&mut self) -> Result<(), StoreError> {
        let Location::File(path) = &self.location else {
            return Err(StoreError::Damaged);
        };
        let aside = disk::put_aside(path);
        let opened = if aside.is_some() { Disk::open(&self.location) } else { Err(StoreError::Damaged) };
        self.tell(StoreEvent::Recovered { aside });
        self.disk = Some(opened?);
        Ok(())
    }

    fn fail(&mut self, error: StoreError) {
        self.retry_at = Some(Instant::now() + RETRY);
        if !self.failed {
            self.failed = true;
            tracing::warn!(%error, "records cannot be written now: they wait in memory");
            self.tell(StoreEvent::Failed(error));
        }
    }

    fn tell(&self, event: StoreEvent) {
        let _ = self.events.send(event);
    }
}
