//! Lines: the agent's own account, and further ones beside it.

use super::{Refusal, Registration, Timer, Workbench};
use crate::account::Account;
use crate::call::LineId;
use crate::clock::Now;
use crate::flow::{Flow, FlowId};
use crate::sip::user_agent::RegistrationId;

/// One agent has a handful of accounts; a script that adds them without end is stopped.
const MOST_LINES: usize = 8;

/// An account with its registration.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub id: LineId,
    pub account: Account,
    pub registration: Registration,
    /// As soon as the server has answered, the far sides of its calls are told where we are.
    pub(super) calls_to_refresh: bool,
    /// The flow before the present one: what still goes along it is moved.
    pub(super) former_flow: Option<FlowId>,
}

impl Line {
    pub(super) const fn new(id: LineId, account: Account) -> Self {
        Self {
            id,
            account,
            registration: Registration::Offline { failure: None },
            calls_to_refresh: false,
            former_flow: None,
        }
    }
}

impl Workbench {
    pub(super) fn add_line(&mut self, now: Now, account: Account) -> Result<LineId, Refusal> {
        account.check()?;
        account.options.check()?;
        if !self.lines.first().is_some_and(|own| !matches!(own.registration, Registration::Offline { .. })) {
            return Err(Refusal::NotSignedIn);
        }
        let same = |line: &Line| line.account.user == account.user && line.account.domain() == account.domain();
        if self.lines.iter().any(same) {
            return Err(Refusal::AlreadySignedIn);
        }
        if self.lines.len() >= MOST_LINES {
            return Err(Refusal::TooManyLines);
        }
        self.ids.line = self.ids.line.max(LineId::OWN.0) + 1;
        let id = LineId(self.ids.line);
        self.lines.push(Line::new(id, account));
        self.begin_registering(now, id);
        Ok(id)
    }

    pub(super) fn remove_line(&mut self, now: Now, id: LineId) -> Result<(), Refusal> {
        self.line(id).ok_or(Refusal::NoLine)?;
        if id == LineId::OWN {
            return Err(Refusal::OwnLine);
        }
        if self.calls.iter().any(|call| call.line == id) {
            return Err(Refusal::CallInProgress);
        }
        self.unregister(now, id);
        Ok(())
    }

    /// Takes a further line that is signed out off the list.
    pub(super) fn forget_line(&mut self, id: LineId) {
        if id != LineId::OWN {
            self.timers.remove(&Timer::SignInGuard(id));
            self.timers.remove(&Timer::Reconnect(id));
            self.lines.retain(|line| line.id != id);
        }
        self.touch();
    }

    pub(super) fn line(&self, id: LineId) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    pub(super) fn line_index(&self, id: LineId) -> Option<usize> {
        self.lines.iter().position(|line| line.id == id)
    }

    pub(super) fn line_of_registration(&self, id: RegistrationId) -> Option<LineId> {
        self.lines.iter().find(|line| line.registration.id() == Some(id)).map(|line| line.id)
    }

    pub(super) fn lines_on_flow(&self, flow: FlowId) -> Vec<LineId> {
        let on_flow = |line: &&Line| line.registration.flow().is_some_and(|its| its.id == flow);
        self.lines.iter().filter(on_flow).map(|line| line.id).collect()
    }

    /// The line that a call is for which came along a flow: of those whose server stands behind the flow the one of that
    /// user. Calls come by the server where we are registered; whatever else knocks at an open port is a scanner, whose
    /// calls neither ring nor stand in the call list, unless the account lets strangers in.
    pub(super) fn line_for(&self, flow: Flow, user: &str) -> Option<LineId> {
        let address = |flow: Flow| flow.remote.ip().to_canonical();
        let rank = |line: &Line| {
            let its = line.registration.open_flow()?;
            let same_flow = its.id == flow.id;
            let known = same_flow || address(its) == address(flow);
            let meant = line.account.user.expose() == user;
            (known || line.account.options.strangers && meant).then_some((known, meant, same_flow))
        };
        let ranked = self.lines.iter().filter_map(|line| Some((rank(line)?, line.id)));
        // Of equals the first, which is the agent's own.
        ranked.rev().max_by_key(|(rank, _)| *rank).map(|(_, id)| id)
    }

    /// Whether that flow leads to the server of a line: what comes along it is told by the server.
    pub(super) fn is_from_server(&self, line: LineId, flow: Flow) -> bool {
        let address = |flow: Flow| flow.remote.ip().to_canonical();
        self.line(line)
            .and_then(|line| line.registration.flow())
            .is_some_and(|its| its.id == flow.id || address(its) == address(flow))
    }
}
