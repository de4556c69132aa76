//! What is kept.

use std::fmt;

use deskline_core::pii::Pii;
use deskline_ipc::snapshot::{CallDirection, CallEnd};

/// One call that has ended. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The row's id; of no meaning in a call that is being saved.
    pub id: i64,
    /// The program's own id of the call: unique over restarts.
    pub call_id: String,
    pub direction: CallDirection,
    pub number: Pii<String>,
    pub name: Option<Pii<String>>,
    pub started_ms: i64,
    pub answered_ms: Option<i64>,
    pub ended_ms: i64,
    pub end: CallEnd,
    /// The peer's own words (reason phrase), where it had some.
    pub end_text: Option<String>,
    /// The address of record that was signed in.
    pub account: Pii<String>,
    pub note: Option<Pii<String>>,
    pub transport: Option<String>,
    pub codec: Option<String>,
    /// What the INVITE told beside From: caller, headers, referred_by; JSON.
    pub details: Option<Pii<String>>,
}

impl From<CallRecord> for deskline_ipc::snapshot::CallRecord {
    fn from(record: CallRecord) -> Self {
        Self {
            id: record.id,
            direction: record.direction,
            number: record.number.into_inner(),
            name: record.name.map(Pii::into_inner),
            started_ms: record.started_ms,
            answered_ms: record.answered_ms,
            ended_ms: record.ended_ms,
            end: record.end,
            details: record.details.and_then(|details| serde_json::from_str(details.expose()).ok()),
        }
    }
}

/// Which calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// Part of a number, name or note; letters A-Z in either case. Empty: all.
    pub search: Pii<String>,
    pub direction: Option<CallDirection>,
    pub offset: u32,
    /// 1..=500; 0 means 50.
    pub limit: u32,
}

impl CallQuery {
    pub(super) fn limit(&self) -> u32 {
        if self.limit == 0 { 50 } else { self.limit.min(500) }
    }
}

impl From<deskline_ipc::command::CallQuery> for CallQuery {
    fn from(query: deskline_ipc::command::CallQuery) -> Self {
        Self {
            search: Pii::new(query.search.unwrap_or_default()),
            direction: None,
            offset: query.offset,
            limit: query.limit.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallPage {
    pub calls: Vec<CallRecord>,
    /// How many match in all.
    pub total: u32,
}

impl From<CallPage> for deskline_ipc::snapshot::CallPage {
    fn from(page: CallPage) -> Self {
        Self { calls: page.calls.into_iter().map(Into::into).collect(), total: page.total }
    }
}

/// A tracking event that has just arisen.
#[derive(Clone, PartialEq)]
pub struct TelemetryEvent {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub name: String,
    pub params: serde_json::Value,
    /// The program's run, or the page's.
    pub session: String,
}

impl fmt::Debug for TelemetryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryEvent").field("at_ms", &self.at_ms).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A tracking event as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryRecord {
    /// Grows by each event, over restarts too.
    pub seq: i64,
    pub event: TelemetryEvent,
    pub delivered: bool,
}

/// Which tracking events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TelemetryQuery {
    /// Only what comes after this sequence number.
    pub after: i64,
    pub undelivered_only: bool,
    /// 1..=1000; 0 means 100.
    pub limit: u32,
}

impl TelemetryQuery {
    pub(super) fn limit(&self) -> u32 {
        if self.limit == 0 { 100 } else { self.limit.min(1000) }
    }
}
