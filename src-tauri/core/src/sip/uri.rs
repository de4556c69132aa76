//! URIs (RFC 3261 §19, RFC 3966) and the name-addr form of From, To and Contact.

/// A SIP, SIPS or tel URI; any other scheme is kept as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    pub scheme: Box<str>,
    /// The user part, as escaped on the wire; for `tel:` the number.
    pub user: Option<Box<str>>,
    /// Deprecated password part (kept so that a URI passes through unchanged).
    pub password: Option<Box<str>>,
    /// Host name, IPv4 address, or IPv6 reference in brackets; empty for `tel:`.
    pub host: Box<str>,
    pub port: Option<u16>,
    /// `name` or `name=value`, in order.
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
    /// The part behind `?`, without the mark.
    pub headers: Option<Box<str>>,
}

/// `"display" <uri>;params`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Unquoted and unescaped.
    pub display: Option<String>,
    pub uri: Uri,
    pub params: Vec<(Box<str>, Option<Box<str>>)>,
}
