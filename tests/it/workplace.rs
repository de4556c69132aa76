//! The engine in this process, with sound devices that the test commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deskline_core::media::DeviceTrouble;
use deskline_engine::audio::{MICROPHONE, VirtualHost};
use deskline_engine::settings::InMemory;
use deskline_engine::{Engine, EngineConfig};
use deskline_ipc::snapshot::{NoticeCode, Snapshot};
use deskline_ipc::{Backend, Command, dispatch};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

struct Workplace {
    engine: Engine,
    host: Arc<VirtualHost>,
}

impl Workplace {
    /// An agent who is signed in at the embedded centre and ready.
    async fn ready(host: Arc<VirtualHost>) -> Self {
        let centre = deskline_centre::demo::start().await.unwrap();
        let engine = Engine::start(EngineConfig {
            version: "0".to_owned(),
            data: None,
            settings: Arc::new(InMemory::default()),
            devices: host.clone(),
            centre: Some(centre),
            codecs: Vec::new(),
            auto_answer: None,
        })
        .unwrap();
        let workplace = Self { engine, host };
        let form = workplace.until("the form is filled", |now| !now.sign_in.server.is_empty()).await.sign_in.clone();
        workplace.command(json!({ "cmd": "sign_in", "server": form.server, "user": form.user })).await;
        workplace.until("the agent is ready", |now| now.agent.code == 3).await;
        workplace
    }

    async fn command(&self, command: Value) -> Value {
        let command: Command = serde_json::from_value(command).unwrap();
        dispatch(&self.engine, command).await.unwrap()
    }

    /// Lets the devices' time pass until the snapshot shows it.
    async fn until(&self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let begun = Instant::now();
        loop {
            let now = self.engine.current();
            if holds(&now) {
                return now;
            }
            assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {what}; the snapshot is {now:?}");
            let host = self.host.clone();
            tokio::task::spawn_blocking(move || host.advance(20)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn microphone_in_use_by_another_program_is_said_and_heals_without_losing_the_call() {
    let host = VirtualHost::new();
    host.trouble(MICROPHONE, Some(DeviceTrouble::Busy));
    let workplace = Workplace::ready(host).await;
    workplace.command(json!({ "cmd": "call", "uri": "9196" })).await;
    let busy = |now: &Snapshot| now.notices.iter().any(|notice| notice.code == NoticeCode::MicrophoneBusy);
    workplace.until("the notice that the microphone is busy", busy).await;
    workplace.until("the call stands all the same", |now| now.agent.code == 10).await;

    workplace.host.trouble(MICROPHONE, None);
    workplace.until("the notice is taken back", |now| !busy(now)).await;
    assert_eq!(workplace.engine.current().agent.code, 10);
    workplace.command(json!({ "cmd": "hangup" })).await;
    workplace.until("after-call work", |now| now.agent.code == 5).await;
    workplace.command(json!({ "cmd": "agent_ready" })).await;
    workplace.until("ready", |now| now.agent.code == 3).await;
}
