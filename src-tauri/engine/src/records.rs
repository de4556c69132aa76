//! From the core's calls and tracking events to what the store keeps.

use deskline_core::account::Account;
use deskline_core::call::{Call, State};
use deskline_core::clock::Now;
use deskline_core::pii::Pii;
use deskline_core::telemetry::{self, Value};
use deskline_ipc::snapshot::{CallDetails, CallEnd, Caller, EndCause};
use deskline_ipc::view;

use crate::store::{CallRecord, TelemetryEvent};

/// The row of a call that has ended.
pub(crate) fn record(call: &Call, account: Option<&Account>) -> CallRecord {
    let end = match call.state {
        State::Ended(end) => end.into(),
        // Only ended calls are recorded; a call in another state is kept all the same.
        _ => CallEnd { cause: EndCause::Failed, status: None },
    };
    let address_of_record = account.map(|account| account.address_of_record().uri.to_string());
    CallRecord {
        id: 0,
        call_id: call.id.to_string(),
        direction: call.direction.into(),
        number: call.number.clone(),
        name: call.name.clone(),
        started_ms: call.started.unix_ms,
        answered_ms: call.answered.map(|at| at.unix_ms),
        ended_ms: call.ended.unwrap_or(call.since).unix_ms,
        end,
        end_text: None,
        account: Pii::new(address_of_record.unwrap_or_default()),
        note: None,
        transport: account.and_then(|account| account.server.transport).map(|transport| transport.to_string()),
        codec: call.codec().map(|codec| codec.name().to_owned()),
        details: details(call),
    }
}

/// What the INVITE told beside From; nothing where it told nothing.
fn details(call: &Call) -> Option<Pii<String>> {
    let caller = view::caller(&call.caller);
    let headers = view::headers(call);
    if caller == Caller::default() && headers.is_empty() && call.referred_by.is_none() {
        return None;
    }
    let details = CallDetails { caller, headers, referred_by: call.referred_by.as_ref().map(|by| by.expose().clone()) };
    serde_json::to_string(&details).ok().map(Pii::new)
}

/// Gives tracking events what all of them carry: `from`, the time, and the session of this run of the program. (The
/// sequence number is the store's.)
pub(crate) struct Tracker {
    session: String,
}

impl Tracker {
    pub(crate) fn new(now: Now, random: [u8; 8]) -> Self {
        Self { session: format!("{:x}-{:016x}", now.unix_ms, u64::from_be_bytes(random)) }
    }

    pub(crate) fn event(&self, event: &telemetry::Event, now: Now) -> TelemetryEvent {
        let mut params = serde_json::Map::new();
        for (name, value) in &event.params {
            let value = match value {
                Value::Number(number) => serde_json::Value::from(*number),
                Value::Text(_) | Value::Phone(_) => serde_json::Value::from(value.masked()),
            };
            params.insert((*name).to_owned(), value);
        }
        params.insert("from".to_owned(), "sdk".into());
        TelemetryEvent {
            at_ms: now.unix_ms,
            name: event.name.to_owned(),
            params: serde_json::Value::Object(params),
            session: self.session.clone(),
        }
    }
}
