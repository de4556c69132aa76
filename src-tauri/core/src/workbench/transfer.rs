//! Transfer, consultation, and what is said outside calls.

use super::{Refusal, Workbench};
use crate::call::{Call, CallId, Field, LineId};
use crate::clock::Now;

impl Workbench {
    pub(super) fn transfer(
        &mut self,
        _now: Now,
        _call: Option<CallId>,
        _to: &str,
        _headers: &[Field],
    ) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    /// Holds a call and calls somebody about it.
    pub(super) fn consult(&mut self, now: Now, call: Option<CallId>, to: &str) -> Result<CallId, Refusal> {
        let index = self.find(call, Call::is_established)?;
        let (id, line) = (self.calls[index].id, self.calls[index].line);
        self.dial(now, line, to, &[], Some(id))
    }

    pub(super) fn complete_transfer(&mut self, _now: Now, _call: Option<CallId>) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    /// Ends the consultation and retrieves the call that it was about.
    pub(super) fn cancel_consult(&mut self, now: Now, call: Option<CallId>) -> Result<(), Refusal> {
        let index = self.consultation(call)?;
        let (consultation, about) = (self.calls[index].id, self.calls[index].consults);
        self.hang_up(now, Some(consultation), &[])?;
        // It may be gone, or on its way already.
        let _ = self.retrieve(now, about);
        Ok(())
    }

    /// The consulting call of a pair; either of the two may be named.
    fn consultation(&self, call: Option<CallId>) -> Result<usize, Refusal> {
        let index = self.calls.iter().position(|consulting| {
            let about = consulting.consults;
            about.is_some() && call.is_none_or(|call| consulting.id == call || about == Some(call))
        });
        index.ok_or(Refusal::CallState)
    }

    pub(super) fn send_message(
        &mut self,
        _now: Now,
        _line: Option<LineId>,
        _to: &str,
        _content_type: &str,
        _body: &str,
    ) -> Result<u64, Refusal> {
        Err(Refusal::Unsupported)
    }

    pub(super) fn subscribe(
        &mut self,
        _now: Now,
        _line: Option<LineId>,
        _event: &str,
        _target: &str,
    ) -> Result<u64, Refusal> {
        Err(Refusal::Unsupported)
    }

    pub(super) fn unsubscribe(&mut self, _now: Now, _id: u64) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }

    pub(super) fn set_presence(
        &mut self,
        _now: Now,
        _line: Option<LineId>,
        _open: bool,
        _note: Option<&str>,
    ) -> Result<(), Refusal> {
        Err(Refusal::Unsupported)
    }
}
