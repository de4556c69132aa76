//! The engine as front ends hold it: starts the event loop, and carries commands to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deskline_core::agent::BreakReason;
use deskline_core::call::{CallId, Field, LineId};
use deskline_core::media::Codec;
use deskline_core::pii::Pii;
use deskline_core::workbench::{Command, Done};
use deskline_ipc::backend::Commands;
use deskline_ipc::command::{
    AddLine, AfterCallWork, AgentBreak, CallInfo, CallMute, CallQuery, CallRef, CallTo, Consult, DismissNotice, HangUp,
    LineRef, Nothing, SelectDevice, SendDtmf, SendMessage, SetPresence, SetSettings, SetVolume, SignIn, Subscribe,
    SubscriptionRef, TestDevice, Transfer,
};
use deskline_ipc::snapshot::{CallPage, Header};
use deskline_ipc::{Backend, Error, ErrorCode, Snapshot};
use tokio::sync::{mpsc, oneshot, watch};

use crate::account;
use crate::audio::DeviceHost;
use crate::demo::DemoCentre;
use crate::event_loop::{self, Request};
use crate::settings::SettingsStore;
use crate::subscription::Subscription;

/// How the engine is set up.
pub struct EngineConfig {
    /// For people and for `User-Agent`.
    pub version: String,
    /// The folder of the call list and the telemetry; `None` keeps them in memory only.
    pub data: Option<PathBuf>,
    pub settings: Arc<dyn SettingsStore>,
    pub devices: Arc<dyn DeviceHost>,
    pub centre: Option<Arc<dyn DemoCentre>>,
    /// Audio codecs in order of preference; empty: Opus, PCMA, PCMU.
    pub codecs: Vec<Codec>,
    /// Answer incoming calls by ourselves after that time.
    pub auto_answer: Option<Duration>,
}

/// A running engine. Clones share it; it stops by the command `quit`, or when the last clone is dropped.
#[derive(Clone)]
pub struct Engine {
    requests: mpsc::UnboundedSender<Request>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    ended: watch::Receiver<bool>,
}

impl Engine {
    /// Starts the event loop on the current tokio runtime.
    pub fn start(config: EngineConfig) -> Result<Self, StartError> {
        let (requests, incoming) = mpsc::unbounded_channel();
        let (finished, ended) = watch::channel(false);
        let snapshot = event_loop::spawn(config, incoming, finished)?;
        Ok(Self { requests, snapshot, ended })
    }

    /// Resolves when the engine has hung up, signed out, written everything down and stopped.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // An error means that the loop is gone, which is an end as well.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Request) -> Result<T, Error> {
        let (sender, answer) = oneshot::channel();
        let gone = || Error::new(ErrorCode::Internal, "the program is shutting down");
        self.requests.send(request(sender)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    async fn command(&self, command: Command) -> Result<Done, Error> {
        self.ask(|answer| Request::Command { command, answer }).await
    }

    /// The id of what a command has brought about.
    async fn id(&self, command: Command) -> Result<String, Error> {
        Ok(match self.command(command).await? {
            Done::Nothing => String::new(),
            Done::Call(id) => id.to_string(),
            Done::Line(id) => id.to_string(),
            Done::Message(id) | Done::Subscription(id) => id.to_string(),
        })
    }

    async fn done(&self, command: Command) -> Result<(), Error> {
        self.command(command).await.map(|_| ())
    }
}

/// The engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the system gives no random numbers: {0}")]
    Randomness(String),
    #[error("the system grants no thread: {0}")]
    Thread(std::io::Error),
}

impl Backend for Engine {
    type Events = Subscription;

    fn current(&self) -> Arc<Snapshot> {
        self.snapshot.borrow().clone()
    }

    async fn subscribe(&self) -> Option<Subscription> {
        let (sender, subscription) = oneshot::channel();
        self.requests.send(Request::Subscribe(sender)).ok()?;
        subscription.await.ok()
    }
}

