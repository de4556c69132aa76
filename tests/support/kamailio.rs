//! A real Kamailio: registrar and proxy on loopback, IPv4 and IPv6, over UDP, TCP, TLS, WS and WSS, with digest
//! authentication; it answers STUN on its UDP port.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::certificates::{Authority, Validity};
use crate::process::Output;
use crate::{Process, Scratch, port};

/// How the server asks for a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Md5,
    Sha256,
}

impl Digest {
    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }
}

/// A running Kamailio. Its users, their passwords and their realm are those that it was started with.
#[derive(Debug)]
pub struct Kamailio {
    server: Process,
    scratch: Scratch,
    ports: Ports,
    fingerprint: String,
}

/// UDP and TCP share a port; TLS and the two of WebSocket have their own. On [::1] the same ones are listened on.
#[derive(Debug, Clone, Copy)]
struct Ports {
    sip: u16,
    tls: u16,
    ws: u16,
    wss: u16,
    v6: bool,
}

/// What the server's certificate is like. Its authority is in [`Kamailio::trust_file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Made out for `localhost`, `127.0.0.1` and `::1`.
    Good,
    /// Made out for `other.test`.
    OtherName,
    Expired,
}

/// The digest realm.
pub const REALM: &str = "127.0.0.1";

impl Kamailio {
    /// Starts a server that knows `users` (name, password) and waits until it answers. No users: nobody is asked for a
    /// password.
    ///
    /// # Errors
    /// When it does not come up; with its log.
    pub fn start(digest: Digest, users: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_showing(Shown::Good, digest, users)
    }

    /// As [`Kamailio::start`], with a certificate of that kind.
    ///
    /// # Errors
    /// As [`Kamailio::start`].
    pub fn start_showing(shown: Shown, digest: Digest, users: &[(&str, &str)]) -> anyhow::Result<Self> {
        let scratch = Scratch::new("kamailio")?;
        std::fs::create_dir(scratch.path().join("run"))?;
        let authority = Authority::new("the authority of a test's Kamailio")?;
        let loopback = &["localhost", "127.0.0.1", "::1"][..];
        let certificate = match shown {
            Shown::Good => authority.issue(loopback, Validity::Now)?,
            Shown::OtherName => authority.issue(&["other.test"], Validity::Now)?,
            Shown::Expired => authority.issue(loopback, Validity::Past)?,
        };
        certificate.write(scratch.path(), "server")?;
        scratch.write("authority.pem", authority.pem())?;
        let ports = Ports {
            sip: port::free(),
            tls: port::free(),
            ws: port::free(),
            wss: port::free(),
            v6: UdpSocket::bind("[::1]:0").is_ok(),
        };
        scratch.write("kamailio.cfg", config(digest, users, ports, scratch.path())?)?;
        let server = run(&scratch, ports)?;
        Ok(Self { server, scratch, ports, fingerprint: certificate.fingerprint })
    }

    /// Ends the server as a crash does: nobody is told.
    pub fn stop(&mut self) {
        self.server.kill();
    }

