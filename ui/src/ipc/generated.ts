// Made from the Rust types by `cargo xtask types`. Do not edit: change src-tauri/ipc and make it anew.

/**
 * `message` is English and says what to do; the panel shows its own text for `code` in the agent's language.
 */
export type IpcError = { code: ErrorCode, message: string, 
/**
 * The same command may succeed a little later.
 */
retryable: boolean, };

export type ErrorCode = "bad_command" | "not_signed_in" | "already_signed_in" | "bad_account" | "bad_number" | "wrong_state" | "no_call" | "call_in_progress" | "call_limit" | "no_line" | "bad_header" | "no_subscription" | "unsupported" | "no_device" | "no_centre" | "storage" | "internal";

/**
 * All times are milliseconds since the Unix epoch.
 */
export type Snapshot = { rev: number, version: string, 
/**
 * What can be done on this platform and in this program. What is absent is not shown.
 */
capabilities: Array<Capability>, 
/**
 * The account that is signed in or being signed in.
 */
account: Account | null, 
/**
 * What the sign-in view is filled with.
 */
sign_in: SignInForm, registration: Registration, 
/**
 * Every account with its registration; the first is the agent's own.
 */
lines: Array<Line>, agent: Agent, 
/**
 * Live calls, oldest first.
 */
calls: Array<Call>, 
/**
 * The call that ended last, until it is dismissed or the next one begins.
 */
last_call: Call | null, devices: Devices, settings: Settings, notices: Array<Notice>, 
/**
 * Grows with each change of the call list: time to read it again.
 */
call_list_rev: number, };

export type Capability = "demo_centre" | "hold" | "dtmf" | "after_call_work" | "transfer" | "consult" | "message" | "several_lines";

export type Account = { server: string, user: string, display_name: string | null, transport: Transport, options: AccountOptions, };

/**
 * How an account is used. Every field may be absent.
 */
export type AccountOptions = { tls?: TlsOptions, 
/**
 * The HTTP proxy to the server: `http://proxy.example.com:3128`, with `user:password@` where it wants them. Only the
 * address is remembered.
 */
proxy?: string, keep_alive?: KeepAlive, dtmf?: DtmfMode, 
/**
 * A caller may have us answer at once (Alert-Info, Call-Info, Answer-Mode), as intercoms and click-to-dial do.
 */
auto_answer?: boolean, 
/**
 * How many calls at once, 1..=8. Absent: 2.
 */
call_limit?: number, 
/**
 * Whether the far side may transfer us (REFER). Absent: yes.
 */
transfer_accept?: boolean, 
/**
 * Session timer in seconds, 90..=7200; 0: none. Absent: 1800.
 */
session_timer?: number, 
/**
 * Take calls from other addresses than the server's.
 */
strangers?: boolean, 
/**
 * Ask the server for a globally routable URI (RFC 5627). Only for servers that are known to route by them.
 */
gruu?: boolean, };

/**
 * For `tls` and `wss`. Paths of files in PEM.
 */
export type TlsOptions = { 
/**
 * Authorities that are trusted beside the system's.
 */
trust_file?: string, client_certificate?: string, client_key?: string, 
/**
 * SHA-256 of certificates that are accepted whoever issued them, in hexadecimal digits.
 */
pinned?: Array<string>, };

/**
 * What keeps the way to the server open.
 */
export type KeepAlive = "crlf" | "stun";

/**
 * How digits are sent.
 */
export type DtmfMode = "rtp" | "info_relay" | "info";

/**
 * An account with its registration.
 */
export type Line = { id: string, account: Account, registration: Registration, };

export type SignInForm = { server: string, user: string, display_name: string, transport: Transport, options: AccountOptions, 
/**
 * The program knows this account's password (the demo's): the field may stay empty.
 */
password_known: boolean, 
/**
 * Numbers of the embedded centre that can be dialled.
 */
demo_numbers: Array<DemoNumber>, };

export type DemoNumber = { number: string, kind: DemoNumberKind, };

export type DemoNumberKind = "agent" | "echo" | "busy" | "no_answer" | "not_found";

export type Transport = "udp" | "tcp" | "tls" | "ws" | "wss" | "auto";

