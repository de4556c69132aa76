//! What every front end shares: the command table, the snapshot, the events and the error codes.
//!
//! The Tauri window, the bridge for web pages and the headless program all speak these types; the TypeScript of the
//! panel is generated from them (`cargo xtask types` writes `ui/src/ipc/generated.ts`, a test compares).

mod arguments;
pub mod backend;
mod call;
pub mod command;
pub mod error;
pub mod event;
mod line;
pub mod snapshot;
pub mod typescript;
pub mod view;

pub use backend::{Backend, Subscription};
pub use command::{Command, dispatch};
pub use error::{Error, ErrorCode};
pub use event::Event;
pub use snapshot::Snapshot;
