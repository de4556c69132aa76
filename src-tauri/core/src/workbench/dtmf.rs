//! Digits and other INFO, in both directions.

use super::{Edge, NoticeCode, Refusal, Workbench, line_headers};
use crate::account::DtmfMode;
use crate::call::{Call, CallId, Field};
use crate::clock::Now;
use crate::media::Command;
use crate::pii::Pii;
use crate::sip::user_agent::DtmfForm;

/// What an application may put into one message.
const LONGEST_BODY: usize = 16 * 1024;

impl Workbench {
    pub(super) fn dtmf(&mut self, now: Now, call: Option<CallId>, digits: &str) -> Result<(), Refusal> {
        let digits = digits.to_ascii_uppercase();
        if digits.is_empty() || digits.len() > 64 || !digits.chars().all(|c| "0123456789*#ABCD".contains(c)) {
            return Err(Refusal::Digits);
        }
        let index = self.find(call, Call::is_established)?;
        for digit in digits.chars() {
            let event = self.tracked_call("sip_call_send_dtmf", index).text("tone", digit.to_string());
            self.track(event);
        }
        let call = &mut self.calls[index];
        call.note_digits(&digits);
        let line = call.line;
        let wanted = self.line(line).map_or(DtmfMode::Rtp, |line| line.account.options.dtmf);
        let way = match self.calls[index].dtmf_way.unwrap_or(wanted) {
            // The far side takes no telephone events in its media.
            DtmfMode::Rtp if !self.sends_telephone_events(index) => DtmfMode::InfoRelay,
            way => way,
        };
        self.send_digits(now, index, way, &digits)
    }

    fn send_digits(&mut self, now: Now, index: usize, way: DtmfMode, digits: &str) -> Result<(), Refusal> {
        let call = &self.calls[index];
        if way == DtmfMode::Rtp {
            let id = call.media.as_ref().map(|media| media.id).ok_or(Refusal::CallState)?;
            self.ask_media(Command::Dtmf { id, digits: Pii::new(digits.to_owned()) });
            return Ok(());
        }
        let session = call.session.ok_or(Refusal::CallState)?;
        let form = if way == DtmfMode::Info { DtmfForm::Plain } else { DtmfForm::Relay };
        self.user_agent.send_digits(now.instant, session, digits, form).map_err(|error| Refusal::of_session(&error))
    }

    /// The far side takes no digits by INFO, or not in this form: they go the next way, and so do all further ones.
    pub(super) fn digits_refused(&mut self, now: Now, index: usize, unsent: &str) {
        let call = &self.calls[index];
        let wanted = self.line(call.line).map_or(DtmfMode::Rtp, |line| line.account.options.dtmf);
        let next = match call.dtmf_way.unwrap_or(wanted) {
            // Already tried, as is the media.
            DtmfMode::Info if call.dtmf_way.is_some() => None,
            DtmfMode::InfoRelay | DtmfMode::Info if self.sends_telephone_events(index) => Some(DtmfMode::Rtp),
            DtmfMode::Rtp | DtmfMode::InfoRelay => Some(DtmfMode::Info),
            DtmfMode::Info => None,
        };
        match next {
            Some(way) => {
                self.calls[index].dtmf_way = Some(way);
                self.notify(now, NoticeCode::DtmfOtherWay);
                if !unsent.is_empty() && self.send_digits(now, index, way, unsent).is_err() {
                    self.notify(now, NoticeCode::DtmfRefused);
                }
            }
            None => self.notify(now, NoticeCode::DtmfRefused),
        }
    }

    fn sends_telephone_events(&self, index: usize) -> bool {
        let negotiated = self.calls[index].media.as_ref().and_then(|media| media.negotiated.as_ref());
        negotiated.is_some_and(|negotiated| negotiated.dtmf_send.is_some())
    }

    /// An INFO of the application.
    pub(super) fn send_info(
        &mut self,
        now: Now,
        call: Option<CallId>,
        content_type: &str,
        body: &str,
        headers: &[Field],
    ) -> Result<(), Refusal> {
        check_body(content_type, body)?;
        let headers = line_headers(headers)?;
        let index = self.find(call, Call::is_established)?;
        let session = self.calls[index].session.ok_or(Refusal::CallState)?;
        self.user_agent
            .info_with(now.instant, session, content_type, body.as_bytes().to_vec(), headers)
            .map_err(|error| Refusal::of_session(&error))
    }

    /// An INFO of the far side: DTMF of one that sends it so, or something for the application.
    pub(super) fn info(&mut self, index: usize, content_type: &str, body: &[u8]) {
        let call = self.calls[index].id;
        let text = String::from_utf8_lossy(body);
        let signal = match content_type.split(';').next().unwrap_or_default().trim() {
            kind if kind.eq_ignore_ascii_case("application/dtmf-relay") => text
                .lines()
                .filter_map(|line| line.split_once('='))
                .find(|(key, _)| key.trim().eq_ignore_ascii_case("signal"))
                .and_then(|(_, value)| value.trim().chars().next()),
            kind if kind.eq_ignore_ascii_case("application/dtmf") => text.trim().chars().next(),
            _ => {
                let (content_type, body) = (content_type.to_owned(), Pii::new(text.into_owned()));
                return self.edge(Edge::Info { call, content_type, body });
            }
        };
        if let Some(digit) = signal.filter(|digit| "0123456789*#ABCDabcd".contains(*digit)) {
            self.edge(Edge::Dtmf(call, digit.to_ascii_uppercase()));
        }
    }
}

/// Refuses what is no body of that type, or too long.
pub(super) fn check_body(content_type: &str, body: &str) -> Result<(), Refusal> {
    let sound = content_type.split_once('/').is_some_and(|(kind, rest)| {
        crate::sip::message::grammar::is_token(kind) && !rest.is_empty() && rest.len() < 200
    });
    let clean = content_type.chars().all(|c| c.is_ascii() && !c.is_control());
    if sound && clean && body.len() <= LONGEST_BODY { Ok(()) } else { Err(Refusal::Body) }
}
