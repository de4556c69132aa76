//! A real linphonec as a further party, driven by its console.

use std::io::{Read, Write};
use std::process::{ChildStdin, Command};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::process::{Output, tail};
use crate::pulse::Pulse;
use crate::{Process, Scratch, port};

/// How often what it said is looked at, whether it said more or not.
const LOOK: Duration = Duration::from_millis(50);

/// How linphonec is to be set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Host and port of the registrar.
    pub server: &'a str,
    pub user: &'a str,
    pub password: &'a str,
    /// `udp` or `tcp`.
    pub transport: &'a str,
    /// Whether it takes calls at once; else when told to by [`Linphonec::answer`].
    pub answers: bool,
    /// Whose microphone it hears, and on whose speaker it plays.
    pub pulse: &'a Pulse,
    pub seat: &'a str,
}

/// A running linphonec. Its calls are numbered from 1 in the order in which they came about.
#[derive(Debug)]
pub struct Linphonec {
    process: Process,
    _scratch: Scratch,
    console: ChildStdin,
    said: Arc<Said>,
    /// What stands before this place has been seen.
    seen: usize,
}

#[derive(Debug, Default)]
struct Said {
    text: Mutex<String>,
    more: Condvar,
}

impl Linphonec {
    /// Starts it and waits until it is registered.
    ///
    /// # Errors
    /// When it does not start or the server refuses it; with what it said.
    pub fn start(settings: &Settings<'_>) -> anyhow::Result<Self> {
        let scratch = Scratch::new("linphonec")?;
        let rc = scratch.write("linphonerc", configuration(settings))?;
        std::fs::create_dir_all(scratch.path().join(".local/share/linphone"))?;
        // Into a pipe it would keep what it says to itself for a while.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "linphonec"]);
        command.arg("-c").arg(rc).envs(settings.pulse.environment(settings.seat)?).env("HOME", scratch.path());
        command.env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
        if settings.answers {
            command.arg("-a");
        }
        let mut process = Process::spawn("linphonec", &mut command, scratch.path(), Output::Piped)?;
        let console = process.stdin().context("linphonec's input is piped")?;
        let mut output = process.stdout().context("linphonec's output is piped")?;
        let said = Arc::new(Said::default());
        let sink = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]);
                sink.text.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                sink.more.notify_all();
            }
        });
        let mut linphonec = Self { process, _scratch: scratch, console, said, seen: 0 };
        // It does not tell of itself that it is registered.
        let end = Instant::now() + Duration::from_secs(15);
        loop {
            linphonec.command("status register")?;
            match linphonec.awaits(&["registered, identity="], Duration::from_millis(300)) {
                Ok(()) => return Ok(linphonec),
                Err(error) if Instant::now() >= end => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Calls a SIP URI.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn dial(&mut self, uri: &str) -> anyhow::Result<()> {
        self.command(&format!("call {uri}"))
    }

    /// # Errors
    /// As [`Linphonec::dial`].
    pub fn answer(&mut self) -> anyhow::Result<()> {
        self.command("answer")
    }

    /// Waits until a call's sound runs: before, it can be neither held nor transferred.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn talks(&mut self, call: u32, limit: Duration) -> anyhow::Result<()> {
        self.awaits(&["Media streams established", &format!("call {call} ")], limit)
    }

    /// Holds the current call, and waits until it is held.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn hold(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.command("pause")?;
        self.awaits(&["is now paused"], limit)
    }

    /// # Errors
    /// As [`Linphonec::dial`].
    pub fn resume(&mut self, call: u32) -> anyhow::Result<()> {
        self.command(&format!("resume {call}"))
    }

    /// Transfers a call without asking its target.
    ///
    /// # Errors
    /// As [`Linphonec::dial`].
    pub fn transfer(&mut self, call: u32, uri: &str) -> anyhow::Result<()> {
        self.command(&format!("transfer {call} {uri}"))
    }

    /// Connects the far sides of two calls.
    ///
    /// # Errors
    /// As [`Linphonec::dial`].
    pub fn connect(&mut self, call: u32, with: u32) -> anyhow::Result<()> {
        self.command(&format!("transfer {call} --to-call {with}"))
    }

    /// Ends all calls.
    ///
    /// # Errors
    /// As [`Linphonec::dial`].
    pub fn hang_up(&mut self) -> anyhow::Result<()> {
        self.command("terminate all")
    }

    /// Sends a MESSAGE.
    ///
    /// # Errors
    /// As [`Linphonec::dial`].
    pub fn write(&mut self, uri: &str, text: &str) -> anyhow::Result<()> {
        self.command(&format!("chat {uri} \"{text}\""))
    }

    /// Waits for a line that has all of these words; what stands before it counts as seen.
    ///
    /// # Errors
    /// When `limit` passes first; with what was said instead.
    pub fn awaits(&mut self, words: &[&str], limit: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + limit;
        loop {
            if self.has_said(words) {
                return Ok(());
            }
            if Instant::now() >= end {
                let text = self.said();
                bail!(
                    "linphonec did not say {words:?} but:\n{}\nlog:\n{}",
                    tail(&text[self.seen..], 30),
                    tail(&self.process.log(), 20)
                );
            }
            let text = self.said.text.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = self.said.more.wait_timeout(text, LOOK).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn has_said(&mut self, words: &[&str]) -> bool {
        let text = self.said.text.lock().unwrap_or_else(PoisonError::into_inner);
        let mut from = self.seen;
        while let Some(length) = text[from..].find('\n') {
            let line = &text[from..from + length];
            from += length + 1;
            if words.iter().all(|word| line.contains(word)) {
                self.seen = from;
                return true;
            }
        }
        false
    }

    /// Everything that it has said.
    pub fn said(&self) -> String {
        self.said.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives a command by the console, as people type it.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn command(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.console, "{line}").and_then(|()| self.console.flush()).context("linphonec takes no more commands")
    }
}

fn configuration(settings: &Settings<'_>) -> String {
    let Settings { server, user, password, transport, seat, .. } = settings;
    let host = server.rsplit_once(':').map_or(*server, |(host, _)| host);
    let (sip, rtp) = (port::free(), port::free_run(4));
    format!(
        "[sip]\nsip_port={sip}\nsip_tcp_port={sip}\nsip_tls_port=0\nguess_hostname=0\nuse_ipv6=0\n\
         register_only_when_network_is_up=0\nauto_net_state_mon=0\ndefault_proxy=0\nkeepalive_period=30000\n\
         [net]\nnat_policy_ref=\n\
         [rtp]\naudio_rtp_port={rtp}\n\
         [sound]\nechocancellation=0\ncapture_dev_id=PulseAudio Unknown: mic_{seat}\n\
         playback_dev_id=PulseAudio Unknown: speaker_{seat}\nringer_dev_id=PulseAudio Unknown: speaker_{seat}\n\
         [video]\nenabled=0\n\
         [misc]\nuuid=00000000-0000-0000-0000-{sip:012}\n\
         [proxy_0]\nreg_proxy=<sip:{server};transport={transport}>\nreg_identity=\"{user}\" <sip:{user}@{server}>\n\
         reg_expires=600\nreg_sendregister=1\npublish=0\n\
         [auth_info_0]\nusername={user}\npasswd={password}\nrealm={host}\n\
         [audio_codec_0]\nmime=PCMU\nrate=8000\nchannels=1\nenabled=1\n"
    )
}
