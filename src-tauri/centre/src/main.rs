//! The embedded contact centre as a program of its own.
//!
//! When it listens, it writes one line of JSON to standard output; then a line for each event. It reads commands, one
//! JSON object a line, from standard input, and ends with `quit` or with the end of its input.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use deskline_centre::{
    Authentication, CallEnd, CallId, CallKind, CallState, Centre, CentreConfig, CentreEvent, CustomerScript, Opening,
    User,
};
use deskline_core::flow::Transport;
use deskline_core::pii::Pii;
use deskline_core::sip::digest::Algorithm;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

/// A contact centre in one process, for demonstrations, development and tests: registrar, back-to-back user agent,
/// simulated customers and demo numbers.
#[derive(Debug, Parser)]
#[command(name = "deskline-centre", version, after_help = NUMBERS)]
struct Options {
    /// Address to listen at for UDP and TCP. Port 0 lets the system choose one for each.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5060")]
    listen: SocketAddr,

    /// Transports, separated by commas: udp, tcp, ws.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "udp,tcp,ws")]
    transport: Vec<Transport>,

    /// Port for WebSocket, at the same address.
    #[arg(long, value_name = "PORT", default_value_t = 5066)]
    ws_port: u16,

    /// An agent who may register, in the place of the demo's five; can be given again. The password may be empty.
    #[arg(long = "user", value_name = "EXTENSION:PASSWORD[:NAME]")]
    users: Vec<String>,

    /// Asks nobody for a password, and lets any extension register. For tests.
    #[arg(long)]
    no_auth: bool,

    /// Digest algorithms that are offered, best first: sha256, md5. Some older telephones bear md5 alone.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = algorithm, default_value = "sha256,md5")]
    digest: Vec<Algorithm>,

    /// Realm of the digest, and host part of the callers' addresses.
    #[arg(long, default_value = "deskline.invalid")]
    realm: String,

    /// Seconds that a simulated agent rings before answering.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    delay_answers: f64,

    /// Seconds that the number which does not answer rings.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    no_answer: f64,

    /// Seconds that a customer waits for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    patience: f64,

    /// A customer calls by itself that many seconds after the first agent has registered.
    #[arg(long, value_name = "SECONDS")]
    first_call_after: Option<f64>,
}

const NUMBERS: &str = "\
Numbers to dial:
  1002-1005  another agent: the registered phone, or a simulated one that answers, speaks and echoes
  9196       echo of sound and digits
  9198       a tone of 1004 Hz
  9486       busy (486)
  9408       rings without an answer, then 480
  9603       declined (603)
  9503       out of service (503)
  9404       does not exist (404), like every other number