    /// Ends the server, if it runs, and starts it anew on the same ports. It has forgotten all bindings and connections.
    ///
    /// # Errors
    /// As [`Kamailio::start`].
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.server.kill();
        self.server = run(&self.scratch, self.ports)?;
        Ok(())
    }

    /// `127.0.0.1:PORT` for UDP and TCP.
    pub fn address(&self) -> String {
        self.address_for("udp")
    }

    /// `127.0.0.1:PORT` for SIP over WebSocket.
    pub fn ws_address(&self) -> String {
        self.address_for("ws")
    }

    /// `127.0.0.1:PORT` for `udp`, `tcp`, `tls`, `ws` or `wss`.
    pub fn address_for(&self, transport: &str) -> String {
        format!("127.0.0.1:{}", self.port_for(transport))
    }

    /// `[::1]:PORT` for that transport; `None` where the machine has no IPv6.
    pub fn address_v6_for(&self, transport: &str) -> Option<String> {
        self.ports.v6.then(|| format!("[::1]:{}", self.port_for(transport)))
    }

    pub fn port(&self) -> u16 {
        self.ports.sip
    }

    pub fn port_for(&self, transport: &str) -> u16 {
        match transport {
            "tls" => self.ports.tls,
            "ws" => self.ports.ws,
            "wss" => self.ports.wss,
            _ => self.ports.sip,
        }
    }

    /// The PEM file with the authority of the server's certificate.
    pub fn trust_file(&self) -> PathBuf {
        self.scratch.path().join("authority.pem")
    }

    /// The SHA-256 fingerprint of the server's certificate: 64 hexadecimal digits.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What the server has logged since its last start: one line `request METHOD by PROTOCOL cseq N` for each request,
    /// and one line `credentials …` for each that has some.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn run(scratch: &Scratch, ports: Ports) -> anyhow::Result<Process> {
    let folder = scratch.path();
    let mut command = Command::new("kamailio");
    command.arg("-f").arg(folder.join("kamailio.cfg")).args(["-DD", "-E", "-m", "64", "-M", "8", "-P"]);
    command.arg(folder.join("pid")).arg("-Y").arg(folder.join("run"));
    let mut server = Process::spawn("kamailio", &mut command, folder, Output::Log)?;
    server.until_ready(Duration::from_secs(15), |_| answers(ports.sip))?;
    Ok(server)
}

/// Does something answer an OPTIONS at that port?
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let own = socket.local_addr()?.port();
        let request = format!(
            "OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bKready{own}\r\n\
             From: <sip:ready@127.0.0.1>;tag=r\r\nTo: <sip:127.0.0.1:{port}>\r\nCall-ID: ready{own}\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 10\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(request.as_bytes(), ("127.0.0.1", port))?;
        let mut answer = [0; 2048];
        let length = socket.recv(&mut answer)?;
        Ok(answer[..length].starts_with(b"SIP/2.0 200"))
    };
    ask().unwrap_or(false)
}

fn config(digest: Digest, users: &[(&str, &str)], ports: Ports, folder: &Path) -> anyhow::Result<String> {
    let mut config = String::from("#!KAMAILIO\nenable_tls=yes\n");
    let hosts = if ports.v6 { &["127.0.0.1", "[::1]"][..] } else { &["127.0.0.1"] };
    for port in [ports.sip, ports.tls, ports.ws, ports.wss] {
        for host in hosts.iter().chain(&["localhost"]) {
            writeln!(config, "alias=\"{host}:{port}\"")?;
        }
    }
    for host in hosts {
        let Ports { sip, tls, ws, wss, .. } = ports;
        for (protocol, port) in [("udp", sip), ("tcp", sip), ("tls", tls), ("tcp", ws), ("tls", wss)] {
            writeln!(config, "listen={protocol}:{host}:{port}")?;
        }
    }
    writeln!(config, "mpath=\"{}\"", modules_folder()?)?;
    config.push_str(GLOBALS);
    for module in MODULES {
        writeln!(config, "loadmodule \"{module}.so\"")?;
    }
    config.push_str(PARAMETERS);
    writeln!(config, "modparam(\"ctl\", \"binrpc\", \"unix:{}\")", folder.join("ctl").display())?;
    for (parameter, file) in [("certificate", "server.pem"), ("private_key", "server.key")] {
        writeln!(config, "modparam(\"tls\", \"{parameter}\", \"{}\")", folder.join(file).display())?;
    }
    writeln!(config, "modparam(\"auth\", \"algorithm\", \"{}\")", digest.name())?;
    if !users.is_empty() {
        config.push_str("#!define WITH_DIGEST\nevent_route[htable:mod-init] {\n");
        for (name, password) in users {
            if [name, password].iter().any(|word| word.contains(['"', '\\', '$'])) {
                bail!("a name or password that Kamailio's configuration cannot hold");
            }
            writeln!(config, "  $sht(users=>{name}) = \"{password}\";")?;
        }
        config.push_str("}\n");
    }
    config.push_str(ROUTES);
    Ok(config)
}

