//! Calls that stand, as they are kept for the time after a crash: one JSON text a call.

use deskline_core::call::{CallId, Direction, Hold};
use deskline_core::pii::Pii;
use deskline_core::workbench::recovery::Kept;
use serde::{Deserialize, Serialize};

/// The names in the text; they stay once released.
#[derive(Serialize, Deserialize)]
struct Text {
    id: u64,
    account: String,
    direction: String,
    number: String,
    name: Option<String>,
    held: bool,
    started_ms: i64,
    answered_ms: i64,
    seen_ms: i64,
    description: (u64, u64),
    dialog: String,
}

pub(crate) fn to_text(kept: &Kept) -> String {
    let text = Text {
        id: kept.id.0,
        account: kept.account.expose().clone(),
        direction: match kept.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
        }
        .to_owned(),
        number: kept.number.expose().clone(),
        name: kept.name.as_ref().map(|name| name.expose().clone()),
        held: kept.hold == Hold::Held,
        started_ms: kept.started_ms,
        answered_ms: kept.answered_ms,
        seen_ms: kept.seen_ms,
        description: kept.description,
        dialog: kept.dialog.expose().clone(),
    };
    // Strings and numbers always make a text.
    serde_json::to_string(&text).unwrap_or_default()
}

/// `None`: not what this program has written. Nobody can do anything with it.
pub(crate) fn from_text(text: &str) -> Option<Kept> {
    let text: Text = serde_json::from_str(text).ok()?;
    Some(Kept {
        id: CallId(text.id),
        account: Pii::new(text.account),
        direction: match text.direction.as_str() {
            "inbound" => Direction::Inbound,
            "outbound" => Direction::Outbound,
            _ => Direction::Internal,
        },
        number: Pii::new(text.number),
        name: text.name.map(Pii::new),
        hold: if text.held { Hold::Held } else { Hold::Active },
        started_ms: text.started_ms,
        answered_ms: text.answered_ms,
        seen_ms: text.seen_ms,
        description: text.description,
        dialog: Pii::new(text.dialog),
    })
}
