//! sipp, playing scenarios of our own.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::process::{Output, tail};
use crate::{Process, Scratch, port, wait};

/// A running sipp.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    scratch: Scratch,
    name: String,
}

/// What is played, where and how often.
#[derive(Clone, Debug)]
pub struct Play<'a> {
    /// The scenario: a file of tests/sipp, without its `.xml`.
    pub scenario: &'a str,
    /// Where sipp listens; see [`place`].
    pub at: SocketAddr,
    /// Whom it speaks to.
    pub to: &'a str,
    /// Words in brackets that the scenario uses, with what they stand for: `("phone", "sip:1001@127.0.0.1:5062")`.
    pub words: &'a [(&'a str, &'a str)],
    /// Lines of a CSV whose fields the calls of the scenario use in turn (`[field0]` …); may be empty.
    pub lines: &'a [&'a str],
    /// How often the scenario is played to its end.
    pub calls: u32,
    /// Longer than the scenario takes.
    pub limit: Duration,
}

/// A place for a sipp to listen at on 127.0.0.1.
pub fn place() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()))
}

impl<'a> Play<'a> {
    /// The scenario once, with a limit of fifteen seconds.
    pub fn once(scenario: &'a str, at: SocketAddr, to: &'a str) -> Self {
        Self { scenario, at, to, words: &[], lines: &[], calls: 1, limit: Duration::from_secs(15) }
    }
}

impl Sipp {
    /// Starts sipp. A scenario that begins by a `<recv>` waits for calls, and is ready when this returns.
    ///
    /// # Errors
    /// When the scenario is not there, or sipp does not start.
    pub fn start(play: &Play<'_>) -> anyhow::Result<Self> {
        let scratch = Scratch::new("sipp")?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sipp").join(format!("{}.xml", play.scenario));
        let source = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut scenario = expanded(&source)?;
        // Not by sipp's own `-key`: it wants to know the number of an answer before it knows the words.
        for (word, meaning) in play.words {
            scenario = scenario.replace(&format!("[{word}]"), meaning);
        }
        let scenario = scratch.write("scenario.xml", scenario)?;
        let millis = play.limit.as_millis().to_string();
        let host = play.at.ip().to_string();
        let mut command = Command::new("sipp");
        command.current_dir(scratch.path()).env("TERM", "dumb");
        command.arg(play.to).arg("-sf").arg(scenario).args(["-i", &host, "-mi", &host, "-bind_local"]);
        command.args(["-p", &play.at.port().to_string(), "-mp", &port::free_run(4).to_string()]);
        command.args(["-m", &play.calls.to_string(), "-l", "1000", "-nostdin"]);
        command.args(["-timeout", &format!("{millis}ms"), "-timeout_error", "-recv_timeout", &millis]);
        command.args(["-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log"]);
        if !play.lines.is_empty() {
            let lines = format!("SEQUENTIAL\n{}\n", play.lines.join("\n"));
            command.arg("-inf").arg(scratch.write("calls.csv", lines)?);
        }
        let process = Process::spawn("sipp", &mut command, scratch.path(), Output::Log)?;
        let mut sipp = Self { process, scratch, name: play.scenario.to_owned() };
        sipp.until_bound(play.at)?;
        Ok(sipp)
    }

    /// Waits until the scenario has been played to its end.
    ///
    /// # Errors
    /// When something else came than the scenario has, or `limit` passes; with sipp's own words and the messages.
    pub fn finishes(&mut self, limit: Duration) -> anyhow::Result<()> {
        let status = self.process.until_exited(limit).with_context(|| self.trouble())?;
        if !status.success() {
            bail!("sipp ended with {status}\n{}", self.trouble());
        }
        Ok(())
    }

    /// Everything that sipp has sent and received.
    pub fn messages(&self) -> String {
        self.read("messages.log")
    }

    fn until_bound(&mut self, at: SocketAddr) -> anyhow::Result<()> {
        let table = if at.is_ipv6() { "/proc/net/udp6" } else { "/proc/net/udp" };
        let needle = format!(":{:04X} ", at.port());
        wait::until_some(Duration::from_secs(5), "sipp listens", || {
            let bound = std::fs::read_to_string(table)?
                .lines()
                .any(|line| line.split_whitespace().nth(1).is_some_and(|local| format!("{local} ").ends_with(&needle)));
            if let Some(status) = self.process.exited() {
                bail!("sipp ended at its start: {status}");
            }
            Ok(bound.then_some(()))
        })
        .with_context(|| self.trouble())
    }

    fn trouble(&self) -> String {
        format!(
            "scenario {}:\n{}\n--- messages:\n{}\n--- output:\n{}",
            self.name,
            tail(&self.read("errors.log"), 40),
            tail(&self.messages(), 160),
            tail(&self.process.log(), 12),
        )
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.scratch.path().join(name)).unwrap_or_default()).into_owned()
    }
}

