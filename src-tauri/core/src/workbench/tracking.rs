//! The tracking events, with the parameters that their rows share.

use super::{Output, Workbench};
use crate::call::Direction;
use crate::telemetry;

impl Workbench {
    pub(super) fn track(&mut self, event: telemetry::Event) {
        self.outputs.push_back(Output::Telemetry(event));
    }

    /// A tracking event with the extension, the first parameter of every SipCall row.
    pub(super) fn tracked(&self, name: &'static str) -> telemetry::Event {
        let extension = self.account().map(|account| account.user.expose().clone()).unwrap_or_default();
        telemetry::Event::new(name).text("extNo", extension)
    }

    pub(super) fn track_call(&mut self, name: &'static str, index: usize) {
        let event = self.tracked_call(name, index);
        self.track(event);
    }

    /// A tracking event with the parameters that all rows about a call share.
    pub(super) fn tracked_call(&self, name: &'static str, index: usize) -> telemetry::Event {
        let call = &self.calls[index];
        let direction = match call.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Internal => "internal",
        };
        self.tracked(name)
            .with("otherLegNumber", telemetry::Value::Phone(call.number.clone()))
            .text("direction", direction)
            .text("callId", call.id.to_string())
    }
}
