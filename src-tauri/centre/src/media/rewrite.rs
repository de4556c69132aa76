//! Puts our relay into a description that passes through (RFC 8866, RFC 3264): the first audio stream is pointed at us,
//! every other stream is refused, and what would lead around the relay is dropped.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// A description whose audio runs through us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) body: Vec<u8>,
    /// Where its author wants audio; `None` when on hold the old way (`c=0.0.0.0`) or with the stream refused.
    pub(crate) remote: Option<SocketAddr>,
}

/// Attributes that are about paths which the relay ends.
const PATH_ATTRIBUTES: [&str; 7] =
    ["a=candidate:", "a=end-of-candidates", "a=ice-", "a=rtcp:", "a=remote-candidates:", "a=rtcp-mux-only", "a=group:"];

/// `None` for what is no description or has no audio stream.
pub(crate) fn rewrite(body: &[u8], relay: SocketAddr) -> Option<Rewritten> {
    let text = std::str::from_utf8(body).ok()?;
    let lines = || text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty());
    if !lines().next()?.starts_with("v=0") {
        return None;
    }

    let mut out = String::with_capacity(text.len() + 64);
    let mut session_host = None;
    let mut remote = None;
    let mut audio: Option<Audio> = None;
    let mut in_audio = false;
    let mut in_media = false;
    for line in lines() {
        if let Some(media) = line.strip_prefix("m=") {
            in_media = true;
            let mut words = media.splitn(3, ' ');
            let (kind, port, rest) = (words.next()?, words.next()?, words.next()?);
            in_audio = kind == "audio" && audio.is_none();
            if in_audio {
                let port = port.split('/').next()?.parse().ok()?;
                audio = Some(Audio { port, host: session_host });
                // Port 0 is a refusal, and stays one.
                let ours = if port == 0 { 0 } else { relay.port() };
                let _ = write!(out, "m=audio {ours} {rest}\r\nc={}\r\n", connection(relay.ip()));
            } else {
                let _ = write!(out, "m={kind} 0 {rest}\r\n");
            }
        } else if let Some(value) = line.strip_prefix("c=") {
            match &mut audio {
                None => session_host = parse_connection(value),
                Some(audio) if in_audio => audio.host = parse_connection(value),
                Some(_) => {}
            }
            if !in_media {
                let _ = write!(out, "c={}\r\n", connection(relay.ip()));
            }
        } else if !PATH_ATTRIBUTES.iter().any(|prefix| line.starts_with(prefix)) {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    let audio = audio?;
    if let Some(host) = audio.host
        && !host.is_unspecified()
        && audio.port != 0
    {
        remote = Some(SocketAddr::new(host, audio.port));
    }
    // The old way to hold stays visible to the other side.
    if audio.host.is_some_and(|host| host.is_unspecified()) {
        out = out.replace(&format!("c={}\r\n", connection(relay.ip())), "c=IN IP4 0.0.0.0\r\n");
    }
    Some(Rewritten { body: out.into_bytes(), remote })
}

struct Audio {
    port: u16,
    host: Option<IpAddr>,
}

fn connection(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("IN IP4 {ip}"),
        IpAddr::V6(ip) => format!("IN IP6 {ip}"),
    }
}

/// `IN IP4 192.0.2.1`, a multicast's time to live being ignored. A host name is not resolved: it counts as none.
fn parse_connection(value: &str) -> Option<IpAddr> {
    value.split(' ').nth(2)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n\
                         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=rtcp:4001\r\na=sendrecv\r\n\
                         m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

    fn rewritten(text: &str) -> (String, Option<SocketAddr>) {
        let Rewritten { body, remote } = rewrite(text.as_bytes(), "192.0.2.1:7000".parse().unwrap()).unwrap();
        (String::from_utf8(body).unwrap(), remote)
    }

    #[test]
    fn audio_is_pointed_at_the_relay_and_video_refused() {
        let (body, remote) = rewritten(OFFER);
        assert_eq!(remote, Some("10.0.0.7:4000".parse().unwrap()));
        assert!(body.contains("m=audio 7000 RTP/AVP 0 101\r\nc=IN IP4 192.0.2.1\r\n"), "{body}");
        assert!(body.contains("m=video 0 RTP/AVP 96\r\n"), "{body}");
        assert!(!body.contains("4000") && !body.contains("a=rtcp:"), "{body}");
        assert!(body.contains("a=sendrecv\r\n"));
    }

    #[test]
    fn the_address_of_the_stream_goes_before_that_of_the_session() {
        let (_, remote) = rewritten(&OFFER.replace("a=rtpmap:0", "c=IN IP6 ::1\r\na=rtpmap:0"));
        assert_eq!(remote, Some("[::1]:4000".parse().unwrap()));
    }

    #[test]
    fn the_old_way_to_hold_stays_visible_and_has_no_address() {
        let (body, remote) = rewritten(&OFFER.replace("c=IN IP4 10.0.0.7", "c=IN IP4 0.0.0.0"));
        assert_eq!(remote, None);
        assert!(body.contains("c=IN IP4 0.0.0.0\r\n") && !body.contains("c=IN IP4 192"), "{body}");
    }

    #[test]
    fn a_refused_stream_stays_refused() {
        let (body, remote) = rewritten(&OFFER.replace("m=audio 4000", "m=audio 0"));
        assert_eq!(remote, None);
        assert!(body.contains("m=audio 0 "));
    }

    #[test]
    fn nonsense_is_no_description() {
        for nonsense in
            ["", "v=0", "hello", "v=0\r\nm=audio", "v=0\r\nm=audio x RTP/AVP 0\r\n", "v=0\r\nm=video 1 RTP/AVP 0\r\n"]
        {
            assert_eq!(rewrite(nonsense.as_bytes(), "192.0.2.1:7000".parse().unwrap()), None, "{nonsense}");
        }
        assert_eq!(rewrite(b"v=0\r\n\xff\xfe", "192.0.2.1:7000".parse().unwrap()), None);
    }
}
