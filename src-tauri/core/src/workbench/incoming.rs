//! Calls that come: whether they ring, who calls, and whether to answer at once.

use std::time::Duration;

use super::calls::{Beginning, shown, shown_caller};
use super::{Edge, Output, Timer, Workbench};
use crate::agent;
use crate::call::{Call, Caller, Direction, Diversion, End, EndCause, Field, LineId, State};
use crate::clock::Now;
use crate::flow::Flow;
use crate::media::Command;
use crate::pii::Pii;
use crate::sdp::{LocalMedia, offer_answer};
use crate::sip::message::grammar::{ParamScan, param, split_commas};
use crate::sip::{HeaderAccess, HeaderName, Headers, NameAddr, Request, SessionId};

/// How long an incoming call rings at most: a caller whose CANCEL is lost must not ring for ever.
const RING_LIMIT: Duration = Duration::from_secs(180);
/// The longest wait that a caller may ask for before we answer by ourselves.
const ANSWER_AFTER_LIMIT: u64 = 60;
/// Headers of the application that are kept, and how long one may be: a screen pop needs no more.
const MOST_FIELDS: usize = 48;
const LONGEST_FIELD: usize = 2_048;
/// Diversions and the like that are kept.
const MOST_DIVERSIONS: usize = 16;

impl Workbench {
    pub(super) fn incoming(&mut self, now: Now, session: SessionId, request: &Request, flow: Flow, offer: Vec<u8>) {
        let user = request.uri.user_plain().unwrap_or_default();
        let Some(line) = self.line_for(flow, &user) else {
            let _ = self.user_agent.reject(now.instant, session, 403, Headers::default());
            return;
        };
        let limit = self.line(line).map_or(1, |line| usize::from(line.account.options.call_limit));
        let refuse = if !offer.is_empty() && !self.could_take(flow, &offer) {
            Some((488, EndCause::NotAcceptable))
        } else if self.calls_of(line).count() >= limit {
            Some((486, EndCause::Busy))
        } else if !self.agent.allows(agent::Input::Ringing) {
            let busy = !self.calls.is_empty();
            Some(if busy { (486, EndCause::Busy) } else { (480, EndCause::NotReady) })
        } else {
            None
        };
        let call = self.inbound_call(now, line, session, request, flow, offer);
        let id = call.id;
        if let Some((status, cause)) = refuse {
            let _ = self.user_agent.reject(now.instant, session, status, Headers::default());
            let mut call = call;
            call.ended = Some(now);
            call.enter(now, State::Ended(End { cause, status: Some(status) }));
            self.outputs.push_back(Output::Record(Box::new(call)));
            self.touch();
            return;
        }
        self.last_call = None;
        let alone = self.calls.is_empty();
        self.calls.push(call);
        let _ = self.user_agent.progress(now.instant, session, 180, Vec::new());
        if alone {
            self.tone(None);
        }
        self.ask_media(Command::Devices { wanted: true });
        self.timers.insert(Timer::RingLimit(id), now.instant + RING_LIMIT);
        // A stranger must not open the microphone, whatever the account or the program allows.
        let may_answer = alone && self.is_from_server(line, flow);
        if let Some(after) = self.answer_after(line, request).filter(|_| may_answer) {
            self.timers.insert(Timer::AutoAnswer(id), now.instant + after);
        }
        self.move_agent(now, agent::Input::Ringing);
        self.follow_calls(now);
        self.alert();
        self.edge(Edge::Ringing(id));
    }

    /// When to answer by ourselves: the program's own wish, or the caller's where the account lets it decide.
    fn answer_after(&self, line: LineId, request: &Request) -> Option<Duration> {
        let allowed = self.line(line).is_some_and(|line| line.account.options.auto_answer);
        let asked = allowed.then(|| asked_answer(&request.headers)).flatten();
        [self.config.auto_answer, asked].into_iter().flatten().min()
    }

    /// It is answered in this very moment and need not ring.
    pub(super) fn answers_at_once(&self, call: &Call) -> bool {
        self.timers.get(&Timer::AutoAnswer(call.id)).is_some_and(|at| *at <= call.since.instant)
    }

    pub(super) fn inbound_call(
        &mut self,
        now: Now,
        line: LineId,
        session: SessionId,
        request: &Request,
        flow: Flow,
        offer: Vec<u8>,
    ) -> Call {
        let domain = self.line(line).map(|line| line.account.domain()).unwrap_or_default();
        let from: Option<NameAddr> = request.headers.from_header().ok();
        let trusted = self.is_from_server(line, flow);
        let asserted = asserted_identity(&request.headers).filter(|_| trusted);
        let hidden = is_hidden(&request.headers, from.as_ref());
        let shown_as = if hidden { None } else { asserted.as_ref().or(from.as_ref()) };
        let number = match shown_as {
            Some(address) => shown_caller(&address.uri, &domain),
            None => "anonymous".to_owned(),
        };
        let display = |address: &NameAddr| address.display.clone().filter(|name| !name.trim().is_empty());
        let name = shown_as.and_then(display).or_else(|| from.as_ref().filter(|_| !hidden).and_then(display));
        let name = name.filter(|name| *name != number);
        let direction = self.direction(line, &number, Direction::Inbound);
        let state = State::Ringing { offer: Pii::new(offer) };
        let waiting = !self.calls.is_empty();
        let mut call = self.new_call(now, Beginning { line, direction, number, name, state });
        call.session = Some(session);
        call.waiting = waiting;
        call.caller = caller(&request.headers, &domain, asserted.filter(|_| !hidden), hidden);
        // It asserts, too.
        call.caller.remote_party = call.caller.remote_party.filter(|_| trusted);
        call.headers = fields(&request.headers);
        call.referred_by = address(&request.headers, HeaderName::ReferredBy, &domain);
        call
    }