export type Registration = { "state": "offline", failure: RegistrationFailure | null, } | { "state": "registering" } | { "state": "registered", since_ms: number, } | { "state": "reconnecting", since_ms: number, retry_at_ms: number | null, failure: RegistrationFailure, } | { "state": "unregistering" };

export type RegistrationFailure = { code: RegistrationFailureCode, 
/**
 * The SIP status, where the server answered.
 */
status: number | null, 
/**
 * The certificate that was refused.
 */
certificate: RefusedCertificate | null, };

/**
 * A server's certificate that we do not trust. Whoever knows it may pin it by its fingerprint.
 */
export type RefusedCertificate = { fault: CertificateFault, 
/**
 * SHA-256 over the certificate: `AB:CD:…`.
 */
fingerprint: string, };

export type CertificateFault = "unknown_issuer" | "expired" | "not_yet_valid" | "wrong_name" | "revoked" | "unsuitable" | "bad_signature" | "malformed";

export type RegistrationFailureCode = "wrong_credentials" | "unknown_user" | "unknown_host" | "connection_refused" | "timed_out" | "network_unreachable" | "not_sip_over_web_socket" | "unsupported_transport" | "certificate_refused" | "client_certificate_refused" | "tls_failed" | "tls_files" | "proxy_unreachable" | "proxy_credentials" | "proxy_refused" | "connection_lost" | "server_error" | "refused";

/**
 * The agent's state by the workbench codes.
 */
export type Agent = { 
/**
 * −1 unregistered, 0 registering, 1 signed out, 2 signed in, 3 ready, 4 break, 5 after-call work, 6 ringing, 8 dialling,
 * 9 talking inbound, 10 talking outbound, 11 talking internally, 12 held.
 */
code: number, since_ms: number, 
/**
 * When the state ends by itself (after-call work).
 */
until_ms: number | null, 
/**
 * The reason of a break, 1..=5.
 */
break_reason: number | null, 
/**
 * The agent commands that are legal now.
 */
allowed: Array<AgentAction>, };

export type AgentAction = "sign_in" | "sign_out" | "ready" | "break" | "after_call_work" | "call";

export type Call = { id: string, 
/**
 * The line that it came by or goes by.
 */
line: string, direction: CallDirection, 
/**
 * The far side's number or address, as it is shown and called back.
 */
number: string, name: string | null, state: CallState, since_ms: number, started_ms: number, answered_ms: number | null, ended_ms: number | null, 
/**
 * The peer has put us on hold.
 */
held_by_peer: boolean, muted: boolean, 
/**
 * `opus`, `PCMA`, `PCMU`.
 */
codec: string | null, 
/**
 * The DTMF digits sent so far.
 */
dtmf: string, end: CallEnd | null, 
/**
 * It came while another call was in progress.
 */
waiting: boolean, 
/**
 * The connection to the server is lost; the call goes on meanwhile.
 */
reconnecting: boolean, 
/**
 * It was found again after the program had ended unexpectedly.
 */
recovered: boolean, 
/**
 * What the server tells about the caller beyond From.
 */
caller: Caller, 
/**
 * Headers of the INVITE that belong to the application: `X-…` and whatever SIP does not know.
 */
headers: Array<Header>, 
/**
 * Who sent the caller to us (Referred-By).
 */
referred_by: string | null, 
/**
 * The transfer of this call, while it is under way and after.
 */
transfer: CallTransfer | null, 
/**
 * The held call for whose transfer this one consults.
 */
consults: string | null, 
/**
 * The call commands that are legal now.
 */
allowed: Array<CallAction>, };

export type CallDirection = "inbound" | "outbound" | "internal";

export type CallState = "ringing" | "dialing" | "alerting" | "answering" | "talking" | "held" | "ended";

export type CallAction = "answer" | "hangup" | "hold" | "retrieve" | "mute" | "dtmf" | "transfer" | "consult" | "complete_transfer" | "cancel_consult" | "swap" | "info";

/**
 * A header that is not the protocol's own.
 */
export type Header = { name: string, value: string, };

/**
 * What an INVITE tells about its caller beside From. Numbers are as they are shown and called back.
 */
