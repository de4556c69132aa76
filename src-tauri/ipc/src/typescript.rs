//! The TypeScript of all that travels, in one file.

use ts_rs::{Config, TS};

use crate::{command, error, event, snapshot};

/// The text of `ui/src/ipc/generated.ts`.
pub fn generate() -> String {
    let config = Config::default().with_large_int("number");
    let mut text = String::from(
        "// Made from the Rust types by `cargo xtask types`. Do not edit: change src-tauri/ipc and make it anew.\n",
    );
    macro_rules! declare {
        ($($ty:ty),+ $(,)?) => { $( push_declaration::<$ty>(&mut text, &config); )+ };
    }
    declare!(
        error::Error,
        error::ErrorCode,
        snapshot::Snapshot,
        snapshot::Capability,
        snapshot::Account,
        snapshot::AccountOptions,
        snapshot::TlsOptions,
        snapshot::KeepAlive,
        snapshot::DtmfMode,
        snapshot::Line,
        snapshot::SignInForm,
        snapshot::DemoNumber,
        snapshot::DemoNumberKind,
        snapshot::Transport,
        snapshot::Registration,
        snapshot::RegistrationFailure,
        snapshot::RefusedCertificate,
        snapshot::CertificateFault,
        snapshot::RegistrationFailureCode,
        snapshot::Agent,
        snapshot::AgentAction,
        snapshot::Call,
        snapshot::CallDirection,
        snapshot::CallState,
        snapshot::CallAction,
        snapshot::Header,
        snapshot::Caller,
        snapshot::Diversion,
        snapshot::CallTransfer,
        snapshot::TransferState,
        snapshot::CallEnd,
        snapshot::EndCause,
        snapshot::Devices,
        snapshot::Device,
        snapshot::DeviceUse,
        snapshot::DeviceRole,
        snapshot::DeviceTrouble,
        snapshot::Settings,
        snapshot::Language,
        snapshot::Theme,
        snapshot::Notice,
        snapshot::NoticeLevel,
        snapshot::NoticeCode,
        snapshot::CallRecord,
        snapshot::CallDetails,
        snapshot::CallPage,
        event::Event,
        command::Nothing,
        command::SignIn,
        command::AgentBreak,
        command::AfterCallWork,
        command::CallTo,
        command::CallRef,
        command::CallMute,
        command::SendDtmf,
        command::AddLine,
        command::LineRef,
        command::HangUp,
        command::Transfer,
        command::Consult,
        command::CallInfo,
        command::SendMessage,
        command::Subscribe,
        command::SubscriptionRef,
        command::SetPresence,
        command::SetVolume,
        command::SelectDevice,
        command::TestDevice,
        command::CallQuery,
        command::SetSettings,
        command::DismissNotice,
    );
    text.push_str("\n/** Every command with its arguments and its result. */\nexport interface CommandTable {\n");
    for (doc, name, arguments, result) in command::typescript_rows(&config) {
        text.push_str(&format!("  /** {doc} */\n  {name}: {{ args: {arguments}; result: {result} }};\n"));
    }
    text.push_str("}\n");
    text
}

fn push_declaration<T: TS>(text: &mut String, config: &Config) {
    text.push('\n');
    if let Some(docs) = T::docs() {
        text.push_str(docs.trim_end());
        text.push('\n');
    }
    text.push_str("export ");
    text.push_str(&T::decl(config));
    text.push('\n');
}