impl Commands for Engine {
    async fn sign_in(&self, form: SignIn) -> Result<(), Error> {
        let account = Box::new(account::from_form(form)?);
        self.ask(|answer| Request::SignIn { account, answer }).await
    }

    async fn sign_out(&self, _: Nothing) -> Result<(), Error> {
        self.done(Command::SignOut).await
    }

    async fn agent_ready(&self, _: Nothing) -> Result<(), Error> {
        self.done(Command::Ready).await
    }

    async fn agent_break(&self, args: AgentBreak) -> Result<(), Error> {
        let reason = match args.reason {
            Some(id) => Some(BreakReason::new(id).ok_or_else(|| bad("the reason of a break is 1 to 5"))?),
            None => None,
        };
        self.done(Command::Break(reason)).await
    }

    async fn after_call_work(&self, args: AfterCallWork) -> Result<(), Error> {
        self.done(Command::AfterCallWork(after_call_work(args.seconds)?)).await
    }

    async fn call(&self, args: CallTo) -> Result<String, Error> {
        let line = line_id(args.line)?;
        self.id(Command::Call { to: Pii::new(args.uri), line, headers: fields(args.headers) }).await
    }

    async fn answer(&self, args: CallRef) -> Result<(), Error> {
        self.done(Command::Answer(call_id(args.call)?)).await
    }

    async fn hangup(&self, args: HangUp) -> Result<(), Error> {
        self.done(Command::HangUp { call: call_id(args.call)?, headers: fields(args.headers) }).await
    }

    async fn add_line(&self, args: AddLine) -> Result<String, Error> {
        self.id(Command::AddLine(Box::new(account::from_form(args.account)?))).await
    }

    async fn remove_line(&self, args: LineRef) -> Result<(), Error> {
        match line_id(Some(args.line))? {
            Some(line) => self.done(Command::RemoveLine(line)).await,
            None => Err(no_line()),
        }
    }

    async fn swap(&self, _: Nothing) -> Result<(), Error> {
        self.done(Command::Swap).await
    }

    async fn transfer(&self, args: Transfer) -> Result<(), Error> {
        let (call, to) = (call_id(args.call)?, Pii::new(args.to));
        self.done(Command::Transfer { call, to, headers: fields(args.headers) }).await
    }

    async fn consult(&self, args: Consult) -> Result<String, Error> {
        self.id(Command::Consult { call: call_id(args.call)?, to: Pii::new(args.to) }).await
    }

    async fn transfer_complete(&self, args: CallRef) -> Result<(), Error> {
        self.done(Command::CompleteTransfer(call_id(args.call)?)).await
    }

    async fn consult_cancel(&self, args: CallRef) -> Result<(), Error> {
        self.done(Command::CancelConsult(call_id(args.call)?)).await
    }

    async fn call_info(&self, args: CallInfo) -> Result<(), Error> {
        let (call, headers) = (call_id(args.call)?, fields(args.headers));
        self.done(Command::Info { call, content_type: args.content_type, body: Pii::new(args.body), headers }).await
    }

    async fn send_message(&self, args: SendMessage) -> Result<String, Error> {
        self.id(Command::SendMessage {
            to: Pii::new(args.to),
            content_type: args.content_type.unwrap_or_else(|| "text/plain;charset=UTF-8".to_owned()),
            body: Pii::new(args.body),
            line: line_id(args.line)?,
        })
        .await
    }

    async fn subscribe(&self, args: Subscribe) -> Result<String, Error> {
        let line = line_id(args.line)?;
        self.id(Command::Subscribe { event: args.event, target: Pii::new(args.target), line }).await
    }

    async fn unsubscribe(&self, args: SubscriptionRef) -> Result<(), Error> {
        let gone = || Error::new(ErrorCode::NoSubscription, "there is no such subscription");
        self.done(Command::Unsubscribe(args.subscription.parse().map_err(|_| gone())?)).await
    }

