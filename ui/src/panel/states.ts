import type { AgentStateName, CallStateName } from "../i18n";
import type { Call, Line, Snapshot } from "../ipc/generated";

/** The look of a state: its colour and its shape, which always come together with a word. */
export type Tone = "off" | "ready" | "break" | "acw" | "ringing" | "dialing" | "talking" | "held" | "consulting" | "conference" | "monitoring" | "trouble";

const NAMES: Record<string, AgentStateName> = {
  "-1": "unregistered",
  "0": "registering",
  "1": "signed_out",
  "2": "signed_in",
  "3": "ready",
  "4": "break",
  "5": "after_call_work",
  "6": "ringing",
  "8": "dialing",
  "9": "talking_inbound",
  "10": "talking_outbound",
  "11": "talking_internal",
  "12": "held",
  "16": "consult_dialing",
  "17": "consulting",
  "18": "consult_switched",
  "19": "conference",
  "20": "helped",
  "21": "monitoring",
};

const TONES: Record<AgentStateName, Tone> = {
  unregistered: "off",
  registering: "dialing",
  signed_out: "off",
  signed_in: "off",
  ready: "ready",
  break: "break",
  after_call_work: "acw",
  ringing: "ringing",
  dialing: "dialing",
  talking_inbound: "talking",
  talking_outbound: "talking",
  talking_internal: "talking",
  held: "held",
  consult_dialing: "dialing",
  consulting: "consulting",
  consult_switched: "consulting",
  conference: "conference",
  helped: "conference",
  monitoring: "monitoring",
  reconnecting: "trouble",
  unknown: "off",
};

/** The agent's state as the header shows it. A lost registration matters more than any state that needs it, save a call. */
export function agentState(snapshot: Snapshot): { name: AgentStateName; tone: Tone; sinceMs: number } {
  const { agent, registration, calls } = snapshot;
  if (registration.state === "reconnecting" && calls.length === 0) {
    return { name: "reconnecting", tone: "trouble", sinceMs: registration.since_ms };
  }
  const name = NAMES[String(agent.code)] ?? "unknown";
  return { name, tone: TONES[name], sinceMs: agent.since_ms };
}

export function callState(call: Call): { name: CallStateName; tone: Tone } {
  if (isReconnecting(call)) return { name: "reconnecting", tone: "trouble" };
  switch (call.state) {
    case "ringing":
      return { name: call.waiting ? "waiting" : "ringing", tone: "ringing" };
    case "dialing":
      return { name: "dialing", tone: "dialing" };
    case "alerting":
      return { name: "alerting", tone: "dialing" };
    case "answering":
      return { name: "answering", tone: "talking" };
    case "talking":
      return call.held_by_peer ? { name: "held_by_peer", tone: "held" } : { name: "talking", tone: "talking" };
    case "held":
      return { name: call.held_by_peer ? "held_by_both" : "held", tone: "held" };
    case "ended":
      return { name: "ended", tone: "off" };
  }
}

/** Whether nobody is signed in (or is on the way in or out): the sign-in view is shown. */
export function isSignedOut(snapshot: Snapshot): boolean {
  const { state } = snapshot.registration;
  return (state === "offline" || state === "registering" || state === "unregistering") && snapshot.calls.length === 0;
}

/** Whether the signalling of a call that stands is lost: the two still hear each other, or will again. */
export function isReconnecting(call: Call): boolean {
  return call.reconnecting && call.state !== "ended";
}

/**
 * The call that the card shows where the agent chose none: the one that is active; of several that are held, the one that
 * was held last, so that a hold changes no card; a ringing one where none stands.
 */
export function currentCall(calls: readonly Call[]): Call | undefined {
  const held = calls.filter(({ state }) => state === "held");
  return (
    calls.find(({ state }) => state !== "ringing" && state !== "held") ??
    held.reduce<Call | undefined>((last, call) => (last === undefined || call.since_ms > last.since_ms ? call : last), undefined) ??
    calls[0]
  );
}

/** The look of a line's registration. */
export function lineTone(line: Line): Tone {
  switch (line.registration.state) {
    case "registered":
      return "ready";
    case "registering":
    case "unregistering":
      return "dialing";
    case "reconnecting":
      return "trouble";
    case "offline":
      return line.registration.failure === null ? "off" : "trouble";
  }
}

/** A consultation: the call of the customer, and the call to the one who is asked. */
export type Consultation = { customer: Call; consult: Call };

/** The consultation that `call` belongs to, on either side. */
export function consultationOf(calls: readonly Call[], call: Call): Consultation | undefined {
  const consult = calls.find(({ id, consults }) => consults !== null && (id === call.id || consults === call.id));
  const customer = consult === undefined ? undefined : calls.find(({ id }) => id === consult.consults);
  return consult === undefined || customer === undefined ? undefined : { customer, consult };
}
