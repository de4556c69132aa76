//! The embedded contact centre as the engine sees it. Implemented by the crate deskline-centre, which this crate must not know.

use std::pin::Pin;

use deskline_core::flow::Transport;
use deskline_core::pii::Pii;

/// A contact centre inside the process.
pub trait DemoCentre: Send + Sync + 'static {
    /// The account with which the sign-in view is filled.
    fn account(&self) -> DemoAccount;
    /// The password of one of its agents.
    fn password(&self, user: &str) -> Option<Pii<String>>;
    /// Numbers worth dialling.
    fn numbers(&self) -> Vec<DemoNumber>;
    /// Lets a simulated customer call that agent; the error says in English why none can.
    fn ring(&self, user: &str) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoAccount {
    /// `127.0.0.1:PORT`.
    pub server: String,
    pub transport: Transport,
    pub user: String,
    pub display_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoNumber {
    pub number: String,
    pub kind: DemoNumberKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DemoNumberKind {
    Agent,
    Echo,
    Busy,
    NoAnswer,
    NotFound,
}
