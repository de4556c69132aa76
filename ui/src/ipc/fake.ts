import { ipcError, type Arguments, type Client, type CommandName, type Result } from "./client";
import type {
  AgentAction,
  Call,
  CallAction,
  CallDirection,
  CallRecord,
  CommandTable,
  EndCause,
  ErrorCode,
  IpcError,
  IpcEvent,
  Notice,
  NoticeCode,
  RegistrationFailureCode,
  Snapshot,
} from "./generated";

type Handlers = { [K in CommandName]: (args: Arguments<K>) => CommandTable[K]["result"] };

/** How long the simulated network takes, ms. */
const NETWORK_MS = 150;
const PICK_UP_MS = 1200;

/**
 * The program, simulated in the page: for the tests of the views and for looking at them without the program. It knows
 * one agent, one call, and the demo numbers; its times are the page's clock.
 */
export class FakeProgram implements Client {
  #snapshot: Snapshot;
  #records: CallRecord[];
  #listeners = new Set<(event: IpcEvent) => void>();
  #failures = new Map<CommandName, IpcError>();
  #timers = new Set<ReturnType<typeof setTimeout>>();
  #nextCall = 1;
  /** Every command in order, for tests. */
  readonly log: { cmd: CommandName; args: unknown }[] = [];

  constructor() {
    this.#records = sampleRecords(Date.now());
    this.#snapshot = initialSnapshot();
  }

