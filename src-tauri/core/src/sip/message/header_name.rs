//! The names of headers: which rsip has a type for, and which it does not.

use rsip::headers::{UntypedHeader, untyped};

use super::Header;

macro_rules! header_names {
    (
        typed { $($typed:ident($payload:ident) = $typed_text:literal),* $(,)? }
        other { $($other:ident = $other_text:literal),* $(,)? }
    ) => {
        /// A header known by name. Those for which rsip has no variant live in [`Header::Other`]; the functions here
        /// hide the difference.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum HeaderName { $($typed,)* $($other,)* }

        const NAMES: &[(HeaderName, &str)] =
            &[$((HeaderName::$typed, $typed_text),)* $((HeaderName::$other, $other_text),)*];

        impl HeaderName {
            /// The name as RFC 3261 and its extensions write it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$typed => $typed_text,)*
                    $(Self::$other => $other_text,)*
                }
            }

            /// A header of this name.
            pub fn with(self, value: impl Into<String>) -> Header {
                match self {
                    $(Self::$typed => Header::$typed(untyped::$payload::from(value.into())),)*
                    $(Self::$other => Header::Other($other_text.to_owned(), value.into()),)*
                }
            }

            /// The name of a header; `None` for one that we do not know.
            pub fn of(header: &Header) -> Option<Self> {
                match header {
                    $(Header::$typed(_) => Some(Self::$typed),)*
                    Header::Other(name, _) => Self::from_bytes(name.as_bytes()),
                }
            }
        }

        /// The value of any header, as it stands behind the colon.
        pub fn header_value(header: &Header) -> &str {
            match header {
                $(Header::$typed(inner) => inner.value(),)*
                Header::Other(_, value) => value,
            }
        }

        pub(super) fn replace_value(header: &mut Header, new: String) {
            match header {
                $(Header::$typed(inner) => inner.replace(new),)*
                Header::Other(_, value) => *value = new,
            }
        }
    };
}

header_names! {
    typed {
        Accept(Accept) = "Accept",
        AcceptEncoding(AcceptEncoding) = "Accept-Encoding",
        AcceptLanguage(AcceptLanguage) = "Accept-Language",
        AlertInfo(AlertInfo) = "Alert-Info",
        Allow(Allow) = "Allow",
        AuthenticationInfo(AuthenticationInfo) = "Authentication-Info",
        Authorization(Authorization) = "Authorization",
        CSeq(CSeq) = "CSeq",
        CallId(CallId) = "Call-ID",
        CallInfo(CallInfo) = "Call-Info",
        Contact(Contact) = "Contact",
        ContentDisposition(ContentDisposition) = "Content-Disposition",
        ContentEncoding(ContentEncoding) = "Content-Encoding",
        ContentLanguage(ContentLanguage) = "Content-Language",
        ContentLength(ContentLength) = "Content-Length",
        ContentType(ContentType) = "Content-Type",
        Date(Date) = "Date",
        ErrorInfo(ErrorInfo) = "Error-Info",
        Event(Event) = "Event",
        Expires(Expires) = "Expires",
        From(From) = "From",
        InReplyTo(InReplyTo) = "In-Reply-To",
        MaxForwards(MaxForwards) = "Max-Forwards",
        MimeVersion(MimeVersion) = "MIME-Version",
        MinExpires(MinExpires) = "Min-Expires",
        Organization(Organization) = "Organization",
        Priority(Priority) = "Priority",
        ProxyAuthenticate(ProxyAuthenticate) = "Proxy-Authenticate",
        ProxyAuthorization(ProxyAuthorization) = "Proxy-Authorization",
        ProxyRequire(ProxyRequire) = "Proxy-Require",
        RecordRoute(RecordRoute) = "Record-Route",
        ReplyTo(ReplyTo) = "Reply-To",
        Require(Require) = "Require",
        RetryAfter(RetryAfter) = "Retry-After",
        Route(Route) = "Route",
        Server(Server) = "Server",
        Subject(Subject) = "Subject",
        SubscriptionState(SubscriptionState) = "Subscription-State",
        Supported(Supported) = "Supported",
        Timestamp(Timestamp) = "Timestamp",
        To(To) = "To",
        Unsupported(Unsupported) = "Unsupported",
        UserAgent(UserAgent) = "User-Agent",
        Via(Via) = "Via",
        Warning(Warning) = "Warning",
        WwwAuthenticate(WwwAuthenticate) = "WWW-Authenticate",
    }
    other {
        AllowEvents = "Allow-Events",
        Diversion = "Diversion",
        FlowTimer = "Flow-Timer",
        HistoryInfo = "History-Info",
        Identity = "Identity",
        InfoPackage = "Info-Package",
        Join = "Join",
        MinSe = "Min-SE",
        PAssertedIdentity = "P-Asserted-Identity",
        PPreferredIdentity = "P-Preferred-Identity",
        Path = "Path",
        Privacy = "Privacy",
        RAck = "RAck",
        RSeq = "RSeq",
        Reason = "Reason",
        RecvInfo = "Recv-Info",
        ReferSub = "Refer-Sub",
        ReferTo = "Refer-To",
        ReferredBy = "Referred-By",
        RemotePartyId = "Remote-Party-ID",
        Replaces = "Replaces",
        SecurityClient = "Security-Client",
        ServiceRoute = "Service-Route",
        SessionExpires = "Session-Expires",
        SipEtag = "SIP-ETag",
        SipIfMatch = "SIP-If-Match",
    }
}

