//! The command table, declared once. From it come the [`Command`] enum (what travels), the [`Backend`](crate::Backend)
//! trait (what must be implemented), [`dispatch`] and the TypeScript table.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use crate::arguments::*;
use crate::snapshot::{CallPage, Snapshot};

/// Declares each command as `name(Arguments) -> Result;`. A command travels as `{"cmd":"name", …arguments}`.
macro_rules! commands {
    ($( $(#[doc = $doc:literal])+ $name:ident / $variant:ident ( $args:ty ) -> $result:ty; )+) => {
        /// A command as it travels.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "cmd", rename_all = "snake_case")]
        pub enum Command {
            $( $(#[doc = $doc])+ $variant($args), )+
        }

        /// What stands behind the front ends: one method a command. Implemented by the engine.
        pub trait Commands: Send + Sync + 'static {
            $( $(#[doc = $doc])+ fn $name(&self, args: $args) -> impl Future<Output = Result<$result, crate::Error>> + Send; )+
        }

        /// Carries a command out and returns its result as JSON (`null` for none).
        pub async fn dispatch<B: Commands>(backend: &B, command: Command) -> Result<serde_json::Value, crate::Error> {
            match command {
                $( Command::$variant(args) => {
                    let result: $result = backend.$name(args).await?;
                    serde_json::to_value(result).map_err(|error| crate::Error::new(crate::ErrorCode::Internal, error.to_string()))
                } )+
            }
        }

        /// The names of all commands.
        pub const NAMES: &[&str] = &[ $( stringify!($name), )+ ];

        /// The rows of the TypeScript table: documentation, name, arguments, result.
        pub(crate) fn typescript_rows(config: &ts_rs::Config) -> Vec<(String, &'static str, String, String)> {
            vec![ $( (
                [$( $doc.trim() ),+].join(" "),
                stringify!($name),
                <$args as TS>::name(config),
                <$result as TS>::name(config),
            ), )+ ]
        }
    };
}

commands! {
    /// Signs the agent in: connects, registers, becomes ready. Progress and failure show in the snapshot's `registration`.
    sign_in / SignIn(SignIn) -> ();
    /// Signs the agent out and removes every registration. Refused while a call is in progress.
    sign_out / SignOut(Nothing) -> ();
    /// Registers a further account beside the agent's own: its calls ring here too. Returns the id of the line.
    add_line / AddLine(AddLine) -> String;
    /// Unregisters a further account. Refused while it has a call, and for the agent's own line.
    remove_line / RemoveLine(LineRef) -> ();
    /// Becomes ready (state 3): from break or after-call work.
    agent_ready / AgentReady(Nothing) -> ();
    /// Takes a break (state 4).
    agent_break / AgentBreak(AgentBreak) -> ();
    /// Sets the rest of after-call work (state 5) to so many seconds from now.
    after_call_work / AfterCallWork(AfterCallWork) -> ();
    /// Dials a number or a SIP URI; returns the id of the call.
    call / Call(CallTo) -> String;
    /// Answers the ringing call.
    answer / Answer(CallRef) -> ();
    /// Ends a call whatever its state: cancels, declines or hangs up.
    hangup / Hangup(HangUp) -> ();
    /// Holds the call; the peer hears music.
    call_hold / CallHold(CallRef) -> ();
    /// Retrieves the held call.
    call_retrieve / CallRetrieve(CallRef) -> ();
    /// Holds the active call and retrieves the held one.
    swap / Swap(Nothing) -> ();
    /// Transfers the call to a number without speaking first (REFER). Progress shows in the call's `transfer`.
    transfer / Transfer(Transfer) -> ();
    /// Holds the call and dials a colleague to speak with before the transfer; returns the id of the new call.
    consult / Consult(Consult) -> String;
    /// Connects the far side of the consultation with the call that was held for it (REFER with Replaces).
    transfer_complete / TransferComplete(CallRef) -> ();
    /// Ends the consultation and retrieves the call that was held for it.
    consult_cancel / ConsultCancel(CallRef) -> ();
    /// Mutes or unmutes the microphone of a call.
    call_mute / CallMute(CallMute) -> ();
    /// Sends DTMF digits into the call.
    send_dtmf / SendDtmf(SendDtmf) -> ();
    /// Sends an INFO with a body of the application into the call.
    call_info / CallInfo(CallInfo) -> ();
    /// Sends a MESSAGE outside calls; returns its id, under which `message_sent` or `message_failed` follows.
    send_message / SendMessage(SendMessage) -> String;
    /// Subscribes to an event package of somebody (RFC 6665); returns the id under which `notified` tells its news.
    subscribe / Subscribe(Subscribe) -> String;
    /// Ends a subscription.
    unsubscribe / Unsubscribe(SubscriptionRef) -> ();
    /// Publishes the agent's presence (RFC 3903).
    set_presence / SetPresence(SetPresence) -> ();
    /// Sets a volume.
    set_volume / SetVolume(SetVolume) -> ();
    /// Chooses a device; without `device` the system's default is followed.
    select_device / SelectDevice(SelectDevice) -> ();
    /// Plays a short test sound on the device of that role.
    test_device / TestDevice(TestDevice) -> ();
    /// Asks the embedded contact centre for a call from a simulated customer.
    demo_call / DemoCall(Nothing) -> ();
    /// Reads the call list, newest first.
    calls / Calls(CallQuery) -> CallPage;
    /// Changes settings; absent fields stay as they are.
    set_settings / SetSettings(SetSettings) -> ();
    /// Takes a notice away.
    dismiss_notice / DismissNotice(DismissNotice) -> ();
    /// Takes the card of the last ended call away.
    dismiss_call / DismissCall(Nothing) -> ();
    /// The whole truth of the moment.
    snapshot / Snapshot(Nothing) -> Snapshot;
    /// Ends the program: hangs up, signs out, and closes.
    quit / Quit(Nothing) -> ();
}