fn modules_folder() -> anyhow::Result<&'static str> {
    [
        "/usr/lib/x86_64-linux-gnu/kamailio/modules/",
        "/usr/lib/aarch64-linux-gnu/kamailio/modules/",
        "/usr/lib64/kamailio/modules/",
    ]
    .into_iter()
    .find(|folder| Path::new(folder).join("tm.so").exists())
    .context("Kamailio's modules are not installed (`cargo xtask setup test` installs them)")
}

const GLOBALS: &str = "\
debug=1
log_stderror=yes
fork=yes
children=2
tcp_children=2
auto_aliases=no
tcp_accept_no_cl=yes
tcp_connection_lifetime=3605
sip_warning=0
";

const MODULES: &[&str] = &[
    "tls",
    "kex",
    "corex",
    "tm",
    "tmx",
    "sl",
    "rr",
    "pv",
    "maxfwd",
    "usrloc",
    "registrar",
    "textops",
    "siputils",
    "xlog",
    "sanity",
    "auth",
    "htable",
    "xhttp",
    "websocket",
    "nathelper",
    "ctl",
    "stun",
];

const PARAMETERS: &str = r#"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_expires", 3600)
modparam("registrar", "max_contacts", 4)
modparam("nathelper|registrar", "received_avp", "$avp(RECEIVED)")
modparam("auth", "qop", "auth")
modparam("auth", "nonce_expire", 300)
modparam("htable", "htable", "users=>size=8;")
modparam("rr", "enable_double_rr", 1)
modparam("tm", "fr_timer", 10000)
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "verify_certificate", 0)
modparam("tls", "require_certificate", 0)
"#;

/// A client on a connection (TCP, WebSocket) is reached through that connection only: its contacts carry an alias that
/// names it, on requests and on answers.
/// Who asks for a GRUU (RFC 5627) gets one, and gives it as contact of his calls: it names no port, only the registrar
/// knows where it leads.
const ROUTES: &str = r#"
request_route {
  xlog("L_ERR", "request $rm by $proto cseq $cs\n");
  if ($hdr(Authorization)!=$null) xlog("L_ERR", "credentials $hdr(Authorization)\n");
  if ($hdr(Proxy-Authorization)!=$null) xlog("L_ERR", "credentials $hdr(Proxy-Authorization)\n");
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (!sanity_check("17895", "7")) exit;
  if (is_method("OPTIONS") && uri==myself && $rU==$null) { sl_send_reply("200", "OK"); exit; }
  force_rport();
  if (proto!=UDP) { if (is_method("REGISTER")) fix_nated_register(); else add_contact_alias(); }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route()) {
      if ($du=="" && is_gruu()) lookup("location");
      else if ($du=="") handle_ruri_alias();
      t_on_reply("ALIAS"); t_relay(); exit;
    }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    if (handle_ruri_alias()) { t_relay(); exit; }
    sl_send_reply("404", "Not Here"); exit;
  }
  t_check_trans();
  if (is_method("REGISTER")) {
#!ifdef WITH_DIGEST
    if ($au==$null || !pv_www_authenticate("127.0.0.1", "$sht(users=>$au)", "0")) { www_challenge("127.0.0.1", "1"); exit; }
    if ($au!=$tU) { sl_send_reply("403", "Forbidden"); exit; }
#!endif
    if (!save("location")) sl_reply_error();
    exit;
  }
#!ifdef WITH_DIGEST
  if (is_method("INVITE|MESSAGE|REFER|SUBSCRIBE")) {
    if ($au==$null || !pv_proxy_authenticate("127.0.0.1", "$sht(users=>$au)", "0")) { proxy_challenge("127.0.0.1", "1"); exit; }
    consume_credentials();
  }
#!endif
  record_route();
  if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
  t_on_reply("ALIAS");
  if (!t_relay()) sl_reply_error();
}
onreply_route[ALIAS] { if (proto!=UDP) add_contact_alias(); }
event_route[xhttp:request] {
  set_reply_close();
  set_reply_no_connect();
  if ($hdr(Upgrade)=~"websocket" && $rm=~"GET") { if (ws_handle_handshake()) exit; }
  xhttp_reply("404", "Not Found", "", "");
}
"#;
