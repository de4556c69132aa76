//! A real Kamailio: registrar and proxy on loopback over UDP, TCP and WebSocket, with digest authentication.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};

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
    _scratch: Scratch,
    port: u16,
    ws_port: u16,
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
        let scratch = Scratch::new("kamailio")?;
        let run = scratch.path().join("run");
        std::fs::create_dir(&run)?;
        let (port, ws_port) = (port::free(), port::free());
        let config = scratch.write("kamailio.cfg", config(digest, users, port, ws_port, scratch.path())?)?;
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(config).args(["-DD", "-E", "-m", "64", "-M", "8", "-P"]);
        command.arg(scratch.path().join("pid")).arg("-Y").arg(&run);
        let mut server = Process::spawn("kamailio", &mut command, scratch.path(), Output::Log)?;
        server.until_ready(Duration::from_secs(15), |_| answers(port))?;
        Ok(Self { server, _scratch: scratch, port, ws_port })
    }

    /// `127.0.0.1:PORT` for UDP and TCP.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:PORT` for SIP over WebSocket.
    pub fn ws_address(&self) -> String {
        format!("127.0.0.1:{}", self.ws_port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What the server has logged: one line `request METHOD by PROTOCOL cseq N` for each request, and one line
    /// `credentials …` for each that has some.
    pub fn log(&self) -> String {
        self.server.log()
    }
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

fn config(digest: Digest, users: &[(&str, &str)], port: u16, ws_port: u16, folder: &Path) -> anyhow::Result<String> {
    let mut config = String::from("#!KAMAILIO\n");
    writeln!(config, "alias=\"127.0.0.1:{port}\"\nalias=\"localhost:{port}\"")?;
    writeln!(config, "listen=udp:127.0.0.1:{port}\nlisten=tcp:127.0.0.1:{port}\nlisten=tcp:127.0.0.1:{ws_port}")?;
    writeln!(config, "mpath=\"{}\"", modules_folder()?)?;
    config.push_str(GLOBALS);
    for module in MODULES {
        writeln!(config, "loadmodule \"{module}.so\"")?;
    }
    config.push_str(PARAMETERS);
    writeln!(config, "modparam(\"ctl\", \"binrpc\", \"unix:{}\")", folder.join("ctl").display())?;
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
"#;

/// A client on a connection (TCP, WebSocket) is reached through that connection only: its contacts carry an alias that
/// names it, on requests and on answers.
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
      if ($du=="") handle_ruri_alias();
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
