import type { AccountOptions, DtmfMode, KeepAlive, SignIn, SignInForm, TlsOptions, Transport } from "../ipc/generated";

/** An account as a form holds it: text as it was typed, and what is chosen. */
export type AccountForm = {
  server: string;
  user: string;
  password: string;
  transport: Transport;
  displayName: string;
  domain: string;
  authUser: string;
  proxy: string;
  keepAlive: KeepAlive;
  trustFile: string;
  clientCertificate: string;
  clientKey: string;
  /** One fingerprint a line. */
  pinned: string;
  dtmf: DtmfMode;
  autoAnswer: boolean;
  transferAccept: boolean;
  callLimit: string;
  sessionTimer: string;
  strangers: boolean;
  gruu: boolean;
};

export type AccountFault = "required" | "pinned" | "pair" | "limit" | "timer";

const MOST_CALLS = 8;
const TIMER_S = [90, 7200] as const;

/** The form as the program fills it in. */
export function accountForm(filled: Pick<SignInForm, "server" | "user" | "display_name" | "transport" | "options">): AccountForm {
  const { options } = filled;
  return {
    server: filled.server,
    user: filled.user,
    password: "",
    transport: filled.transport,
    displayName: filled.display_name,
    domain: "",
    authUser: "",
    proxy: options.proxy ?? "",
    keepAlive: options.keep_alive ?? "crlf",
    trustFile: options.tls?.trust_file ?? "",
    clientCertificate: options.tls?.client_certificate ?? "",
    clientKey: options.tls?.client_key ?? "",
    pinned: (options.tls?.pinned ?? []).join("\n"),
    dtmf: options.dtmf ?? "rtp",
    autoAnswer: options.auto_answer ?? false,
    transferAccept: options.transfer_accept ?? true,
    callLimit: options.call_limit?.toString() ?? "",
    sessionTimer: options.session_timer?.toString() ?? "",
    strangers: options.strangers ?? false,
    gruu: options.gruu ?? false,
  };
}

/** Whether TLS can come into it. */
export function mayUseTls(transport: Transport): boolean {
  return transport === "tls" || transport === "wss" || transport === "auto";
}

/** What keeps the form from being sent, by field. */
export function accountFaults(form: AccountForm): Partial<Record<keyof AccountForm, AccountFault>> {
  const faults: Partial<Record<keyof AccountForm, AccountFault>> = {};
  if (form.server.trim() === "") faults.server = "required";
  if (form.user.trim() === "") faults.user = "required";
  if (!within(form.callLimit, 1, MOST_CALLS)) faults.callLimit = "limit";
  if (form.sessionTimer.trim() !== "0" && !within(form.sessionTimer, ...TIMER_S)) faults.sessionTimer = "timer";
  if (mayUseTls(form.transport)) {
    if (fingerprints(form.pinned).some((fingerprint) => !isFingerprint(fingerprint))) faults.pinned = "pinned";
    if ((form.clientCertificate.trim() === "") !== (form.clientKey.trim() === "")) {
      faults[form.clientKey.trim() === "" ? "clientKey" : "clientCertificate"] = "pair";
    }
  }
  return faults;
}

/** The arguments of the command: what is left at its default is left out. */
export function signInOf(form: AccountForm): SignIn {
  const args: SignIn = { server: form.server.trim(), user: form.user.trim(), transport: form.transport };
  if (form.password !== "") args.password = form.password;
  if (form.displayName.trim() !== "") args.display_name = form.displayName.trim();
  if (form.domain.trim() !== "") args.domain = form.domain.trim();
  if (form.authUser.trim() !== "") args.auth_user = form.authUser.trim();
  const options = optionsOf(form);
  if (Object.keys(options).length > 0) args.options = options;
  return args;
}

/** The form with one more certificate pinned. */
export function withPinned(form: AccountForm, fingerprint: string): AccountForm {
  const pinned = fingerprints(form.pinned);
  if (!pinned.some((other) => plain(other) === plain(fingerprint))) pinned.push(fingerprint);
  return { ...form, pinned: pinned.join("\n") };
}

function optionsOf(form: AccountForm): AccountOptions {
  const options: AccountOptions = {};
  const tls: TlsOptions = {};
  const pinned = fingerprints(form.pinned);
  if (form.trustFile.trim() !== "") tls.trust_file = form.trustFile.trim();
  if (form.clientCertificate.trim() !== "") tls.client_certificate = form.clientCertificate.trim();
  if (form.clientKey.trim() !== "") tls.client_key = form.clientKey.trim();
  if (pinned.length > 0) tls.pinned = pinned;
  if (mayUseTls(form.transport) && Object.keys(tls).length > 0) options.tls = tls;
  if (form.proxy.trim() !== "" && form.transport !== "udp") options.proxy = form.proxy.trim();
  if (form.keepAlive !== "crlf") options.keep_alive = form.keepAlive;
  if (form.dtmf !== "rtp") options.dtmf = form.dtmf;
  if (form.autoAnswer) options.auto_answer = true;
  if (!form.transferAccept) options.transfer_accept = false;
  if (form.callLimit.trim() !== "") options.call_limit = Number(form.callLimit);
  if (form.sessionTimer.trim() !== "") options.session_timer = Number(form.sessionTimer);
  if (form.strangers) options.strangers = true;
  if (form.gruu) options.gruu = true;
  return options;
}

/** Each fingerprint of the field; `SHA256 Fingerprint=` and the like before one is what other programs print. */
function fingerprints(text: string): string[] {
  return text
    .split(/[\n,;]+/)
    .map((line) => line.trim().replace(/^sha-?256(\s+fingerprint)?\s*[:=/]\s*/i, ""))
    .filter((line) => line !== "");
}

function isFingerprint(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(plain(text));
}

function plain(fingerprint: string): string {
  return fingerprint.replace(/[:\s-]/g, "").toLowerCase();
}

function within(text: string, least: number, most: number): boolean {
  if (text.trim() === "") return true;
  const value = Number(text);
  return Number.isInteger(value) && value >= least && value <= most;
}