    async fn set_presence(&self, args: SetPresence) -> Result<(), Error> {
        let (note, line) = (args.note.map(Pii::new), line_id(args.line)?);
        self.done(Command::SetPresence { open: args.open, note, line }).await
    }

    async fn call_hold(&self, args: CallRef) -> Result<(), Error> {
        self.done(Command::Hold(call_id(args.call)?)).await
    }

    async fn call_retrieve(&self, args: CallRef) -> Result<(), Error> {
        self.done(Command::Retrieve(call_id(args.call)?)).await
    }

    async fn call_mute(&self, args: CallMute) -> Result<(), Error> {
        self.done(Command::Mute { call: call_id(args.call)?, muted: args.muted }).await
    }

    async fn send_dtmf(&self, args: SendDtmf) -> Result<(), Error> {
        let call = call_id(args.call)?;
        self.done(Command::Dtmf { call, digits: Pii::new(args.digits) }).await
    }

    async fn set_volume(&self, args: SetVolume) -> Result<(), Error> {
        if args.percent > 100 {
            return Err(bad("a volume is 0 to 100"));
        }
        self.ask(|answer| Request::SetVolume { role: args.role.into(), percent: args.percent, answer }).await
    }

    async fn select_device(&self, args: SelectDevice) -> Result<(), Error> {
        self.ask(|answer| Request::SelectDevice { role: args.role.into(), device: args.device, answer }).await
    }

    async fn test_device(&self, args: TestDevice) -> Result<(), Error> {
        self.ask(|answer| Request::TestDevice { role: args.role.into(), answer }).await
    }

    async fn demo_call(&self, _: Nothing) -> Result<(), Error> {
        self.ask(|answer| Request::DemoCall { answer }).await
    }

    async fn calls(&self, query: CallQuery) -> Result<CallPage, Error> {
        if query.limit.is_some_and(|limit| limit == 0 || limit > 500) {
            return Err(bad("limit is 1 to 500"));
        }
        self.ask(|answer| Request::Calls { query, answer }).await
    }

    async fn set_settings(&self, args: SetSettings) -> Result<(), Error> {
        if let Some(seconds) = args.after_call_work_seconds {
            after_call_work(seconds)?;
        }
        self.ask(|answer| Request::SetSettings { change: args, answer }).await
    }

    async fn dismiss_notice(&self, args: DismissNotice) -> Result<(), Error> {
        self.ask(|answer| Request::DismissNotice { id: args.notice, answer }).await
    }

    async fn dismiss_call(&self, _: Nothing) -> Result<(), Error> {
        self.done(Command::DismissCall).await
    }

    async fn snapshot(&self, _: Nothing) -> Result<Snapshot, Error> {
        Ok(Snapshot::clone(&self.current()))
    }

    async fn quit(&self, _: Nothing) -> Result<(), Error> {
        self.ask(|answer| Request::Quit { answer }).await
    }
}

fn bad(message: &str) -> Error {
    Error::new(ErrorCode::BadCommand, message)
}

fn no_line() -> Error {
    Error::new(ErrorCode::NoLine, "there is no line of that id")
}

fn line_id(text: Option<String>) -> Result<Option<LineId>, Error> {
    text.map(|text| text.parse().map_err(|_| no_line())).transpose()
}

fn fields(headers: Vec<Header>) -> Vec<Field> {
    headers.into_iter().map(|header| Field { name: header.name, value: Pii::new(header.value) }).collect()
}

fn call_id(text: Option<String>) -> Result<Option<CallId>, Error> {
    text.map(|text| text.parse().map_err(|_| Error::new(ErrorCode::NoCall, "there is no call of that id"))).transpose()
}

fn after_call_work(seconds: u32) -> Result<Duration, Error> {
    if seconds > 3_600 {
        return Err(bad("after-call work is 0 to 3600 seconds"));
    }
    Ok(Duration::from_secs(seconds.into()))
}
