//! What subscriber and notifier have to know of subscriptions (RFC 6665): the Event and Subscription-State headers, and
//! what an end means.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::message::Malformed;
use super::message::grammar::{ParamScan, is_token, trim};

/// An event package with the name of one subscription among several (RFC 6665 §8.2.1): `dialog`, `refer;id=2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventPackage {
    /// Compared as it is: packages are case-sensitive.
    pub name: Box<str>,
    pub id: Option<Box<str>>,
}

impl EventPackage {
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), id: None }
    }

    pub fn with_id(mut self, id: impl fmt::Display) -> Self {
        self.id = Some(id.to_string().into());
        self
    }
}

impl FromStr for EventPackage {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = trim(text);
        let (name, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let name = trim(name);
        if !is_token(name) {
            return Err(Malformed("Event is not a token"));
        }
        let mut package = Self::new(name);
        for param in ParamScan::new(params) {
            if let (key, Some(value)) = param?
                && key.eq_ignore_ascii_case("id")
            {
                package.id = Some(value.into());
            }
        }
        Ok(package)
    }
}

impl fmt::Display for EventPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.id {
            Some(id) => write!(f, ";id={id}"),
            None => Ok(()),
        }
    }
}

/// `Subscription-State` (RFC 6665 §8.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Accepted, or neither accepted nor refused yet; `expires` is what is left, in seconds.
    Active {
        expires: Option<u32>,
    },
    Pending {
        expires: Option<u32>,
    },
    Terminated {
        reason: Reason,
        /// Seconds that the notifier asks us to wait.
        retry_after: Option<u32>,
    },
}

/// Why a notifier ends a subscription (RFC 6665 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Subscribe again at once: the notifier moves.
    Deactivated,
    /// Subscribe again some time later.
    Probation,
    /// Never again: not allowed.
    Rejected,
    /// It has not been refreshed in time: subscribe again at once.
    Timeout,
    /// The authorisation took too long: may be tried again later.
    GiveUp,
    /// There is nothing any more that could be watched: never again.
    NoResource,
    /// It will never change: never again.
    Invariant,
    /// None, or one that we do not know: may be tried again.
    Other,
}

/// What follows from the end of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// In a new dialog, at once or after the time given.
    After(Duration),
    /// At a time of our own choice.
    Later,
    Never,
}

impl Reason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deactivated => "deactivated",
            Self::Probation => "probation",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::GiveUp => "giveup",
            Self::NoResource => "noresource",
            Self::Invariant => "invariant",
            Self::Other => "other",
        }
    }

    /// RFC 6665 §4.1.3. `retry_after` counts for probation, giveup and no reason only.
    pub fn resumption(self, retry_after: Option<u32>) -> Resumption {
        let wait = retry_after.map(|seconds| Duration::from_secs(seconds.into()));
        match self {
            Self::Deactivated | Self::Timeout => Resumption::After(Duration::ZERO),
            Self::Probation | Self::GiveUp | Self::Other => wait.map_or(Resumption::Later, Resumption::After),
            Self::Rejected | Self::NoResource | Self::Invariant => Resumption::Never,
        }
    }
}

impl FromStr for SubscriptionState {
    type Err = Malformed;

    /// A state that we do not know counts as active (RFC 6665 §4.1.3 leaves it to the subscriber).
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let text = trim(text);
        let (state, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let state = trim(state);
        if !is_token(state) {
            return Err(Malformed("Subscription-State is not a token"));
        }
        let (mut expires, mut retry_after, mut reason) = (None, None, Reason::Other);
        for param in ParamScan::new(params) {
            let (name, Some(value)) = param? else { continue };
            match name {
                name if name.eq_ignore_ascii_case("expires") => expires = value.parse().ok(),
                name if name.eq_ignore_ascii_case("retry-after") => retry_after = value.parse().ok(),
                name if name.eq_ignore_ascii_case("reason") => {
                    let known = [
                        Reason::Deactivated,
                        Reason::Probation,
                        Reason::Rejected,
                        Reason::Timeout,
                        Reason::GiveUp,
                        Reason::NoResource,
                        Reason::Invariant,
                    ];
                    let found = known.into_iter().find(|known| value.eq_ignore_ascii_case(known.as_str()));
                    reason = found.unwrap_or(Reason::Other);
                }
                _ => {}
            }
        }
        Ok(match state {
            state if state.eq_ignore_ascii_case("terminated") => Self::Terminated { reason, retry_after },
            state if state.eq_ignore_ascii_case("pending") => Self::Pending { expires },
            _ => Self::Active { expires },
        })
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, expires) = match self {
            Self::Active { expires } => ("active", expires),
            Self::Pending { expires } => ("pending", expires),
            Self::Terminated { reason, retry_after } => {
                write!(f, "terminated;reason={}", reason.as_str())?;
                return retry_after.map_or(Ok(()), |seconds| write!(f, ";retry-after={seconds}"));
            }
        };
        f.write_str(name)?;
        expires.map_or(Ok(()), |seconds| write!(f, ";expires={seconds}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_and_written() {
        let terminated = |reason, retry_after| SubscriptionState::Terminated { reason, retry_after };
        for (text, expected, written) in [
            ("active;expires=60", SubscriptionState::Active { expires: Some(60) }, "active;expires=60"),
            ("Pending", SubscriptionState::Pending { expires: None }, "pending"),
            ("terminated", terminated(Reason::Other, None), "terminated;reason=other"),
            (
                "terminated ; reason=Probation;retry-after=9",
                terminated(Reason::Probation, Some(9)),
                "terminated;reason=probation;retry-after=9",
            ),
            ("active;expires=x", SubscriptionState::Active { expires: None }, "active"),
            ("other", SubscriptionState::Active { expires: None }, "active"),
        ] {
            let state: SubscriptionState = text.parse().unwrap();
            assert_eq!((state, state.to_string().as_str()), (expected, written), "{text}");
        }
        assert!("".parse::<SubscriptionState>().is_err());
        assert!("a b".parse::<SubscriptionState>().is_err());
    }

    #[test]
    fn package_has_a_name_and_perhaps_an_id() {
        assert_eq!("refer;id=93809824".parse(), Ok(EventPackage::new("refer").with_id(93_809_824)));
        assert_eq!("dialog;x".parse(), Ok(EventPackage::new("dialog")));
        assert_eq!(EventPackage::new("refer").with_id(7).to_string(), "refer;id=7");
        assert!(";id=1".parse::<EventPackage>().is_err());
    }

    #[test]
    fn reason_decides_whether_to_come_again() {
        let wait = |seconds| Resumption::After(Duration::from_secs(seconds));
        assert_eq!(Reason::Deactivated.resumption(Some(9)), wait(0));
        assert_eq!(Reason::Timeout.resumption(None), wait(0));
        assert_eq!(Reason::Probation.resumption(Some(9)), wait(9));
        assert_eq!(Reason::GiveUp.resumption(None), Resumption::Later);
        for reason in [Reason::Rejected, Reason::NoResource, Reason::Invariant] {
            assert_eq!(reason.resumption(Some(9)), Resumption::Never);
        }
    }
}
