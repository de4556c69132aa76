import type { AgentStateName, CallStateName } from "../i18n";
import type { Call, Snapshot } from "../ipc/generated";

/** The look of a state: its colour and its shape, which always come together with a word. */
export type Tone = "off" | "ready" | "break" | "acw" | "ringing" | "dialing" | "talking" | "held" | "trouble";

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
  switch (call.state) {
    case "ringing":
      return { name: "ringing", tone: "ringing" };
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

/** The call that the card shows: the one that stands; a ringing one where none stands. */
export function currentCall(calls: readonly Call[]): Call | undefined {
  return calls.find((call) => call.state !== "ringing") ?? calls[0];
}
