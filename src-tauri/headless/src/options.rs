//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use deskline_engine::Codec;
use deskline_ipc::command::SignIn;
use deskline_ipc::snapshot::Transport;

/// Deskline without a window: commands as JSON lines on stdin, answers and events as JSON lines on stdout.
///
/// A command is {"cmd":"NAME", …arguments}, with an optional "id" that its answer repeats as "re". The log goes to stderr
/// and is set by RUST_LOG.
#[derive(Debug, Parser)]
#[command(name = "deskline-headless", version)]
pub(crate) struct Options {
    /// Sign in at this SIP server at once: HOST or HOST:PORT.
    #[arg(long, requires = "user")]
    server: Option<String>,
    /// The SIP user.
    #[arg(long)]
    user: Option<String>,
    /// The SIP password; without it no authentication is expected. Better given by DESKLINE_PASSWORD, which no process list shows.
    #[arg(long)]
    password: Option<String>,
    /// The name shown to those who are called.
    #[arg(long)]
    display_name: Option<String>,
    #[arg(long, value_enum, default_value = "udp", ignore_case = true)]
    transport: TransportName,
    /// Offer and accept only this codec.
    #[arg(long, value_enum, ignore_case = true)]
    codec: Option<CodecName>,
    /// Answer calls by itself, after that many seconds (0 without a value).
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "0", value_parser = clap::value_parser!(u64).range(..=3_600))]
    pub(crate) auto_answer: Option<u64>,
    /// Seconds of after-call work; 0 for none.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) after_call_work: Option<u32>,
    /// The folder of settings, call list and telemetry; without it nothing outlives the program.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print every new snapshot as an event.
    #[arg(long)]
    pub(crate) snapshots: bool,
    /// Print sound levels as events.
    #[arg(long)]
    pub(crate) levels: bool,
    /// Start the embedded contact centre and sign in there with its demo account.
    #[arg(long, conflicts_with = "server")]
    pub(crate) demo: bool,
    /// Use no sound devices: the microphone is silent, the speaker is nobody's.
    #[arg(long)]
    pub(crate) no_sound: bool,
}

impl Options {
    pub(crate) fn codecs(&self) -> Vec<Codec> {
        self.codec.map(Codec::from).into_iter().collect()
    }

    /// The account of the command line.
    pub(crate) fn sign_in(&self) -> Option<SignIn> {
        Some(SignIn {
            server: self.server.clone()?,
            user: self.user.clone()?,
            password: self.password.clone().or_else(|| std::env::var("DESKLINE_PASSWORD").ok()),
            transport: self.transport.into(),
            display_name: self.display_name.clone(),
            domain: None,
            auth_user: None,
            options: deskline_ipc::snapshot::AccountOptions::default(),
        })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TransportName {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
    Auto,
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Udp => Self::Udp,
            TransportName::Tcp => Self::Tcp,
            TransportName::Tls => Self::Tls,
            TransportName::Ws => Self::Ws,
            TransportName::Wss => Self::Wss,
            TransportName::Auto => Self::Auto,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CodecName {
    Opus,
    Pcma,
    Pcmu,
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Opus => Self::Opus,
            CodecName::Pcma => Self::Pcma,
            CodecName::Pcmu => Self::Pcmu,
        }
    }
}