export type Caller = { 
/**
 * P-Asserted-Identity (RFC 3325), believed from our own server only.
 */
asserted: string | null, 
/**
 * Remote-Party-ID.
 */
remote_party: string | null, 
/**
 * The caller wishes not to be shown (Privacy, or an anonymous From).
 */
anonymous: boolean, 
/**
 * Diversion (RFC 5806), the last diversion first.
 */
diversions: Array<Diversion>, 
/**
 * History-Info (RFC 7044), in order.
 */
history: Array<Diversion>, 
/**
 * Values of Call-Info.
 */
call_info: Array<string>, 
/**
 * Values of Alert-Info.
 */
alert_info: Array<string>, };

/**
 * Where a call was before it came here, and why it went on.
 */
export type Diversion = { number: string, 
/**
 * `user-busy`, `no-answer`, `unconditional`, … of Diversion; of History-Info the cause, a SIP status.
 */
reason: string | null, };

/**
 * The transfer of a call.
 */
export type CallTransfer = { state: TransferState, 
/**
 * To whom, as it is shown.
 */
to: string, 
/**
 * The SIP status that the far side told last.
 */
status: number | null, };

export type TransferState = "requested" | "accepted" | "ringing" | "succeeded" | "failed";

export type CallEnd = { cause: EndCause, 
/**
 * The SIP status, where there is one.
 */
status: number | null, };

export type EndCause = "hung_up" | "peer_hung_up" | "cancelled" | "missed" | "answered_elsewhere" | "declined" | "not_ready" | "busy" | "no_answer" | "not_found" | "rejected" | "forbidden" | "unavailable" | "not_acceptable" | "server_error" | "timed_out" | "unreachable" | "media_failed" | "transferred" | "replaced" | "connection_lost" | "failed";

export type Devices = { inputs: Array<Device>, outputs: Array<Device>, microphone: DeviceUse, speaker: DeviceUse, ringer: DeviceUse, };

export type Device = { id: string, name: string, };

export type DeviceUse = { 
/**
 * The agent's choice; `null` follows the system's default.
 */
chosen: string | null, 
/**
 * 0..=100.
 */
volume: number, trouble: DeviceTrouble | null, };

export type DeviceRole = "microphone" | "speaker" | "ringer";

export type DeviceTrouble = "missing" | "busy" | "denied" | "failed";

export type Settings = { language: Language, theme: Theme, after_call_work_seconds: number, };

export type Language = "system" | "zh-CN" | "en";

export type Theme = "system" | "light" | "dark" | "high-contrast";

/**
 * Something that the agent should know and can do something about; it stays until dismissed or healed.
 */
export type Notice = { id: number, level: NoticeLevel, code: NoticeCode, at_ms: number, };

export type NoticeLevel = "info" | "warning" | "error";

export type NoticeCode = "microphone_missing" | "microphone_busy" | "microphone_denied" | "microphone_failed" | "speaker_missing" | "speaker_busy" | "speaker_failed" | "ringer_missing" | "ringer_busy" | "ringer_failed" | "store_recovered" | "store_failed" | "hold_refused" | "dtmf_refused" | "dtmf_other_way" | "transfer_refused" | "logged_in_elsewhere" | "certificate_refused" | "settings_failed";

/**
 * One row of the call list.
 */
export type CallRecord = { id: number, direction: CallDirection, number: string, name: string | null, started_ms: number, answered_ms: number | null, ended_ms: number, end: CallEnd, 
/**
 * What the INVITE told beside From.
 */
details?: CallDetails, };

/**
 * What an INVITE told of its caller, and the application's headers in it.
 */
export type CallDetails = { caller: Caller, headers: Array<Header>, referred_by: string | null, };

export type CallPage = { calls: Array<CallRecord>, 
/**
 * How many match in all.
 */
total: number, };

/**
 * Travels as `{"ev":"name", …}`.
 */
