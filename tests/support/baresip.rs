//! A real baresip as the other party, driven through its control socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::process::{Output, tail};
use crate::pulse::Pulse;
use crate::{Process, Scratch, port, wait};

/// How baresip is to be set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Host and port of the registrar.
    pub server: &'a str,
    pub user: &'a str,
    /// Empty where the server asks for none.
    pub password: &'a str,
    /// `udp` or `tcp`.
    pub transport: &'a str,
    /// In baresip's words: `pcmu`, `pcma`, `opus/48000/2`; several with commas.
    pub codecs: &'a str,
    pub answer: Answer,
    pub voice: Voice<'a>,
}

/// What baresip does with an incoming call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At once.
    Auto,
    /// When told to by [`Baresip::accept`].
    Manual,
}

/// What baresip says. What it hears it plays on the speaker of its seat.
#[derive(Clone, Copy, Debug)]
pub enum Voice<'a> {
    /// A sine of so many Hz, and the seat's speaker.
    Tone { hz: u32, pulse: &'a Pulse, seat: &'a str },
    /// The seat's microphone, and the seat's speaker.
    Seat { pulse: &'a Pulse, seat: &'a str },
}

/// A running baresip.
#[derive(Debug)]
pub struct Baresip {
    process: Process,
    _scratch: Scratch,
    control: TcpStream,
    inbox: Arc<Inbox>,
    /// The events before this one have been seen.
    seen: usize,
}

#[derive(Debug, Default)]
struct Inbox {
    messages: Mutex<Vec<Value>>,
    arrived: Condvar,
}

impl Baresip {
    /// Starts it and waits until it is registered.
    ///
    /// # Errors
    /// When it does not start or the server refuses it; with its log.
    pub fn start(settings: &Settings<'_>) -> anyhow::Result<Self> {
        let scratch = Scratch::new("baresip")?;
        // It listens for TLS at the port after the one that it is given.
        let (sip, control) = (port::free_pair(), port::free());
        scratch.write("config", config(settings, sip, control))?;
        scratch.write("accounts", account(settings))?;
        scratch.write("contacts", "")?;
        let (Voice::Tone { pulse, seat, .. } | Voice::Seat { pulse, seat }) = settings.voice;
        let mut command = Command::new("baresip");
        command.arg("-f").arg(scratch.path()).envs(pulse.environment(seat)?).env("HOME", scratch.path());
        let mut process = Process::spawn("baresip", &mut command, scratch.path(), Output::Log)?;
        let mut stream = None;
        process.until_ready(Duration::from_secs(10), |_| {
            stream = TcpStream::connect(("127.0.0.1", control)).ok();
            stream.is_some()
        })?;
        let control = stream.context("the control socket is connected")?;
        control.set_nodelay(true)?;
        let inbox = Arc::new(Inbox::default());
        let mut reader = control.try_clone()?;
        let sink = Arc::clone(&inbox);
        std::thread::spawn(move || {
            while let Ok(message) = read_netstring(&mut reader) {
                if let Ok(message) = serde_json::from_slice(&message) {
                    sink.messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
                    sink.arrived.notify_all();
                }
            }
        });
        let mut baresip = Self { process, _scratch: scratch, control, inbox, seen: 0 };
        let registered = wait::until_some(Duration::from_secs(10), "baresip is registered", || {
            if let Some(status) = baresip.process.exited() {
                bail!("baresip ended: {status}");
            }
            // The registration may be over before we are connected: then only the log tells.
            let log = baresip.process.log();
            if let Some(refusal) = log.lines().find(|line| line.contains("reg: sip:")) {
                bail!("refused: {refusal}");
            }
            Ok(log.contains("200 OK").then_some(()))
        });
        registered.with_context(|| baresip.trouble())?;
        Ok(baresip)
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Dials.
    ///
    /// # Errors
    /// When baresip refuses the command.
    pub fn dial(&mut self, uri: &str) -> anyhow::Result<()> {
        self.command("dial", uri)
    }

    /// Answers the incoming call.
    ///
    /// # Errors
    /// When baresip refuses the command.
    pub fn accept(&mut self) -> anyhow::Result<()> {
        self.command("accept", "")
    }

    /// Ends the call: BYE, CANCEL or a refusal.
    ///
    /// # Errors
    /// When baresip refuses the command.
    pub fn hang_up(&mut self) -> anyhow::Result<()> {
        self.command("hangup", "")
    }

    /// Puts the call on hold (`a=sendonly`).
    ///
    /// # Errors
    /// When baresip refuses the command.
    pub fn hold(&mut self) -> anyhow::Result<()> {
        self.command("hold", "")
    }

    /// Retrieves the held call.
    ///
    /// # Errors
    /// When baresip refuses the command.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.command("resume", "")
    }