    /// Whether an offer, or none, can be answered.
    pub(super) fn could_take_offer(&self, flow: Flow, offer: &[u8]) -> bool {
        offer.is_empty() || self.could_take(flow, offer)
    }

    /// Whether an offer has anything for us, before the agent is disturbed.
    fn could_take(&self, flow: Flow, offer: &[u8]) -> bool {
        let local = LocalMedia {
            session_id: 0,
            version: 0,
            // Of the family in which the caller reaches us.
            address: flow.local,
            codecs: self.config.codecs.clone(),
            dtmf: true,
            direction: crate::media::Direction::SendRecv,
            ptime: 20,
        };
        offer_answer::answer(&local, offer).is_ok()
    }
}

/// RFC 3325 §9.1: at most one `sip` and one `tel` address; the first that can be read.
fn asserted_identity(headers: &Headers) -> Option<NameAddr> {
    headers.items(HeaderName::PAssertedIdentity).find_map(|item| item.parse().ok())
}

/// The caller does not wish to be shown (RFC 3323 §4, RFC 3325 §9.3), or is nobody.
fn is_hidden(headers: &Headers, from: Option<&NameAddr>) -> bool {
    let wishes = headers.values(HeaderName::Privacy).flat_map(|value| value.split([';', ',']));
    let private = wishes
        .into_iter()
        .any(|wish| ["id", "user", "header"].iter().any(|private| wish.trim().eq_ignore_ascii_case(private)));
    // RFC 3323 §4.1.1.3; a name alone says nothing, for a server may know who it is all the same.
    let nobody = from.is_none_or(|from| from.uri.host.eq_ignore_ascii_case("anonymous.invalid"));
    private || nobody && headers.value(HeaderName::PAssertedIdentity).is_none()
}

fn caller(headers: &Headers, domain: &str, asserted: Option<NameAddr>, anonymous: bool) -> Caller {
    let remote_party = headers.items(HeaderName::RemotePartyId).find_map(|item| item.parse::<NameAddr>().ok());
    // draft-ietf-sip-privacy-04 §5.1
    let private = |party: &NameAddr| matches!(param(&party.params, "privacy"), Some(privacy) if !privacy.eq_ignore_ascii_case("off"));
    Caller {
        asserted: asserted.map(|address| Pii::new(shown_caller(&address.uri, domain))),
        remote_party: remote_party
            .filter(|party| !anonymous && !private(party))
            .map(|party| Pii::new(shown_caller(&party.uri, domain))),
        anonymous,
        diversions: diversions(headers, HeaderName::Diversion, domain),
        history: diversions(headers, HeaderName::HistoryInfo, domain),
        call_info: texts(headers, HeaderName::CallInfo),
        alert_info: texts(headers, HeaderName::AlertInfo),
    }
}

/// Diversion (RFC 5806) with its reason; History-Info (RFC 7044) with the cause in the URI's Reason header.
fn diversions(headers: &Headers, name: HeaderName, domain: &str) -> Vec<Diversion> {
    let addresses = headers.items(name).filter_map(|item| item.parse::<NameAddr>().ok());
    let diversion = |address: NameAddr| {
        let reason = match param(&address.params, "reason") {
            Some(reason) => Some(crate::sip::message::grammar::unquote(reason)),
            None => cause_in_uri(&address.uri.to_string()),
        };
        let clean = |text: &String| !text.is_empty() && text.len() <= 64 && !text.chars().any(char::is_control);
        Diversion {
            number: Pii::new(shown(&address.uri.clone().without_headers(), domain)),
            reason: reason.filter(clean),
        }
    };
    addresses.take(MOST_DIVERSIONS).map(diversion).collect()
}

/// `sip:1001@x?Reason=SIP%3Bcause%3D486`, or `;cause=486` in the URI (RFC 4458).
fn cause_in_uri(uri: &str) -> Option<String> {
    let lower = uri.to_ascii_lowercase().replace("%3b", ";").replace("%3d", "=");
    let behind = &lower[lower.find("cause=")? + "cause=".len()..];
    let digits: String = behind.chars().take_while(char::is_ascii_digit).take(3).collect();
    Some(digits).filter(|digits| !digits.is_empty())
}

fn texts(headers: &Headers, name: HeaderName) -> Vec<Pii<String>> {
    let texts = headers.items(name).filter(|text| text.len() <= LONGEST_FIELD);
    texts.take(MOST_DIVERSIONS).map(|text| Pii::new(text.to_owned())).collect()
}

