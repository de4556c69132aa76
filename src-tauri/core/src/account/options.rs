//! How an account is used, beyond who signs in and where.

use std::time::Duration;

use super::Malformed;

/// What the agent, or the administrator, has decided for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub dtmf: DtmfMode,
    /// A caller may have us answer at once (Call-Info, Alert-Info, Answer-Mode), as intercoms and click-to-dial do.
    pub auto_answer: bool,
    /// How many calls at once, 1..=8; further ones are busy.
    pub call_limit: u8,
    /// The far side may transfer us (REFER).
    pub transfer_accept: bool,
    /// The session timer that we ask for (RFC 4028), 90 s..=2 h; `None`: none.
    pub session_timer: Option<Duration>,
    /// Calls are taken from other addresses than the server's.
    pub strangers: bool,
    /// Ask the registrar for a globally routable URI (RFC 5627), and be found by it in calls. Not by default: a server
    /// may hand them out and yet not route by them.
    pub gruu: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dtmf: DtmfMode::default(),
            auto_answer: false,
            call_limit: 2,
            transfer_accept: true,
            session_timer: Some(Duration::from_secs(1_800)),
            strangers: false,
            gruu: false,
        }
    }
}

impl Options {
    /// Refuses what is out of range.
    pub fn check(&self) -> Result<(), Malformed> {
        if !(1..=8).contains(&self.call_limit) {
            return Err(Malformed::CallLimit);
        }
        // RFC 4028 §4: nobody may ask for less than 90 s.
        if self.session_timer.is_some_and(|timer| !(90..=7_200).contains(&timer.as_secs())) {
            return Err(Malformed::SessionTimer);
        }
        Ok(())
    }
}

/// How digits are sent. Where the far side does not take them so, they go another way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DtmfMode {
    /// In the media (RFC 4733).
    #[default]
    Rtp,
    /// INFO with `application/dtmf-relay`.
    InfoRelay,
    /// INFO with `application/dtmf`.
    Info,
}
