//! What an account says about TLS: whom to trust, who we are, and what is kept open on the way.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::Malformed;

/// How many certificates may be pinned, and how long a path may be: more is a mistake or mischief.
const MAX_PINNED: usize = 32;
const MAX_PATH: usize = 4_096;

/// How the server of TLS and WSS is verified, beside the roots of the operating system, and who we are to it.
///
/// There is no way to accept just any certificate: whoever cannot be verified is named by fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Further certification authorities: a PEM file.
    pub trust_file: Option<PathBuf>,
    /// What we show to servers that ask for a certificate.
    pub client: Option<ClientCertificate>,
    /// Server certificates that are accepted although their chain, name or dates do not verify.
    pub pinned: Vec<Fingerprint>,
}

/// A certificate of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// A PEM file: our certificate first, then those of the authorities between it and the root.
    pub chain: PathBuf,
    /// A PEM file with the private key: PKCS #8, PKCS #1 (RSA) or SEC 1 (EC), not encrypted. May be the same file.
    pub key: PathBuf,
}

impl TlsOptions {
    /// Reads the fields of a form; empty ones count as absent.
    ///
    /// # Errors
    /// A path that is not one, a client certificate without its key or the reverse, a fingerprint that is not SHA-256.
    pub fn parse(
        trust_file: Option<&str>,
        client_certificate: Option<&str>,
        client_key: Option<&str>,
        pinned: &[String],
    ) -> Result<Self, Malformed> {
        let client = match (path(client_certificate)?, path(client_key)?) {
            (Some(chain), Some(key)) => Some(ClientCertificate { chain, key }),
            (None, None) => None,
            _ => return Err(Malformed::ClientCertificate),
        };
        let pinned = pinned.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
        let pinned = pinned.map(str::parse).collect::<Result<Vec<Fingerprint>, _>>()?;
        if pinned.len() > MAX_PINNED {
            return Err(Malformed::Fingerprint);
        }
        Ok(Self { trust_file: path(trust_file)?, client, pinned })
    }
}

fn path(text: Option<&str>) -> Result<Option<PathBuf>, Malformed> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) if text.len() > MAX_PATH || text.chars().any(char::is_control) => Err(Malformed::Path),
        text => Ok(text.map(PathBuf::from)),
    }
}

/// SHA-256 over a certificate in DER: what `openssl x509 -fingerprint -sha256` prints.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits, with or without colons or spaces between the octets, after an optional
    /// `sha256:` or `SHA256 Fingerprint=`.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let digits = ["sha256 fingerprint=", "sha256:", "sha-256:", "sha256/"]
            .iter()
            .find_map(|prefix| lower.strip_prefix(prefix))
            .unwrap_or(&lower);
        let mut octets = [0; 32];
        let mut filled = 0;
        for digit in digits.chars().filter(|c| !matches!(c, ':' | ' ' | '-')) {
            let value = digit.to_digit(16).ok_or(Malformed::Fingerprint)? as u8;
            let octet: &mut u8 = octets.get_mut(filled / 2).ok_or(Malformed::Fingerprint)?;
            *octet = *octet << 4 | value;
            filled += 1;
        }
        if filled == 64 { Ok(Self(octets)) } else { Err(Malformed::Fingerprint) }
    }
}

impl FromStr for Fingerprint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

/// `AB:CD:…`, as certificates are shown everywhere.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(":")?;
            }
            write!(f, "{octet:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a server's certificate was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateFault {
    /// No authority that we trust has issued it (a self-made one, as a rule).
    UnknownIssuer,
    Expired,
    NotYetValid,
    /// It is made out for other names than the one we asked for.
    WrongName,
    Revoked,
    /// Not made for servers, or otherwise against the rules of certificates.
    Unsuitable,
    /// The peer could not prove that the certificate is its own, or a signature in the chain is wrong.
    BadSignature,
    /// It cannot be read.
    Malformed,
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "its issuer is not trusted",
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet",
            Self::WrongName => "it is made out for another name",
            Self::Revoked => "it has been revoked",
            Self::Unsuitable => "it is not made for this use",
            Self::BadSignature => "a signature is wrong",
            Self::Malformed => "it cannot be read",
        })
    }
}

/// What keeps a UDP flow's way through a NAT open (RFC 5626 §4.4). Streams have their own: CRLF over TCP and TLS, pings
/// over WebSocket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum KeepAlive {
    /// Two line ends: every server ignores them.
    #[default]
    Crlf,
    /// STUN binding requests on the SIP port (RFC 5626 §4.4.2), for servers that answer them: then a changed address of
    /// the NAT and a dead server are noticed.
    Stun,
}

impl FromStr for KeepAlive {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.trim() {
            "crlf" => Ok(Self::Crlf),
            "stun" => Ok(Self::Stun),
            _ => Err(Malformed::KeepAlive),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_they_are_printed_everywhere() {
        let plain = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let read = Fingerprint::parse(plain).expect("64 digits");
        let colons = read.to_string();
        assert_eq!(colons.len(), 95);
        for text in [
            colons.clone(),
            colons.to_lowercase(),
            format!("sha256:{plain}"),
            format!(" SHA256 Fingerprint={colons}\n"),
            colons.replace(':', " "),
        ] {
            assert_eq!(Fingerprint::parse(&text), Ok(read), "{text}");
        }
        for wrong in ["", "0123", &plain[1..], &format!("{plain}00"), &plain.replace('a', "g"), "é"] {
            assert_eq!(Fingerprint::parse(wrong), Err(Malformed::Fingerprint), "{wrong}");
        }
    }

    #[test]
    fn tls_options_want_certificate_and_key_together() {
        let none = TlsOptions::parse(None, Some(" "), Some(""), &[String::new()]);
        assert_eq!(none, Ok(TlsOptions::default()));
        let whole = TlsOptions::parse(Some("/etc/ca.pem"), Some("me.pem"), Some("me.key"), &["ab".repeat(32)]);
        let whole = whole.expect("all is there");
        assert_eq!(whole.pinned, [Fingerprint([0xab; 32])]);
        assert!(whole.client.is_some() && whole.trust_file.is_some());
        assert_eq!(TlsOptions::parse(None, Some("me.pem"), None, &[]), Err(Malformed::ClientCertificate));
        assert_eq!(TlsOptions::parse(None, None, Some("me.key"), &[]), Err(Malformed::ClientCertificate));
        assert_eq!(TlsOptions::parse(Some("a\nb"), None, None, &[]), Err(Malformed::Path));
        assert_eq!(TlsOptions::parse(None, None, None, &["any".to_owned()]), Err(Malformed::Fingerprint));
    }
}