export type IpcEvent = { "ev": "snapshot", snapshot: Snapshot, } | { "ev": "registered", line: string, } | { "ev": "registration_failed", line: string, code: RegistrationFailureCode, status: number | null, certificate: RefusedCertificate | null, } | { "ev": "unregistered", line: string, } | { "ev": "logged_in_elsewhere", line: string, contacts: Array<string>, } | { "ev": "ringing", call: string, } | { "ev": "alerting", call: string, } | { "ev": "established", call: string, } | { "ev": "ended", call: string, cause: EndCause, status: number | null, } | { "ev": "dtmf", call: string, digit: string, } | { "ev": "transfer", call: string, state: TransferState, status: number | null, } | { "ev": "info", call: string, content_type: string, body: string, } | { "ev": "message", line: string, from: string, content_type: string, body: string, } | { "ev": "message_sent", id: string, } | { "ev": "message_failed", id: string, status: number | null, } | { "ev": "notified", subscription: string, state: string, content_type: string, body: string, } | { "ev": "levels", microphone: number, speaker: number, };

/**
 * No arguments.
 */
export type Nothing = Record<symbol, never>;

export type SignIn = { 
/**
 * Host name or address of the SIP server, with an optional port: `pbx.example.com`, `10.0.0.2:5070`, `[::1]:5060`.
 */
server: string, 
/**
 * The SIP user, as a rule the extension.
 */
user: string, 
/**
 * The SIP password. Absent: the password that the program knows for this account (the demo), or none.
 */
password?: string, transport?: Transport, 
/**
 * The name shown to those whom the agent calls.
 */
display_name?: string, 
/**
 * The SIP domain of the address of record, where it differs from the server.
 */
domain?: string, 
/**
 * The digest username, where it differs from the user.
 */
auth_user?: string, 
/**
 * How this account is used, beyond user and server.
 */
options?: AccountOptions, };

export type AgentBreak = { 
/**
 * The reason's id, 1..=5 where the platform has reasons.
 */
reason?: number, };

export type AfterCallWork = { 
/**
 * 0..=3600.
 */
seconds: number, };

/**
 * Numbers are private: they are not shown by `Debug`.
 */
export type CallTo = { 
/**
 * A number (spaces and the usual marks are removed), a user name, or a SIP URI.
 */
uri: string, 
/**
 * The line to call from. Absent: the agent's own.
 */
line?: string, 
/**
 * Further headers of the INVITE.
 */
headers?: Array<Header>, };

export type CallRef = { 
/**
 * Absent: the one call that the command can mean.
 */
call?: string, };

export type CallMute = { muted: boolean, call?: string, };

export type SendDtmf = { 
/**
 * `0-9`, `*`, `#`, `A-D`; at most 64.
 */
digits: string, call?: string, };

export type AddLine = { account: SignIn, };

export type LineRef = { line: string, };

export type HangUp = { 
/**
 * Absent: the one call that the command can mean.
 */
call?: string, 
/**
 * Further headers of the BYE.
 */
headers?: Array<Header>, };

export type Transfer = { 
/**
 * Absent: the active call.
 */
call?: string, 
/**
 * A number, a user name or a SIP URI.
 */
to: string, 
/**
 * Further headers of the REFER.
 */
headers?: Array<Header>, };

export type Consult = { 
/**
 * Absent: the active call.
 */
call?: string, 
/**
 * A number, a user name or a SIP URI.
 */
to: string, };

export type CallInfo = { call?: string, 
/**
 * `application/json` and the like.
 */
content_type: string, 
/**
 * At most 16 KiB.
 */
body: string, 
/**
 * Further headers of the INFO.
 */
headers?: Array<Header>, };

export type SendMessage = { 
/**
 * A number, a user name or a SIP URI.
 */
to: string, 
/**
 * `text/plain` where absent.
 */
content_type?: string, 
/**
 * At most 16 KiB.
 */
body: string, line?: string, };

export type Subscribe = { 
/**
 * The event package: `dialog`, `presence`, `message-summary`, `reg`.
 */
event: string, 
/**
 * Whose: a number, a user name or a SIP URI.
 */
target: string, line?: string, };

export type SubscriptionRef = { 
/**
 * As `subscribe` returned it. (No argument is named `id`: that is the line's own where commands travel as lines.)
 */
subscription: string, };

export type SetPresence = { 
/**
 * Whether one can be reached.
 */
open: boolean, note?: string, line?: string, };

export type SetVolume = { role: DeviceRole, 
/**
 * 0..=100.
 */
percent: number, };

export type SelectDevice = { role: DeviceRole, device?: string, };

export type TestDevice = { role: DeviceRole, };