fn address(headers: &Headers, name: HeaderName, domain: &str) -> Option<Pii<String>> {
    let address: NameAddr = headers.value(name)?.parse().ok()?;
    Some(Pii::new(shown(&address.uri.without_headers(), domain)))
}

/// Every header that SIP does not know: `X-…` and the like.
fn fields(headers: &Headers) -> Vec<Field> {
    let unknown = headers.iter().filter(|header| header.known.is_none() && header.value.len() <= LONGEST_FIELD);
    let field = |header: crate::sip::message::Header<'_>| Field {
        name: header.name.to_owned(),
        value: Pii::new(header.value.to_owned()),
    };
    unknown.filter(|header| !is_of_auto_answer(header.name)).take(MOST_FIELDS).map(field).collect()
}

const ANSWER_MODES: [&str; 2] = ["Answer-Mode", "Priv-Answer-Mode"];

fn is_of_auto_answer(name: &str) -> bool {
    ANSWER_MODES.iter().any(|mode| mode.eq_ignore_ascii_case(name))
}

/// After which time the caller wishes us to answer by ourselves.
///
/// Many ways lead there: `Answer-Mode: Auto` (RFC 5373); `answer-after=N` as parameter of Call-Info (the SIP phones of
/// Asterisk and Broadsoft) or Alert-Info; `info=alert-autoanswer` (Asterisk, snom) or `intercom=true` and
/// `Auto Answer` / `Ring Answer` (Polycom, Yealink) in Alert-Info.
fn asked_answer(headers: &Headers) -> Option<Duration> {
    let mode = |name: &&str| {
        let value = headers.named(name).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("auto")
    };
    if ANSWER_MODES.iter().any(mode) {
        return Some(Duration::ZERO);
    }
    let values = headers.values(HeaderName::CallInfo).chain(headers.values(HeaderName::AlertInfo));
    let after = values.flat_map(|value| split_commas(value)).find_map(|item| {
        let params = &item[item.find(';')?..];
        let seconds: u64 = ParamScan::new(params).find("answer-after")?.trim_matches('"').parse().ok()?;
        Some(Duration::from_secs(seconds.min(ANSWER_AFTER_LIMIT)))
    });
    after.or_else(|| headers.values(HeaderName::AlertInfo).any(asks_by_words).then_some(Duration::ZERO))
}

fn asks_by_words(alert_info: &str) -> bool {
    let words: String =
        alert_info.to_ascii_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || "=;".contains(*c)).collect();
    ["info=alertautoanswer", "info=autoanswer", "autoanswer", "ringanswer", "intercom=true"]
        .iter()
        .any(|sign| words.contains(sign))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in lines {
            headers.add_named(name, value);
        }
        headers
    }

    #[test]
    fn every_way_to_ask_for_an_answer_is_understood() {
        let check = |name: &str, value: &str, expected: Option<u64>| {
            assert_eq!(
                asked_answer(&headers(&[(name, value)])).map(|after| after.as_secs()),
                expected,
                "{name}: {value}"
            );
        };
        check("Answer-Mode", "Auto", Some(0));
        check("Answer-Mode", "Auto;require", Some(0));
        check("Answer-Mode", "Manual", None);
        check("Call-Info", "<sip:x>;answer-after=0", Some(0));
        check("Call-Info", "<sip:pbx;a=b>; purpose=icon, <sip:x>;answer-after=5", Some(5));
        check("Call-Info", "<sip:x>;answer-after=never", None);
        check("Call-Info", "<sip:x>;answer-after=99999999999999999999", None);
        check("Call-Info", "<sip:x>;answer-after=86400", Some(60));
        check("Alert-Info", "<http://127.0.0.1>;info=alert-autoanswer;delay=0", Some(0));
        check("Alert-Info", "info=alert-autoanswer", Some(0));
        check("Alert-Info", "Ring Answer", Some(0));
        check("Alert-Info", "<http://x>;answer-after=3", Some(3));
        check("Alert-Info", "<http://x>;info=external", None);
        check("X-Other", "answer-after=0", None);
    }

    #[test]
    fn causes_of_diversions_are_found() {
        let headers = headers(&[
            ("Diversion", "<sip:1001@pbx>;reason=user-busy;counter=1, <sip:1002@pbx>;reason=\"no-answer\""),
            ("History-Info", "<sip:1001@pbx?Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%22>;index=1"),
            ("History-Info", "<sip:1002@pbx;cause=302>;index=1.1"),
        ]);
        let read = |name| {
            let found = diversions(&headers, name, "pbx");
            found.into_iter().map(|found| (found.number.into_inner(), found.reason.unwrap())).collect::<Vec<_>>()
        };
        let pair = |number: &str, reason: &str| (number.to_owned(), reason.to_owned());
        assert_eq!(read(HeaderName::Diversion), [pair("1001", "user-busy"), pair("1002", "no-answer")]);
        assert_eq!(read(HeaderName::HistoryInfo), [pair("1001", "486"), pair("1002", "302")]);
    }
}