    /// Waits for the next event of this kind (`CALL_INCOMING`, `CALL_RINGING`, `CALL_ESTABLISHED`, `CALL_CLOSED` …);
    /// the events before it count as seen.
    ///
    /// # Errors
    /// When `limit` passes first; with the events that came instead, and the log.
    pub fn awaits(&mut self, kind: &str, limit: Duration) -> anyhow::Result<Value> {
        let end = Instant::now() + limit;
        let mut messages = self.inbox.messages.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = messages.iter().enumerate().skip(self.seen).find(|(_, message)| message["type"] == kind);
            if let Some((index, message)) = found {
                self.seen = index + 1;
                return Ok(message.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let others: Vec<String> =
                    messages.iter().skip(self.seen).map(|message| message["type"].to_string()).collect();
                drop(messages);
                return Err(anyhow::anyhow!("baresip did not report {kind} but {others:?}"))
                    .with_context(|| self.trouble());
            }
            messages = self.inbox.arrived.wait_timeout(messages, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What baresip has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn command(&mut self, command: &str, params: &str) -> anyhow::Result<()> {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).with_context(|| self.trouble())
    }

    fn trouble(&self) -> String {
        format!("log of baresip:\n{}", tail(&self.process.log(), 60))
    }
}

fn read_netstring(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        match byte[0] {
            b':' => break,
            digit @ b'0'..=b'9' if length < 1_000_000 => length = length * 10 + usize::from(digit - b'0'),
            _ => bail!("not a netstring"),
        }
    }
    let mut body = vec![0; length + 1];
    stream.read_exact(&mut body)?;
    body.pop();
    Ok(body)
}

fn account(settings: &Settings<'_>) -> String {
    let Settings { server, user, password, transport, codecs, answer, .. } = settings;
    let answer = match answer {
        Answer::Auto => "auto",
        Answer::Manual => "manual",
    };
    format!(
        "<sip:{user}@{server};transport={transport}>;auth_pass={password};answermode={answer};regint=600;audio_codecs={codecs}\n"
    )
}

fn config(settings: &Settings<'_>, sip: u16, control: u16) -> String {
    // The sine source makes 48 kHz stereo and nothing else.
    let source = match settings.voice {
        Voice::Tone { hz, .. } => {
            format!("audio_source ausine,{hz}\nausrc_srate 48000\nausrc_channels 2\nmodule ausine.so\n")
        }
        Voice::Seat { .. } => "audio_source alsa,default\n".to_owned(),
    };
    format!(
        "poll_method epoll\n\
         sip_listen 127.0.0.1:{sip}\n\
         net_interface 127.0.0.1\n\
         call_local_timeout 120\n\
         call_max_calls 4\n\
         audio_player alsa,default\n\
         audio_alert alsa,null\n\
         {source}\
         audio_level no\n\
         ausrc_format s16\nauplay_format s16\nauenc_format s16\naudec_format s16\n\
         audio_buffer 20-160\n\
         jitter_buffer_delay 5-10\n\
         rtcp_mux no\n\
         module_path /usr/lib/baresip/modules\n\
         module g711.so\nmodule opus.so\nmodule alsa.so\n\
         module_tmp uuid.so\nmodule_tmp account.so\n\
         module_app menu.so\nmodule_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n\
         opus_bitrate 28000\n"
    )
}
