//! The names of headers.

use super::Header;

macro_rules! header_names {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// A header known by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum HeaderName { $($name,)* }

        const NAMES: &[(HeaderName, &str)] = &[$((HeaderName::$name, $text),)*];

        /// What is said of a second header of that name.
        const TWICE: &[&str] = &[$(concat!($text, " stands twice")),*];
    };
}

header_names! {
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AlertInfo = "Alert-Info",
    Allow = "Allow",
    AuthenticationInfo = "Authentication-Info",
    Authorization = "Authorization",
    CSeq = "CSeq",
    CallId = "Call-ID",
    CallInfo = "Call-Info",
    Contact = "Contact",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    Date = "Date",
    ErrorInfo = "Error-Info",
    Event = "Event",
    Expires = "Expires",
    From = "From",
    InReplyTo = "In-Reply-To",
    MaxForwards = "Max-Forwards",
    MimeVersion = "MIME-Version",
    MinExpires = "Min-Expires",
    Organization = "Organization",
    Priority = "Priority",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RecordRoute = "Record-Route",
    ReplyTo = "Reply-To",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    Server = "Server",
    Subject = "Subject",
    SubscriptionState = "Subscription-State",
    Supported = "Supported",
    Timestamp = "Timestamp",
    To = "To",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    Via = "Via",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
    AllowEvents = "Allow-Events",
    Diversion = "Diversion",
    FlowTimer = "Flow-Timer",
    HistoryInfo = "History-Info",
    Identity = "Identity",
    InfoPackage = "Info-Package",
    Join = "Join",
    MinSe = "Min-SE",
    PAssociatedUri = "P-Associated-URI",
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

impl HeaderName {
    /// The name as RFC 3261 and its extensions write it.
    pub const fn as_str(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The fault of a message that has two of a header which [is single](Self::is_single).
    pub(crate) const fn twice(self) -> &'static str {
        TWICE[self as usize]
    }

    /// A header of this name.
    pub const fn with(self, value: &str) -> Header<'_> {
        Header { known: Some(self), name: self.as_str(), value }
    }

    /// Looks a name up, whatever its case, also in its compact form (RFC 3261 §7.3.3 and the registry of IANA).
    pub fn from_bytes(name: &[u8]) -> Option<Self> {
        Self::at_start_of(name, name.len())
    }

    /// As [`Self::from_bytes`] of the first `length` bytes; the more stand behind them, the faster.
    pub(crate) fn at_start_of(bytes: &[u8], length: usize) -> Option<Self> {
        let (name, mask) = (bytes.get(..length)?, MASKS.get(length)?);
        let (Some(first), Some(last)) = (name.first(), name.last()) else { return None };
        if length == 1 {
            return Self::from_compact(*first);
        }
        let padded = bytes.first_chunk::<PADDED>().copied().unwrap_or_else(|| {
            let mut padded = [0; PADDED];
            padded[..length].copy_from_slice(name);
            padded
        });
        let words = words(padded);
        let mut slot = slot(length, *first, *last);
        while let Some(name) = FOLDED.get(usize::from(TABLE[slot])) {
            let matches = |at: usize| words[at] & mask[at] | name.case[at] == name.lower[at];
            if matches(0) && matches(1) && matches(2) {
                return Some(NAMES[usize::from(TABLE[slot])].0);
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
            Self::Allow
                | Self::Authorization
                | Self::CSeq
                | Self::CallId
                | Self::Contact
                | Self::ContentEncoding
                | Self::ContentLength
                | Self::ContentType
                | Self::From
                | Self::MaxForwards
                | Self::MinSe
                | Self::ProxyAuthorization
                | Self::ProxyRequire
                | Self::RAck
                | Self::RSeq
                | Self::RecordRoute
                | Self::Require
                | Self::Route
                | Self::SessionExpires
                | Self::Supported
                | Self::Timestamp
                | Self::To
                | Self::Unsupported
                | Self::Via
        )
    }
}

const LONGEST: usize = 20;
const PADDED: usize = 24;
const EMPTY: u8 = u8::MAX;

/// A name for comparison in three words.
struct Folded {
    lower: [u64; 3],
    /// The bit that makes a letter lower case, where there are letters.
    case: [u64; 3],
}

static FOLDED: [Folded; NAMES.len()] = folded_names();

const fn folded_names() -> [Folded; NAMES.len()] {
    let mut folded = [const { Folded { lower: [0; 3], case: [0; 3] } }; NAMES.len()];
    let mut index = 0;
    while index < NAMES.len() {
        let name = NAMES[index].1.as_bytes();
        assert!(name.len() <= LONGEST, "LONGEST is too small");
        let (mut lower, mut case) = ([0; PADDED], [0; PADDED]);
        let mut at = 0;
        while at < name.len() {
            lower[at] = name[at].to_ascii_lowercase();
            case[at] = if name[at].is_ascii_alphabetic() { 0x20 } else { 0 };
            at += 1;
        }
        folded[index] = Folded { lower: words(lower), case: words(case) };
        index += 1;
    }
    folded
}

const fn words(padded: [u8; PADDED]) -> [u64; 3] {
    let (words, _) = padded.as_chunks::<8>();
    [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]), u64::from_le_bytes(words[2])]
}

/// By the length of a name: which bytes of the words it has.
static MASKS: [[u64; 3]; LONGEST + 1] = masks();

const fn masks() -> [[u64; 3]; LONGEST + 1] {
    let mut masks = [[0; 3]; LONGEST + 1];
    let mut length = 0;
    while length <= LONGEST {
        let mut padded = [0; PADDED];
        let mut at = 0;
        while at < length {
            padded[at] = u8::MAX;
            at += 1;
        }
        masks[length] = words(padded);
        length += 1;
    }
    masks
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
            assert_eq!((name.as_str(), name.with("1").known, name.with("1").value), (text, Some(name), "1"));
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
