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
        let (Some(first), Some(last)) = (name.first(), name.last()) else { return None };
        if name.len() > LONGEST {
            return None;
        }
        let mut padded = [0; PADDED];
        padded[..name.len()].copy_from_slice(name);
        let folded = fold_case(padded);
        let mut slot = slot(name.len(), *first, *last);
        while let Some(found) = FOLDED.get(usize::from(TABLE[slot])) {
            if *found == folded && NAMES[usize::from(TABLE[slot])].1.len() == name.len() {
                // Folding turns a carriage return into a hyphen.
                return (!name.contains(&b'\r')).then_some(NAMES[usize::from(TABLE[slot])].0);
            }
            slot = (slot + 1) % TABLE.len();
        }
        None
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
const PADDED: usize = 24;
const EMPTY: u8 = u8::MAX;

/// Every name of [`NAMES`], folded for comparison in three words.
static FOLDED: [[u64; 3]; NAMES.len()] = folded_names();

const fn folded_names() -> [[u64; 3]; NAMES.len()] {
    let mut folded = [[0; 3]; NAMES.len()];
    let mut index = 0;
    while index < NAMES.len() {
        let name = NAMES[index].1.as_bytes();
        assert!(name.len() <= LONGEST, "LONGEST is too small");
        let mut padded = [0; PADDED];
        let mut at = 0;
        while at < name.len() {
            padded[at] = name[at];
            at += 1;
        }
        folded[index] = fold_case(padded);
        index += 1;
    }
    folded
}

/// Sets the bit that makes a letter lower case in every byte. Of the bytes that may stand in a name, no two become alike
/// but the two cases of a letter.
const fn fold_case(padded: [u8; PADDED]) -> [u64; 3] {
    const CASE: u64 = u64::MAX / 255 * 0x20;
    let (words, _) = padded.as_chunks::<8>();
    [u64::from_le_bytes(words[0]) | CASE, u64::from_le_bytes(words[1]) | CASE, u64::from_le_bytes(words[2]) | CASE]
}

/// Indices into [`NAMES`], hashed by [`slot`] with linear probing; mostly empty, so that a name is found, or known to be
/// unknown, by one or two comparisons.
static TABLE: [u8; 512] = table();

const fn slot(length: usize, first: u8, last: u8) -> usize {
    // The bit 0x20 makes letters lower case; what it does to other bytes does no harm here.
    let (first, last) = ((first | 0x20) as usize, (last | 0x20) as usize);
    (length * 29 + first * 19 + last * 5) % 512
}

const fn table() -> [u8; 512] {
    let mut table = [EMPTY; 512];
    let mut index = 0;
    while index < NAMES.len() {
        let name = NAMES[index].1.as_bytes();
        let mut slot = slot(name.len(), name[0], name[name.len() - 1]);
        while table[slot] != EMPTY {
            slot = (slot + 1) % 512;
        }
        table[slot] = index as u8;
        index += 1;
    }
    table
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
