import { expect, test } from "vitest";

import { FakeProgram } from "../ipc/fake";
import type { Call, CallState, Snapshot } from "../ipc/generated";
import { agentState, callState, consultationOf, currentCall, isSignedOut, lineTone } from "./states";

function signedIn(change: (snapshot: Snapshot) => void = () => undefined): Snapshot {
  const program = new FakeProgram();
  program.signedIn();
  program.change(change);
  return program.snapshot();
}

function call(state: CallState, heldByPeer = false): Call {
  const program = new FakeProgram();
  program.signedIn();
  program.ring();
  const [first] = program.snapshot().calls;
  if (first === undefined) throw new Error("a call rings");
  return { ...first, state, held_by_peer: heldByPeer };
}

test("every code of the agent has a name of its own", () => {
  const codes = [-1, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 16, 17, 18, 19, 20, 21];
  const names = codes.map((code) => agentState(signedIn((draft) => (draft.agent.code = code))).name);
  expect(new Set(names).size).toBe(codes.length);
  expect(names).not.toContain("unknown");
  expect(agentState(signedIn((draft) => (draft.agent.code = 99))).name).toBe("unknown");
});

test("a lost registration shows, save during a call", () => {
  const lost = (draft: Snapshot) => {
    draft.registration = { state: "reconnecting", since_ms: 5, retry_at_ms: null, failure: { code: "timed_out", status: null, certificate: null } };
  };
  expect(agentState(signedIn(lost))).toEqual({ name: "reconnecting", tone: "trouble", sinceMs: 5 });
  const calling = signedIn((draft) => {
    lost(draft);
    draft.agent.code = 9;
    draft.calls = [call("talking")];
  });
  expect(agentState(calling).name).toBe("talking_inbound");
});

test("who holds whom is told apart", () => {
  expect(callState(call("talking")).name).toBe("talking");
  expect(callState(call("talking", true)).name).toBe("held_by_peer");
  expect(callState(call("held")).name).toBe("held");
  expect(callState(call("held", true)).name).toBe("held_by_both");
});

test("lost signalling shows before anything else of a call, a waiting call is told from a first one", () => {
  expect(callState({ ...call("held", true), reconnecting: true })).toEqual({ name: "reconnecting", tone: "trouble" });
  expect(callState({ ...call("ended"), reconnecting: true }).name).toBe("ended");
  expect(callState({ ...call("ringing"), waiting: true }).name).toBe("waiting");
});

test("the active call is shown before held ones, and of those the one that was held last", () => {
  const first = { ...call("held"), id: "a", since_ms: 30 };
  const second = { ...call("held"), id: "b", since_ms: 20 };
  expect(currentCall([second, first])?.id).toBe("a");
  expect(currentCall([first, second, { ...call("dialing"), id: "c" }])?.id).toBe("c");
  expect(currentCall([{ ...call("ringing"), id: "d" }, second])?.id).toBe("b");
});

test("a consultation is found from either of its calls, and from no other", () => {
  const customer = { ...call("held"), id: "a" };
  const consult = { ...call("talking"), id: "b", consults: "a" };
  const other = { ...call("held"), id: "c" };
  const calls = [customer, consult, other];
  expect(consultationOf(calls, customer)).toEqual({ customer, consult });
  expect(consultationOf(calls, consult)).toEqual({ customer, consult });
  expect(consultationOf(calls, other)).toBeUndefined();
  // The customer is gone: there is nobody left to transfer.
  expect(consultationOf([consult], consult)).toBeUndefined();
});

test("a line that fails is told from one that is not signed in", () => {
  const program = new FakeProgram();
  program.signedIn();
  const [line] = program.snapshot().lines;
  if (line === undefined) throw new Error("the agent's own line");
  expect(lineTone(line)).toBe("ready");
  expect(lineTone({ ...line, registration: { state: "offline", failure: null } })).toBe("off");
  expect(lineTone({ ...line, registration: { state: "offline", failure: { code: "timed_out", status: null, certificate: null } } })).toBe("trouble");
});

test("a standing call comes before a ringing one", () => {
  const ringing = { ...call("ringing"), id: "a" };
  const talking = { ...call("talking"), id: "b" };
  expect(currentCall([ringing, talking])?.id).toBe("b");
  expect(currentCall([ringing])?.id).toBe("a");
  expect(currentCall([])).toBeUndefined();
});

test("the sign-in view never hides a call", () => {
  expect(isSignedOut(new FakeProgram().snapshot())).toBe(true);
  expect(isSignedOut(signedIn())).toBe(false);
  const calling = signedIn((draft) => {
    draft.registration = { state: "offline", failure: null };
    draft.calls = [call("talking")];
  });
  expect(isSignedOut(calling)).toBe(false);
});