Commands on standard input, one JSON object a line:
  {\"cmd\":\"ring\",\"extension\":\"1001\"}       a customer calls; further members: opening (speech, melody, none,
                                        or a frequency in Hz), opening_seconds, hang_up_seconds, digits
  {\"cmd\":\"hangup\",\"call\":1}               ends a call from here
  {\"cmd\":\"probe\",\"call\":1}                what the simulated side hears
  {\"cmd\":\"status\"}                        calls and load
  {\"cmd\":\"quit\"}";

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(options));
    // Not by dropping it, which would wait for a reader of standard input that nobody can wake.
    runtime.shutdown_background();
    served
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let patience = seconds(options.patience)?;
    let centre = Centre::start(config(options)?).await?;
    let addresses: Value = centre
        .addresses()
        .iter()
        .map(|(transport, address)| (transport.uri_token().to_owned(), json!(address.to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    // The line is for the one who started us; the passwords in it are those given, or this run's own.
    let agents: Vec<Value> = centre
        .agents()
        .iter()
        .map(|user| {
            let password = user.password.as_ref().map(|password| password.expose().as_str());
            json!({ "extension": user.extension, "name": user.name, "password": password })
        })
        .collect();
    let numbers: Vec<Value> = centre
        .demo_numbers()
        .iter()
        .map(|number| json!({ "number": number.number, "kind": number.kind.as_str() }))
        .collect();
    say(&json!({ "event": "ready", "addresses": addresses, "agents": agents, "numbers": numbers }));

    let mut events = centre.events();
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = commands.next_line() => {
                let Some(line) = line? else { break };
                if line.trim().is_empty() {
                    continue;
                }
                match serde_json::from_str(&line) {
                    Ok(Command::Quit) => break,
                    Ok(command) => say(&obey(&centre, command, patience).await),
                    Err(error) => say(&json!({ "event": "error", "message": format!("not a command: {error}") })),
                }
            }
            event = events.recv() => match event {
                Ok(event) => say(&described(&event)),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => {
                    say(&json!({ "event": "missed", "count": missed }));
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => bail!("the centre has stopped by itself"),
            },
        }
    }
    centre.stop().await;
    Ok(())
}

fn config(options: Options) -> anyhow::Result<CentreConfig> {
    let mut config = CentreConfig::demo()?;
    config.listen = options
        .transport
        .iter()
        .map(|&transport| match transport {
            Transport::Udp | Transport::Tcp => Ok((transport, options.listen)),
            Transport::Ws => Ok((transport, SocketAddr::new(options.listen.ip(), options.ws_port))),
            Transport::Tls | Transport::Wss => bail!("{transport} is not served: choose udp, tcp or ws"),
        })
        .collect::<anyhow::Result<_>>()?;
    if !options.users.is_empty() {
        config.users = options.users.iter().map(|text| user(text)).collect::<anyhow::Result<_>>()?;
    }
    if options.no_auth {
        config.authentication = Authentication::Off;
    }
    config.algorithms = options.digest;
    config.realm = options.realm;
    config.answer_after = seconds(options.delay_answers)?;
    config.no_answer_after = seconds(options.no_answer)?;
    config.first_call_after = options.first_call_after.map(seconds).transpose()?;
    Ok(config)
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    match text {
        "md5" => Ok(Algorithm::Md5),
        "sha256" => Ok(Algorithm::Sha256),
        _ => Err("choose md5 or sha256".to_owned()),
    }
}

fn seconds(number: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(number).with_context(|| format!("{number} is no number of seconds"))
}

fn user(text: &str) -> anyhow::Result<User> {
    let mut parts: VecDeque<&str> = text.splitn(3, ':').collect();
    let (Some(extension), Some(password)) = (parts.pop_front(), parts.pop_front()) else {
        bail!("a user is written EXTENSION:PASSWORD or EXTENSION:PASSWORD:NAME");
    };
    if extension.is_empty() {
        bail!("a user needs an extension");
    }
    Ok(User {
        extension: extension.to_owned(),
        name: parts.pop_front().unwrap_or_default().to_owned(),
        password: Some(Pii::new(password.to_owned())),
        simulated: false,
    })
}

#[derive(Debug, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Command {
    Ring {
        extension: String,
        #[serde(default)]
        opening: Option<OpeningName>,
        opening_seconds: Option<f64>,
        hang_up_seconds: Option<f64>,
        digits: Option<String>,
    },
    Hangup {
        call: u64,
    },
    Probe {
        call: u64,
    },
    Status,
    Quit,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OpeningName {
    Tone(f32),
    Name(String),
}

async fn obey(centre: &Centre, command: Command, patience: Duration) -> Value {
    let done = match command {
        Command::Ring { extension, opening, opening_seconds, hang_up_seconds, digits } => {
            let script = script(patience, opening, opening_seconds, hang_up_seconds, digits);
            match script {
                Ok(script) => match centre.ring_customer(&extension, script).await {
                    Ok(call) => Ok(json!({ "event": "ringing", "call": call.0 })),
                    Err(error) => Err(error.to_string()),
                },
                Err(error) => Err(error.to_string()),
            }
        }
        Command::Hangup { call } => {
            centre.hang_up(CallId(call)).await;
            Ok(json!({ "event": "done" }))
        }
        Command::Probe { call } => match centre.probe(CallId(call)).await {
            Some(probe) => Ok(json!({
                "event": "probe",
                "call": call,
                "state": state_name(probe.state),
                "level_dbfs": probe.level_dbfs(Duration::from_secs(1)),
                "digits": probe.digits,
                "packets_received": probe.packets_received,
                "packets_sent": probe.packets_sent,
            })),
            None => Err("there is no such call, or nobody simulated in it".to_owned()),
        },
        Command::Status => {
            let load = centre.load().await;
            let calls: Vec<u64> = centre.calls().await.iter().map(|call| call.id.0).collect();
            Ok(json!({
                "event": "status",
                "calls": calls,
                "sessions": load.sessions,
                "transactions": load.transactions,
                "sockets": load.sockets,
                "bindings": load.bindings,
            }))
        }
        Command::Quit => Ok(json!({ "event": "done" })),
    };
    done.unwrap_or_else(|message| json!({ "event": "error", "message": message }))
}

fn script(
    patience: Duration,
    opening: Option<OpeningName>,
    opening_seconds: Option<f64>,
    hang_up_seconds: Option<f64>,
    digits: Option<String>,
) -> anyhow::Result<CustomerScript> {
    let mut script = CustomerScript { patience, ..CustomerScript::default() };
    script.opening = match opening {
        None => script.opening,
        Some(OpeningName::Tone(frequency)) if (20.0..20_000.0).contains(&frequency) => Opening::Tone(frequency),
        Some(OpeningName::Tone(frequency)) => bail!("{frequency} Hz cannot be heard"),
        Some(OpeningName::Name(name)) => match name.as_str() {
            "speech" => Opening::Speech,
            "melody" => Opening::Melody,
            "none" => Opening::None,
            other => bail!("there is no opening {other:?}: choose speech, melody, none or a frequency"),
        },
    };
    if let Some(lasts) = opening_seconds {
        script.opening_for = seconds(lasts)?;
    }
    script.hang_up_after = hang_up_seconds.map(seconds).transpose()?;
    script.digits = digits.into_iter().map(|digits| (Duration::from_secs(1), digits)).collect();
    Ok(script)
}

fn described(event: &CentreEvent) -> Value {
    match event {
        CentreEvent::Registered { extension } => json!({ "event": "registered", "extension": extension }),
        CentreEvent::Unregistered { extension } => json!({ "event": "unregistered", "extension": extension }),
        CentreEvent::Call(call) => {
            let kind = match call.kind {
                CallKind::Customer => "customer",
                CallKind::DemoNumber => "demo_number",
                CallKind::Internal => "internal",
            };
            let status = match call.state {
                CallState::Ended(CallEnd::Refused(status)) => Some(status),
                _ => None,
            };
            json!({
                "event": "call",
                "call": call.id.0,
                "extension": call.extension,
                "kind": kind,
                "state": state_name(call.state),
                "status": status,
            })
        }
    }
}

const fn state_name(state: CallState) -> &'static str {
    match state {
        CallState::Ringing => "ringing",
        CallState::Talking => "talking",
        CallState::Held => "held",
        CallState::Ended(CallEnd::HungUpHere) => "hung_up_here",
        CallState::Ended(CallEnd::HungUpByPhone) => "hung_up_by_phone",
        CallState::Ended(CallEnd::NotAnswered) => "not_answered",
        CallState::Ended(CallEnd::Refused(_)) => "refused",
        CallState::Ended(CallEnd::Lost) => "lost",
        CallState::Ended(CallEnd::Transferred) => "transferred",
    }
}

fn say(value: &Value) {
    println!("{value}");
}
