//! What becomes of a call whose INVITE was refused in a way that another INVITE can mend: redirections (RFC 3261
//! §8.1.3.4), and the refusals that name what they want instead (§8.1.3.5, RFC 4028 §7.3).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::refreshing::min_se;
use super::session::{Phase, Session};
use super::stack::Stack;
use super::transactions::TransactionId;
use super::{Event, Redirects};
use crate::sip::message::{Contacts, HeaderAccess, HeaderName, Headers, Request, Response};
use crate::sip::uri::{NameAddr, Uri};

/// Targets of redirections that are called at most.
const MAX_TARGETS: usize = 5;

/// How often an INVITE is mended otherwise.
const MAX_MENDED: u8 = 4;

/// A server may ask for a longer session interval, not for one that never ends.
pub(super) const LONGEST_MIN_SE: Duration = Duration::from_secs(86_400);

/// What has been tried to place a call.
#[derive(Default)]
pub(super) struct Attempts {
    /// Every target called so far, the first included.
    tried: Vec<Uri>,
    /// Further targets of redirections, best first.
    targets: VecDeque<Uri>,
    mended: u8,
}

impl Attempts {
    pub(super) fn at(target: Uri) -> Self {
        Self { tried: vec![target], targets: VecDeque::new(), mended: 0 }
    }

    /// Takes the targets of a redirection that have not been tried (§8.1.3.4).
    fn add(&mut self, headers: &Headers) {
        let Ok(Contacts::List(mut contacts)) = headers.contacts() else { return };
        // Stable: equals stay in the order of the server.
        contacts.sort_by_key(|contact| std::cmp::Reverse(preference(contact)));
        let was_secure = self.tried.first().is_some_and(Uri::is_secure);
        for contact in contacts.into_iter().take(4 * MAX_TARGETS) {
            let mut uri = contact.uri.without_headers();
            uri.remove_param("method");
            let callable = matches!(&*uri.scheme, "sip" | "sips" | "tel") && (uri.is_secure() || !was_secure);
            let known = self.tried.iter().chain(&self.targets).any(|known| known.is_equivalent(&uri));
            if callable && !known {
                self.targets.push_back(uri);
            }
        }
    }

    fn next(&mut self) -> Option<Uri> {
        if self.tried.len() > MAX_TARGETS {
            return None;
        }
        let target = self.targets.pop_front()?;
        self.tried.push(target.clone());
        Some(target)
    }
}

/// `q` in thousandths; 1 where there is none.
fn preference(contact: &NameAddr) -> u32 {
    let Some(q) = contact.param("q") else { return 1000 };
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "1" => 1000,
        "0" | "" if digits(fraction) && fraction.len() <= 3 => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

impl Session {
    /// Sends the INVITE once more in the way that this refusal asks for. `None` if the refusal is final.
    pub(super) fn call_again(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        refused: TransactionId,
        response: &Response,
    ) -> Option<TransactionId> {
        if let 401 | 407 = response.code() {
            return self.retry_authorised(now, stack, refused, response);
        }
        if let Some(mended) = self.mend(now, stack, refused, response) {
            return Some(mended);
        }
        self.redirect(now, stack, refused, response)
    }

    fn mend(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        refused: TransactionId,
        response: &Response,
    ) -> Option<TransactionId> {
        let Phase::Calling(calling) = &mut self.phase else { return None };
        if calling.attempts.mended >= MAX_MENDED {
            return None;
        }
        let client = stack.transactions.client(refused)?;
        let mut headers = client.request.headers.clone();
        let mut uri = None;
        match response.code() {
            420 => drop_options(&mut headers, &response.headers)?,
            421 => {
                let required: Vec<&str> = response.headers.items(HeaderName::Require).collect();
                let known = required.iter().all(|option| stack.supports(option));
                let already = required.iter().all(|option| headers.has_item(HeaderName::Require, option));
                if !known || already {
                    return None;
                }
                headers.set(HeaderName::Require, required.join(", "));
            }
            422 => {
                let asked = min_se(&response.headers);
                if asked <= self.min_se || asked > LONGEST_MIN_SE {
                    return None;
                }
                self.min_se = asked;
                self.ask_for_timer(stack, &mut headers);
            }
            // §8.1.3.5: one who does not understand tel: may understand the number as a user of our domain.
            416 if &*client.request.uri.scheme == "tel" => {
                let domain = headers.from_header().ok()?.uri.host;
                let number = client.request.uri.user.as_deref()?;
                uri = Some(Uri::sip(number, &domain).with_param("user", Some("phone")));
            }
            _ => return None,
        }
        if let Phase::Calling(calling) = &mut self.phase {
            calling.attempts.mended += 1;
        }
        self.send_again(now, stack, refused, |request| {
            request.headers = headers;
            if let Some(uri) = uri {
                request.uri = uri;
            }
        })
    }

    fn redirect(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        refused: TransactionId,
        response: &Response,
    ) -> Option<TransactionId> {
        let Phase::Calling(calling) = &mut self.phase else { return None };
        let status = response.code();
        if stack.config.calls.redirects != Redirects::Followed || status >= 600 {
            return None;
        }
        if let 300..=302 = status {
            calling.attempts.add(&response.headers);
        }
        let target = calling.attempts.next()?;
        let uri = target.clone();
        let next = self.send_again(now, stack, refused, |request| request.uri = uri)?;
        stack.event(Event::Redirected { session: self.id, status, target });
        Some(next)
    }
}

/// Takes the options that a 420 does not support out of what we offer and require (§8.1.3.5). `None` if nothing changes.
fn drop_options(headers: &mut Headers, refusal: &Headers) -> Option<()> {
    let mut changed = false;
    for name in [HeaderName::Supported, HeaderName::Require, HeaderName::ProxyRequire] {
        let (dropped, kept): (Vec<&str>, Vec<&str>) =
            headers.items(name).partition(|option| refusal.has_item(HeaderName::Unsupported, option));
        if dropped.is_empty() {
            continue;
        }
        changed = true;
        let kept = kept.join(", ");
        if kept.is_empty() && name != HeaderName::Supported {
            headers.remove(name);
        } else {
            headers.set(name, kept);
        }
    }
    if refusal.has_item(HeaderName::Unsupported, "timer") {
        headers.remove(HeaderName::SessionExpires);
        headers.remove(HeaderName::MinSe);
    }
    changed.then_some(())
}

/// A request that is to be sent once more loses what belonged to its first way.
pub(super) fn stripped(mut request: Request) -> Request {
    request.headers.remove(HeaderName::Via);
    request.headers.remove(HeaderName::MaxForwards);
    request
}
