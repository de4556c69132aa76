//! What notifiers say, as far as a phone needs it: who is in which calls, who can be reached, which messages wait, which
//! devices are registered. Everything is read leniently, within bounds, and never more than once through.

mod dialog_info;
mod message_summary;
mod presence;
mod reginfo;
mod xml;

pub use dialog_info::{DialogInfo, DialogState, WatchedDialog};
pub use message_summary::{Count, MessageSummary};
pub use presence::Presence;
pub use reginfo::{RegInfo, RegisteredContact};

/// Elements that are kept of one kind: dialogs, contacts, message classes.
const MOST_ENTRIES: usize = 256;