impl HeaderName {
    /// Looks a name up, whatever its case, also in its compact form (RFC 3261 §7.3.3 and the registry of IANA).
    pub fn from_bytes(name: &[u8]) -> Option<Self> {
        if let [letter] = name {
            return Self::from_compact(*letter);
        }
        let start = *BY_LENGTH.get(name.len())? as usize;
        let end = *BY_LENGTH.get(name.len() + 1)? as usize;
        SORTED[start..end]
            .iter()
            .find(|&&index| NAMES[index as usize].1.as_bytes().eq_ignore_ascii_case(name))
            .map(|&index| NAMES[index as usize].0)
    }

    const fn from_compact(letter: u8) -> Option<Self> {
        Some(match letter.to_ascii_lowercase() {
            b'a' => return None, // Accept-Contact, which we do not know by name
            b'b' => Self::ReferredBy,
            b'c' => Self::ContentType,
            b'e' => Self::ContentEncoding,
            b'f' => Self::From,
            b'i' => Self::CallId,
            b'k' => Self::Supported,
            b'l' => Self::ContentLength,
            b'm' => Self::Contact,
            b'o' => Self::Event,
            b'r' => Self::ReferTo,
            b's' => Self::Subject,
            b't' => Self::To,
            b'u' => Self::AllowEvents,
            b'v' => Self::Via,
            b'x' => Self::SessionExpires,
            b'y' => Self::Identity,
            _ => return None,
        })
    }

    /// A header that may stand only once, and whose second appearance makes a message ambiguous: what a proxy in front
    /// of us saw may not be what we see.
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Self::CSeq
                | Self::CallId
                | Self::ContentLength
                | Self::ContentType
                | Self::Event
                | Self::Expires
                | Self::From
                | Self::MaxForwards
                | Self::MinExpires
                | Self::MinSe
                | Self::RAck
                | Self::RSeq
                | Self::ReferTo
                | Self::Replaces
                | Self::SessionExpires
                | Self::SubscriptionState
                | Self::To
        )
    }

    /// A header that the transaction and dialog layers write themselves; an application may not set it.
    pub const fn is_protocol(self) -> bool {
        matches!(
            self,
            Self::Authorization
                | Self::CSeq
                | Self::CallId
                | Self::Contact
                | Self::ContentLength
                | Self::ContentType
                | Self::From
                | Self::MaxForwards
                | Self::ProxyAuthorization
                | Self::RecordRoute
                | Self::Route
                | Self::To
                | Self::Via
        )
    }
}

const LONGEST: usize = 20;

/// Indices into [`NAMES`] in order of the length of the name.
static SORTED: [u8; NAMES.len()] = sorted();
/// Where the names of each length start in [`SORTED`].
static BY_LENGTH: [u8; LONGEST + 2] = starts();

const fn sorted() -> [u8; NAMES.len()] {
    let mut sorted = [0; NAMES.len()];
    let (mut filled, mut length) = (0, 0);
    while length <= LONGEST {
        let mut index = 0;
        while index < NAMES.len() {
            if NAMES[index].1.len() == length {
                sorted[filled] = index as u8;
                filled += 1;
            }
            index += 1;
        }
        length += 1;
    }
    assert!(filled == NAMES.len(), "LONGEST is too small");
    sorted
}

const fn starts() -> [u8; LONGEST + 2] {
    let mut starts = [0; LONGEST + 2];
    let mut length = 0;
    while length <= LONGEST {
        let mut index = 0;
        starts[length + 1] = starts[length];
        while index < NAMES.len() {
            if NAMES[index].1.len() == length {
                starts[length + 1] += 1;
            }
            index += 1;
        }
        length += 1;
    }
    starts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for &(name, text) in NAMES {
            for form in [text.to_owned(), text.to_ascii_lowercase(), text.to_ascii_uppercase()] {
                assert_eq!(HeaderName::from_bytes(form.as_bytes()), Some(name), "{form}");
            }
            let header = name.with("1");
            assert_eq!(HeaderName::of(&header), Some(name));
            assert_eq!(header_value(&header), "1");
        }
        assert_eq!(HeaderName::from_bytes(b"X-Call-Data"), None);
        assert_eq!(HeaderName::from_bytes(b""), None);
        assert_eq!(HeaderName::from_bytes(&[b'a'; 500]), None);
    }

    #[test]
    fn compact_names_are_found() {
        assert_eq!(HeaderName::from_bytes(b"i"), Some(HeaderName::CallId));
        assert_eq!(HeaderName::from_bytes(b"V"), Some(HeaderName::Via));
        assert_eq!(HeaderName::from_bytes(b"z"), None);
    }
}