  async execute<K extends CommandName>(cmd: K, args: Arguments<K>): Promise<Result<K>> {
    this.log.push({ cmd, args });
    await Promise.resolve();
    const failure = this.#failures.get(cmd);
    if (failure !== undefined) {
      this.#failures.delete(cmd);
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what Client.execute rejects with
      throw failure;
    }
    return this.#handlers[cmd](args);
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  subscribe(listener: (event: IpcEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // What a test or a designer does to the world.

  /** The next such command fails. */
  failNext(cmd: CommandName, code: ErrorCode): void {
    this.#failures.set(cmd, ipcError(code, "simulated"));
  }

  /** Changes the snapshot and publishes it. */
  change(change: (draft: Snapshot) => void): void {
    const draft = structuredClone(this.#snapshot);
    change(draft);
    draft.rev += 1;
    draft.agent.allowed = agentAllowed(draft);
    for (const call of draft.calls) call.allowed = callAllowed(call);
    this.#snapshot = draft;
    this.#publish({ ev: "snapshot", snapshot: draft });
  }

  /** Nobody is signed in, as after the start; with a failure, as after an attempt. */
  signedOut(failure?: RegistrationFailureCode, status: number | null = null): void {
    this.stop();
    this.change((draft) => {
      draft.registration = { state: "offline", failure: failure === undefined ? null : { code: failure, status, certificate: null } };
      draft.account = null;
      draft.agent = { ...draft.agent, code: -1, since_ms: Date.now(), until_ms: null, break_reason: null };
      draft.calls = [];
      draft.last_call = null;
    });
  }

  /** Signed in and ready, no call. */
  signedIn(): void {
    this.stop();
    this.change((draft) => {
      draft.registration = { state: "registered", since_ms: Date.now() };
      draft.account = { server: draft.sign_in.server, user: draft.sign_in.user, display_name: draft.sign_in.display_name, transport: draft.sign_in.transport, options: draft.sign_in.options };
      draft.agent = { ...draft.agent, code: 3, since_ms: Date.now(), until_ms: null, break_reason: null };
      draft.calls = [];
      draft.last_call = null;
    });
  }

  /** A call comes in. */
  ring(number = "13800138000", name: string | null = "林晓雨"): void {
    this.#begin("inbound", number, name, "ringing", 6);
    const call = this.#snapshot.calls[0];
    if (call !== undefined) this.#publish({ ev: "ringing", call: call.id });
  }

  /** The call ends by itself. */
  end(cause: EndCause, status: number | null = null): void {
    this.#end(cause, status);
  }

  /** The connection to the server is lost, or found again. */
  reconnecting(on: boolean): void {
    this.change((draft) => {
      draft.registration = on
        ? { state: "reconnecting", since_ms: Date.now(), retry_at_ms: Date.now() + 8000, failure: { code: "connection_lost", status: null, certificate: null } }
        : { state: "registered", since_ms: Date.now() };
    });
  }

  notice(code: NoticeCode, level: Notice["level"]): void {
    this.change((draft) => {
      draft.notices.push({ id: draft.rev, code, level, at_ms: Date.now() });
    });
  }

  records(records: CallRecord[]): void {
    this.#records = records;
    this.change((draft) => {
      draft.call_list_rev += 1;
    });
  }

  levels(microphone: number, speaker: number): void {
    this.#publish({ ev: "levels", microphone, speaker });
  }

  /** Nothing happens by itself any more. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  // The commands.

  #handlers: Handlers = {
    snapshot: () => this.#snapshot,
    sign_in: (args) => {
      if (this.#snapshot.registration.state !== "offline") throw thrown("already_signed_in");
      this.change((draft) => {
        draft.registration = { state: "registering" };
        draft.account = { server: args.server, user: args.user, display_name: args.display_name ?? null, transport: args.transport ?? "udp", options: args.options ?? {} };
        draft.agent = { ...draft.agent, code: 0, since_ms: Date.now() };
      });
      this.#after(NETWORK_MS, () => {
        if (args.password === "wrong") this.signedOut("wrong_credentials", 403);
        else if (args.server.includes("nowhere")) this.signedOut("unknown_host");
        else
          this.change((draft) => {
            draft.registration = { state: "registered", since_ms: Date.now() };
            draft.agent = { ...draft.agent, code: 3, since_ms: Date.now() };
          });
      });
      return null;
    },
    sign_out: () => {
      if (this.#snapshot.calls.length > 0) throw thrown("call_in_progress");
      this.change((draft) => {
        draft.registration = { state: "unregistering" };
        draft.agent = { ...draft.agent, code: 1, since_ms: Date.now(), until_ms: null };
      });
      this.#after(NETWORK_MS, () => this.signedOut());
      return null;
    },
    agent_ready: () => this.#agent(3, null),
    agent_break: ({ reason }) => this.#agent(4, reason ?? null),
    after_call_work: ({ seconds }) => {
      if (this.#snapshot.agent.code !== 5) throw thrown("wrong_state");
      this.change((draft) => {
        draft.agent.until_ms = Date.now() + seconds * 1000;
      });
      this.#wrapUp();
      return null;
    },
    call: ({ uri }) => {
      if (this.#snapshot.calls.length > 0) throw thrown("call_in_progress");
      if (!this.#snapshot.agent.allowed.includes("call")) throw thrown("wrong_state");
      if (uri.trim() === "") throw thrown("bad_number");
      const demo = this.#snapshot.sign_in.demo_numbers.find(({ number }) => number === uri)?.kind;
      const id = this.#begin(demo === "agent" ? "internal" : "outbound", uri, demo === "agent" ? "王敏" : null, "dialing", 8);
      this.#after(NETWORK_MS, () => {
        if (demo === "busy") this.#end("busy", 486);
        else if (demo === "not_found") this.#end("not_found", 404);
        else {
          this.#call((call) => (call.state = "alerting"));
          this.#after(PICK_UP_MS, () => (demo === "no_answer" ? this.#end("no_answer", 408) : this.#establish()));
        }
      });
      return id;
    },
    answer: () => {
      if (this.#snapshot.calls[0]?.state !== "ringing") throw thrown("no_call");
      this.#call((call) => (call.state = "answering"));
      this.#after(NETWORK_MS, () => this.#establish());
      return null;
    },
    hangup: () => {
      const call = this.#snapshot.calls[0];
      if (call === undefined) throw thrown("no_call");
      if (call.answered_ms !== null) this.#end("hung_up", null);
      else this.#end(call.state === "ringing" ? "declined" : "cancelled", null);
      return null;
    },
    call_hold: () => this.#hold(true),
    call_retrieve: () => this.#hold(false),
    call_mute: ({ muted }) => this.#call((call) => (call.muted = muted)),
    send_dtmf: ({ digits }) => this.#call((call) => (call.dtmf += digits)),
    set_volume: ({ role, percent }) => {
      this.change((draft) => {
        draft.devices[role].volume = percent;
      });
      return null;
    },
    select_device: ({ role, device }) => {
      this.change((draft) => {
        draft.devices[role].chosen = device ?? null;
        draft.devices[role].trouble = null;
      });
      return null;
    },
    test_device: () => null,
    demo_call: () => {
      if (!this.#snapshot.capabilities.includes("demo_centre")) throw thrown("no_centre");
      this.#after(NETWORK_MS, () => this.ring());
      return null;
    },
    calls: ({ search, offset = 0, limit = 50 }) => {
      const wanted = search?.toLowerCase() ?? "";
      const matching = this.#records.filter(({ number, name }) => number.includes(wanted) || name?.toLowerCase().includes(wanted) === true);
      return { calls: matching.slice(offset, offset + limit), total: matching.length };
    },
    set_settings: (settings) => {
      this.change((draft) => {
        Object.assign(draft.settings, settings);
      });
      return null;
    },
    dismiss_notice: ({ id }) => {
      this.change((draft) => {
        draft.notices = draft.notices.filter((notice) => notice.id !== id);
      });
      return null;
    },
    dismiss_call: () => {
      this.change((draft) => {
        draft.last_call = null;
      });
      return null;
    },
    quit: () => null,
    add_line: () => unsupported(),
    remove_line: () => unsupported(),
    swap: () => unsupported(),
    transfer: () => unsupported(),
    consult: () => unsupported(),
    transfer_complete: () => unsupported(),
    consult_cancel: () => unsupported(),
    call_info: () => unsupported(),
    send_message: () => unsupported(),
    subscribe: () => unsupported(),
    unsubscribe: () => unsupported(),
    set_presence: () => unsupported(),
  };

  #agent(code: 3 | 4, reason: number | null): null {
    if (!this.#snapshot.agent.allowed.includes(code === 3 ? "ready" : "break")) throw thrown("wrong_state");
    this.stop();
    this.change((draft) => {
      draft.agent = { ...draft.agent, code, since_ms: Date.now(), until_ms: null, break_reason: reason };
    });
    return null;
  }

  #begin(direction: CallDirection, number: string, name: string | null, state: "ringing" | "dialing", code: number): string {
    const id = `call-${this.#nextCall++}`;
    const now = Date.now();
    this.stop();
    this.change((draft) => {
      draft.last_call = null;
      draft.agent = { ...draft.agent, code, since_ms: now, until_ms: null, break_reason: null };
      draft.calls = [
        { ...newCall, id, direction, number, name, state, since_ms: now, started_ms: now, answered_ms: null, ended_ms: null, held_by_peer: false, muted: false, codec: null, dtmf: "", end: null, allowed: [] },
      ];
    });
    return id;
  }

  #establish(): void {
    const direction = this.#snapshot.calls[0]?.direction;
    this.change((draft) => {
      const call = draft.calls[0];
      if (call === undefined) return;
      Object.assign(call, { state: "talking", since_ms: Date.now(), answered_ms: Date.now(), codec: "opus" } satisfies Partial<Call>);
      draft.agent = { ...draft.agent, code: direction === "inbound" ? 9 : direction === "outbound" ? 10 : 11, since_ms: Date.now() };
    });
  }

  #hold(on: boolean): null {
    this.#after(NETWORK_MS, () => {
      this.change((draft) => {
        const call = draft.calls[0];
        if (call === undefined) return;
        call.state = on ? "held" : "talking";
        call.since_ms = Date.now();
        draft.agent = { ...draft.agent, code: on ? 12 : call.direction === "inbound" ? 9 : 10, since_ms: Date.now() };
      });
    });
    return null;
  }

  #end(cause: EndCause, status: number | null): void {
    const now = Date.now();
    this.stop();
    this.change((draft) => {
      const call = draft.calls[0];
      if (call === undefined) return;
      Object.assign(call, { state: "ended", since_ms: now, ended_ms: now, end: { cause, status }, allowed: [] } satisfies Partial<Call>);
      draft.calls = [];
      draft.last_call = call;
      draft.call_list_rev += 1;
      const wrapUp = call.answered_ms !== null && draft.settings.after_call_work_seconds > 0;
      draft.agent = { ...draft.agent, code: wrapUp ? 5 : 3, since_ms: now, until_ms: wrapUp ? now + draft.settings.after_call_work_seconds * 1000 : null };
      const { direction, number, name, started_ms, answered_ms } = call;
      this.#records = [{ id: now, direction, number, name, started_ms, answered_ms, ended_ms: now, end: { cause, status } }, ...this.#records];
    });
    if (this.#snapshot.agent.code === 5) this.#wrapUp();
  }

  #wrapUp(): void {
    this.stop();
    const until = this.#snapshot.agent.until_ms;
    if (until !== null) this.#after(until - Date.now(), () => this.#agent(3, null));
  }

  #call(change: (call: Call) => void): null {
    this.change((draft) => {
      const call = draft.calls[0];
      if (call === undefined) throw thrown("no_call");
      change(call);
    });
    return null;
  }

  #publish(event: IpcEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #after(ms: number, then: () => unknown): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
  }

}

/** What a call has beside its number and its times. */
const newCall = {
  line: "1",
  waiting: false,
  reconnecting: false,
  recovered: false,
  caller: { asserted: null, remote_party: null, anonymous: false, diversions: [], history: [], call_info: [], alert_info: [] },
  headers: [],
  referred_by: null,
  transfer: null,
  consults: null,
} satisfies Partial<Call>;

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- thrown as it is, never read
function thrown(code: ErrorCode): any {
  return ipcError(code, "simulated");
}

function unsupported(): never {
  throw thrown("unsupported");
}

function agentAllowed({ agent, registration, calls }: Snapshot): AgentAction[] {
  if (registration.state === "offline") return ["sign_in"];
  if (registration.state === "registering") return ["sign_out"];
  if (registration.state === "unregistering" || calls.length > 0) return [];
  switch (agent.code) {
    case 3:
      return ["sign_out", "break", "call"];
    case 4:
      return ["sign_out", "ready", "call"];
    case 5:
      return ["sign_out", "ready", "break", "after_call_work", "call"];
    default:
      return ["sign_out", "ready"];
  }
}

function callAllowed(call: Call): CallAction[] {
  switch (call.state) {
    case "ringing":
      return ["answer", "hangup"];
    case "dialing":
    case "alerting":
    case "answering":
      return ["hangup"];
    case "talking":
      return ["hangup", "hold", "mute", "dtmf"];
    case "held":
      return ["hangup", "retrieve", "mute"];
    case "ended":
      return [];
  }
}

function initialSnapshot(): Snapshot {
  const now = Date.now();
  return {
    rev: 1,
    version: "0.1.0",
    capabilities: ["demo_centre", "hold", "dtmf", "after_call_work"],
    account: null,
    lines: [],
    sign_in: {
      server: "127.0.0.1:5060",
      user: "1001",
      display_name: "陈静",
      transport: "udp",
      options: {},
      password_known: true,
      demo_numbers: [
        { number: "1002", kind: "agent" },
        { number: "1003", kind: "agent" },
        { number: "9000", kind: "echo" },
        { number: "9001", kind: "busy" },
        { number: "9002", kind: "no_answer" },
        { number: "9003", kind: "not_found" },
      ],
    },
    registration: { state: "offline", failure: null },
    agent: { code: -1, since_ms: now, until_ms: null, break_reason: null, allowed: ["sign_in"] },
    calls: [],
    last_call: null,
    devices: {
      inputs: [
        { id: "in-1", name: "Jabra Evolve2 65" },
        { id: "in-2", name: "Built-in Audio Analog Stereo" },
      ],
      outputs: [
        { id: "out-1", name: "Jabra Evolve2 65" },
        { id: "out-2", name: "Built-in Audio Analog Stereo" },
      ],
      microphone: { chosen: null, volume: 80, trouble: null },
      speaker: { chosen: null, volume: 70, trouble: null },
      ringer: { chosen: "out-2", volume: 90, trouble: null },
    },
    settings: { language: "system", theme: "system", after_call_work_seconds: 15 },
    notices: [],
    call_list_rev: 1,
  };
}

/** Calls of today and the days before, newest first. */
export function sampleRecords(now: number): CallRecord[] {
  const minute = 60_000;
  const rows: [CallDirection, string, string | null, number, number | null, number, EndCause, number | null][] = [
    ["inbound", "13800138000", "林晓雨", 6, 4, 151, "peer_hung_up", null],
    ["inbound", "02165529988", null, 25, null, 22, "missed", 487],
    ["outbound", "4008108888", null, 40, 6, 412, "hung_up", null],
    ["outbound", "9001", null, 55, null, 1, "busy", 486],
    ["internal", "1002", "王敏", 61, 3, 48, "hung_up", null],
    ["inbound", "18612345678", "Miles O’Brien", 80, 5, 603, "hung_up", null],
    ["outbound", "15900001111", null, 96, null, 31, "no_answer", 480],
    ["inbound", "075588886666", "深圳科创供应链有限公司客户服务部", 24 * 60 + 30, 8, 265, "peer_hung_up", null],
    ["outbound", "1999", null, 24 * 60 + 45, null, 1, "not_found", 404],
    ["inbound", "+8613912345678", null, 3 * 24 * 60, 9, 75, "hung_up", null],
  ];
  return rows.map(([direction, number, name, ago, wait, length, cause, status], index) => {
    const started_ms = now - ago * minute;
    const answered_ms = wait === null ? null : started_ms + wait * 1000;
    return { id: rows.length - index, direction, number, name, started_ms, answered_ms, ended_ms: (answered_ms ?? started_ms) + length * 1000, end: { cause, status } };
  });
}