/// An address in the form in which URIs have it.
pub fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A scenario with its `{parts}` in full: what most messages of most scenarios have alike.
///
/// - `{remember}`: keeps what the phone's request said, as `[$via]`, `[$from]` …; `{used}` belongs to it. `{remember_refer}`: as much
///   of a REFER as a scenario needs, whose target has `[refer_to]` in it.
/// - `{reply TAG}`: the headers of an answer to what was remembered, with that To tag; `{last}`: a whole answer to what
///   came last.
/// - `{within METHOD N TAG}`: a request with CSeq N inside a call that the phone made.
/// - `{request N METHOD}`: the headers of a request outside calls.
/// - `{invite N}`, `{caller METHOD N}`: the first and further requests of a call that sipp makes.
/// - `{sdp}`, `{sdp VERSION DIRECTION [ADDRESS]}`: a body; `{empty}`: none.
fn expanded(source: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    for line in source.lines() {
        let Some(name) = line.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let words: Vec<&str> = name.split_whitespace().collect();
        match words[..] {
            ["remember"] => text.push_str(REMEMBER),
            ["remember_refer"] => text.push_str(REMEMBER_REFER),
            ["used"] => text.push_str(USED),
            ["sdp"] => text.push_str(&sdp("1", "sendrecv", "[local_ip]")),
            ["sdp", version, direction] => text.push_str(&sdp(version, direction, "[local_ip]")),
            ["sdp", version, direction, address] => text.push_str(&sdp(version, direction, address)),
            ["reply", tag] => write!(text, "{}{CONTACT}", REPLY.replace("TAG", tag))?,
            ["empty"] => text.push_str("Content-Length: 0\n\n"),
            ["last"] => text.push_str(LAST),
            ["within", method, number, tag] => {
                let part = WITHIN.replace("METHOD", method).replace("NUMBER", number).replace("TAG", tag);
                text.push_str(&part);
            }
            ["request", number, method] => {
                text.push_str(&REQUEST.replace("METHOD", method).replace("NUMBER", number));
            }
            ["invite", number] => text.push_str(&INVITE.replace("NUMBER", number)),
            ["caller", method, number] => {
                text.push_str(&CALLER.replace("METHOD", method).replace("NUMBER", number));
            }
            _ => bail!("a scenario names the unknown part {{{name}}}"),
        }
    }
    Ok(text)
}

/// Keeps the phone's first request: the values of its headers, and where its Contact points.
const REMEMBER: &str = r#"<action>
  <ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>
  <ereg regexp=".*" search_in="hdr" header="From:" assign_to="from"/>
  <ereg regexp="&lt;.*&gt;" search_in="hdr" header="To:" assign_to="to"/>
  <ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>
  <ereg regexp="&lt;([^&gt;]*)&gt;" search_in="hdr" header="Contact:" assign_to="contact,target"/>
</action>
"#;

/// Keeps a REFER's own.
const REMEMBER_REFER: &str = r#"<action>
  <ereg regexp="&lt;[^&gt;]*[refer_to]" search_in="hdr" header="Refer-To:" check_it="true" assign_to="refer_to"/>
  <ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="refer_cseq"/>
</action>
"#;

/// sipp refuses variables that are not used: these are, whatever the scenario needs.
const USED: &str = r#"<Reference variables="via,from,to,cseq,contact,target"/>
"#;

/// The headers of an answer to the remembered request.
const REPLY: &str = "Via:[$via]\nFrom:[$from]\nTo: [$to];tag=TAG\n[last_Call-ID:]\nCSeq:[$cseq]\n";

const CONTACT: &str = "Contact: <sip:peer@[local_ip]:[local_port]>\n";

/// The headers of an answer to the last request.
const LAST: &str = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n";

/// A request inside the call that the phone made.
const WITHIN: &str = "METHOD [$target] SIP/2.0\nVia: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport\nMax-Forwards: 70\n\
From: [$to];tag=TAG\nTo:[$from]\n[last_Call-ID:]\nCSeq: NUMBER METHOD\nContact: <sip:peer@[local_ip]:[local_port]>\n";

/// The headers of a request outside calls.
const REQUEST: &str = "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport\nMax-Forwards: 70\n\
From: \"The Peer\" <sip:2002@[remote_ip]>;tag=[call_number]\nTo: <[phone]>\nCall-ID: [call_id]\nCSeq: NUMBER METHOD\n\
Contact: <sip:peer@[local_ip]:[local_port]>\n";

/// The first request of a call that sipp makes.
const INVITE: &str = "INVITE [phone] SIP/2.0\nVia: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport\nMax-Forwards: 70\n\
From: \"The Peer\" <sip:2002@[remote_ip]>;tag=[call_number]\nTo: <[phone]>\nCall-ID: [call_id]\nCSeq: NUMBER INVITE\n\
Contact: <sip:peer@[local_ip]:[local_port]>\n";

/// A further request of that call; `[peer_tag_param]` is the phone's tag.
const CALLER: &str = "METHOD [phone] SIP/2.0\nVia: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch];rport\nMax-Forwards: 70\n\
From: \"The Peer\" <sip:2002@[remote_ip]>;tag=[call_number]\nTo: <[phone]>[peer_tag_param]\nCall-ID: [call_id]\n\
CSeq: NUMBER METHOD\nContact: <sip:peer@[local_ip]:[local_port]>\n";

fn sdp(version: &str, direction: &str, address: &str) -> String {
    format!(
        "Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\no=- 1 {version} IN IP[local_ip_type] [local_ip]\ns=-\n\
         c=IN IP[media_ip_type] {address}\nt=0 0\nm=audio [media_port] RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na={direction}\n"
    )
}