export type CallQuery = { 
/**
 * Part of a number or name.
 */
search?: string, offset?: number, 
/**
 * 1..=500, 50 by default.
 */
limit?: number, };

export type SetSettings = { language?: Language, theme?: Theme, 
/**
 * Seconds of after-call work, 0..=3600.
 */
after_call_work_seconds?: number, };

export type DismissNotice = { notice: number, };

/** Every command with its arguments and its result. */
export interface CommandTable {
  /** Signs the agent in: connects, registers, becomes ready. Progress and failure show in the snapshot's `registration`. */
  sign_in: { args: SignIn; result: null };
  /** Signs the agent out and removes every registration. Refused while a call is in progress. */
  sign_out: { args: Nothing; result: null };
  /** Registers a further account beside the agent's own: its calls ring here too. Returns the id of the line. */
  add_line: { args: AddLine; result: string };
  /** Unregisters a further account. Refused while it has a call, and for the agent's own line. */
  remove_line: { args: LineRef; result: null };
  /** Becomes ready (state 3): from break or after-call work. */
  agent_ready: { args: Nothing; result: null };
  /** Takes a break (state 4). */
  agent_break: { args: AgentBreak; result: null };
  /** Sets the rest of after-call work (state 5) to so many seconds from now. */
  after_call_work: { args: AfterCallWork; result: null };
  /** Dials a number or a SIP URI; returns the id of the call. */
  call: { args: CallTo; result: string };
  /** Answers the ringing call. */
  answer: { args: CallRef; result: null };
  /** Ends a call whatever its state: cancels, declines or hangs up. */
  hangup: { args: HangUp; result: null };
  /** Holds the call; the peer hears music. */
  call_hold: { args: CallRef; result: null };
  /** Retrieves the held call. */
  call_retrieve: { args: CallRef; result: null };
  /** Holds the active call and retrieves the held one. */
  swap: { args: Nothing; result: null };
  /** Transfers the call to a number without speaking first (REFER). Progress shows in the call's `transfer`. */
  transfer: { args: Transfer; result: null };
  /** Holds the call and dials a colleague to speak with before the transfer; returns the id of the new call. */
  consult: { args: Consult; result: string };
  /** Connects the far side of the consultation with the call that was held for it (REFER with Replaces). */
  transfer_complete: { args: CallRef; result: null };
  /** Ends the consultation and retrieves the call that was held for it. */
  consult_cancel: { args: CallRef; result: null };
  /** Mutes or unmutes the microphone of a call. */
  call_mute: { args: CallMute; result: null };
  /** Sends DTMF digits into the call. */
  send_dtmf: { args: SendDtmf; result: null };
  /** Sends an INFO with a body of the application into the call. */
  call_info: { args: CallInfo; result: null };
  /** Sends a MESSAGE outside calls; returns its id, under which `message_sent` or `message_failed` follows. */
  send_message: { args: SendMessage; result: string };
  /** Subscribes to an event package of somebody (RFC 6665); returns the id under which `notified` tells its news. */
  subscribe: { args: Subscribe; result: string };
  /** Ends a subscription. */
  unsubscribe: { args: SubscriptionRef; result: null };
  /** Publishes the agent's presence (RFC 3903). */
  set_presence: { args: SetPresence; result: null };
  /** Sets a volume. */
  set_volume: { args: SetVolume; result: null };
  /** Chooses a device; without `device` the system's default is followed. */
  select_device: { args: SelectDevice; result: null };
  /** Plays a short test sound on the device of that role. */
  test_device: { args: TestDevice; result: null };
  /** Asks the embedded contact centre for a call from a simulated customer. */
  demo_call: { args: Nothing; result: null };
  /** Reads the call list, newest first. */
  calls: { args: CallQuery; result: CallPage };
  /** Changes settings; absent fields stay as they are. */
  set_settings: { args: SetSettings; result: null };
  /** Takes a notice away. */
  dismiss_notice: { args: DismissNotice; result: null };
  /** Takes the card of the last ended call away. */
  dismiss_call: { args: Nothing; result: null };
  /** The whole truth of the moment. */
  snapshot: { args: Nothing; result: Snapshot };
  /** Ends the program: hangs up, signs out, and closes. */
  quit: { args: Nothing; result: null };
}
