//! A way through an HTTP proxy: CONNECT (RFC 9110 §9.3.6) with Basic credentials (RFC 7617).

use deskline_core::account::Proxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ConnectError;
use super::dial::Deadline;

/// Enough for the header of any proxy's answer.
const MAX_ANSWER: usize = 16 * 1024;

/// Asks the proxy at the other end of `stream` to connect it with `host`.
pub(super) async fn tunnel(
    mut stream: TcpStream,
    proxy: &Proxy,
    (host, port): (&str, u16),
    deadline: Deadline,
) -> Result<TcpStream, ConnectError> {
    let broken = |error: std::io::Error| ConnectError::ProxyUnreachable(error.kind().to_string());
    let request = request(proxy, host, port);
    deadline.limit(stream.write_all(request.as_bytes())).await?.map_err(broken)?;
    let mut answer = Vec::new();
    // Octet by octet, since what follows the answer is the server's. The system has it all in memory.
    while !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b"\n\n") {
        if answer.len() >= MAX_ANSWER {
            return Err(ConnectError::ProxyUnreachable("its answer is too long".to_owned()));
        }
        let closed = |_| ConnectError::ProxyUnreachable("it closed the connection".to_owned());
        answer.push(deadline.limit(stream.read_u8()).await?.map_err(closed)?);
    }
    match status(&answer) {
        Some(200..=299) => Ok(stream),
        Some(407) => Err(ConnectError::ProxyCredentials),
        Some(status) => Err(ConnectError::ProxyRefused(status)),
        None => Err(ConnectError::ProxyUnreachable("what answers there is not an HTTP proxy".to_owned())),
    }
}

fn request(proxy: &Proxy, host: &str, port: u16) -> String {
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some((user, password)) = &proxy.credentials {
        let token = base64(format!("{}:{}", user.expose(), password.expose()).as_bytes());
        request.push_str(&format!("Proxy-Authorization: Basic {token}\r\n"));
    }
    request.push_str("\r\n");
    request
}

/// The status of `HTTP/1.x NNN …`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|octet| *octet == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok().filter(|status| (100..600).contains(status))
}

/// RFC 4648 §4.
fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) as usize & 0x3f;
            text.push(if place <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn only_http_answers_have_a_status() {
        assert_eq!(status(b"HTTP/1.1 200 Connection established\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\n\n"), Some(407));
        for wrong in [&b"SIP/2.0 200 OK\r\n"[..], b"HTTP/1.1\r\n", b"HTTP/1.1 99 x\r\n", b"\xff\r\n", b""] {
            assert_eq!(status(wrong), None);
        }
    }

    #[test]
    fn hosts_are_named_as_in_a_uri() {
        let proxy = Proxy::parse("http://me:secret@proxy:1").unwrap_or_else(|error| panic!("{error}"));
        let request = request(&proxy, "::1", 443);
        assert!(request.starts_with("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n"), "{request}");
        assert!(request.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n"), "{request}");
    }
}
