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
  Line,
  Notice,
  NoticeCode,
  RefusedCertificate,
  Registration,
  RegistrationFailureCode,
  Snapshot,
  TransferState,
} from "./generated";

type Handlers = { [K in CommandName]: (args: Arguments<K>) => CommandTable[K]["result"] };

/** How long the simulated network takes, ms. */
const NETWORK_MS = 150;
const PICK_UP_MS = 1200;
/** How many calls at once. */
const CALL_LIMIT = 3;
/** What a server named `selfsigned` shows. */
export const SELF_SIGNED = "3F:0A:91:C2:5D:77:E8:14:B6:29:4C:D0:8A:F3:61:9E:05:BC:72:1D:E4:98:37:AF:50:CB:16:83:DE:4F:29:A7";

/**
 * The program, simulated in the page: for the tests of the views and for looking at them without the program. It knows
 * one agent, several lines and calls, and the demo numbers; its times are the page's clock.
 */
export class FakeProgram implements Client {
  #snapshot: Snapshot;
  #records: CallRecord[];
  #listeners = new Set<(event: IpcEvent) => void>();
  #failures = new Map<CommandName, IpcError>();
  /** Each with the call that it belongs to. */
  #timers = new Map<ReturnType<typeof setTimeout>, string>();
  #nextCall = 1;
  #nextLine = 2;
  #nextMessage = 1;
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
    draft.lines = linesOf(draft);
    draft.agent.allowed = agentAllowed(draft);
    for (const call of draft.calls) call.allowed = callAllowed(call, draft.calls);
    this.#snapshot = draft;
    this.#publish({ ev: "snapshot", snapshot: draft });
  }

  /** Nobody is signed in, as after the start; with a failure, as after an attempt. */
  signedOut(failure?: RegistrationFailureCode, status: number | null = null, certificate: RefusedCertificate | null = null): void {
    this.stop();
    this.change((draft) => {
      draft.registration = { state: "offline", failure: failure === undefined ? null : { code: failure, status, certificate } };
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

  /** A call comes in; it waits where another is in progress. */
  ring(number = "13800138000", name: string | null = "林晓雨", more: Partial<Call> = {}): void {
    const id = this.#begin("inbound", number, name, "ringing", { waiting: this.#snapshot.calls.length > 0, ...more });
    this.#publish({ ev: "ringing", call: id });
  }

  /** A call ends by itself: the one named, else the oldest. */
  end(cause: EndCause, status: number | null = null, call = this.#snapshot.calls[0]?.id): void {
    if (call !== undefined) this.#end(call, cause, status);
  }

  /** The calls lose their signalling, or have it again. */
  callsReconnecting(on: boolean): void {
    this.change((draft) => draft.calls.forEach((call) => (call.reconnecting = on)));
  }

  /** A text message comes in. */
  message(from: string, body: string, contentType = "text/plain"): void {
    this.#publish({ ev: "message", line: "1", from, content_type: contentType, body });
  }

  /** The account is in use on another device too. */
  elsewhere(contacts: string[]): void {
    this.#publish({ ev: "logged_in_elsewhere", line: "1", contacts });
    this.notice("logged_in_elsewhere", "warning");
  }

  /** A further line in some state of its registration. */
  line(user: string, registration: Registration): void {
    this.change((draft) => {
      const own = draft.lines[0];
      if (own === undefined) return;
      draft.lines.push({ id: String(this.#nextLine++), account: { ...own.account, user, display_name: null }, registration });
    });
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
    for (const timer of this.#timers.keys()) clearTimeout(timer);
    this.#timers.clear();
  }

  #stopCall(call: string): void {
    for (const [timer, of] of this.#timers) {
      if (of !== call) continue;
      clearTimeout(timer);
      this.#timers.delete(timer);
    }
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
        else if (args.server.includes("selfsigned") && args.options?.tls?.pinned?.includes(SELF_SIGNED) !== true)
          this.signedOut("certificate_refused", null, { fault: "unknown_issuer", fingerprint: SELF_SIGNED });
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
      if (!this.#snapshot.agent.allowed.includes("call")) throw thrown(this.#snapshot.calls.length > 0 ? "call_limit" : "wrong_state");
      if (uri.trim() === "") throw thrown("bad_number");
      this.#holdAllBut("");
      return this.#dial(uri, {});
    },
    answer: ({ call }) => {
      const ringing = this.#snapshot.calls.find((other) => other.state === "ringing" && (call === undefined || other.id === call));
      if (ringing === undefined) throw thrown("no_call");
      this.#holdAllBut(ringing.id);
      this.#call(ringing.id, (answered) => (answered.state = "answering"));
      this.#after(NETWORK_MS, () => this.#establish(ringing.id), ringing.id);
      return null;
    },
    hangup: ({ call }) => {
      const ended = this.#find(call);
      if (ended.answered_ms !== null) this.#end(ended.id, "hung_up", null);
      else this.#end(ended.id, ended.state === "ringing" ? "declined" : "cancelled", null);
      return null;
    },
    call_hold: ({ call }) => this.#hold(this.#find(call).id, true),
    call_retrieve: ({ call }) => {
      const { id } = this.#find(call);
      this.#holdAllBut(id);
      return this.#hold(id, false);
    },
    swap: () => {
      const active = this.#snapshot.calls.find(({ state }) => state === "talking");
      const held = this.#snapshot.calls.find(({ state }) => state === "held");
      if (active === undefined || held === undefined) throw thrown("wrong_state");
      this.#after(NETWORK_MS, () => {
        this.#holdAllBut(held.id);
        this.#activate(held.id);
      });
      return null;
    },
    transfer: ({ call, to }) => {
      const transferred = this.#find(call).id;
      const step = (state: TransferState, status: number | null): void => {
        this.#call(transferred, (moved) => (moved.transfer = { state, to, status }));
        this.#publish({ ev: "transfer", call: transferred, state, status });
      };
      step("requested", null);
      const demo = this.#snapshot.sign_in.demo_numbers.find(({ number }) => number === to)?.kind;
      const failure = demo === "busy" ? 486 : demo === "not_found" ? 404 : demo === "no_answer" ? 408 : undefined;
      this.#after(NETWORK_MS, () => {
        step("accepted", 100);
        this.#after(
          NETWORK_MS * 2,
          () => {
            if (failure !== undefined && failure !== 408) {
              step("failed", failure);
              return;
            }
            step("ringing", 180);
            this.#after(
              PICK_UP_MS,
              () => {
                step(failure === undefined ? "succeeded" : "failed", failure ?? 200);
                if (failure === undefined) this.#end(transferred, "transferred", null);
              },
              transferred,
            );
          },
          transferred,
        );
      }, transferred);
      return null;
    },
    consult: ({ call, to }) => {
      const customer = this.#find(call).id;
      if (this.#snapshot.calls.length >= CALL_LIMIT) throw thrown("call_limit");
      this.#holdAllBut("");
      return this.#dial(to, { consults: customer });
    },
    transfer_complete: ({ call }) => {
      const [customer, consult] = this.#consultation(call);
      this.#call(customer, (moved) => (moved.transfer = { state: "requested", to: this.#find(consult).number, status: null }));
      this.#after(
        NETWORK_MS * 2,
        () => {
          this.#end(consult, "transferred", null);
          this.#end(customer, "transferred", null);
        },
        customer,
      );
      return null;
    },
    consult_cancel: ({ call }) => {
      const [customer, consult] = this.#consultation(call);
      this.#end(consult, this.#find(consult).answered_ms === null ? "cancelled" : "hung_up", null);
      return this.#hold(customer, false);
    },
    call_info: () => null,
    call_mute: ({ muted, call }) => this.#call(this.#find(call).id, (changed) => (changed.muted = muted)),
    send_dtmf: ({ digits, call }) => this.#call(this.#find(call).id, (changed) => (changed.dtmf += digits)),
    send_message: ({ body }) => {
      const id = `message-${this.#nextMessage++}`;
      this.#after(NETWORK_MS, () => this.#publish(body.includes("!fail") ? { ev: "message_failed", id, status: 404 } : { ev: "message_sent", id }));
      return id;
    },
    subscribe: () => "subscription-1",
    unsubscribe: () => null,
    set_presence: () => null,
    add_line: ({ account }) => {
      const id = String(this.#nextLine++);
      const { server, user, display_name, transport, options } = account;
      this.change((draft) => {
        draft.lines.push({
          id,
          account: { server, user, display_name: display_name ?? null, transport: transport ?? "udp", options: options ?? {} },
          registration: { state: "registering" },
        });
      });
      this.#after(NETWORK_MS, () =>
        this.change((draft) => {
          const line = draft.lines.find((other) => other.id === id);
          if (line === undefined) return;
          line.registration =
            account.password === "wrong"
              ? { state: "offline", failure: { code: "wrong_credentials", status: 403, certificate: null } }
              : { state: "registered", since_ms: Date.now() };
        }),
      );
      return id;
    },
    remove_line: ({ line }) => {
      if (line === "1") throw thrown("wrong_state");
      this.change((draft) => {
        draft.lines = draft.lines.filter(({ id }) => id !== line);
      });
      return null;
    },
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
    dismiss_notice: ({ notice: dismissed }) => {
      this.change((draft) => {
        draft.notices = draft.notices.filter((notice) => notice.id !== dismissed);
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
  };

  #agent(code: 3 | 4, reason: number | null): null {
    if (!this.#snapshot.agent.allowed.includes(code === 3 ? "ready" : "break")) throw thrown("wrong_state");
    this.stop();
    this.change((draft) => {
      draft.agent = { ...draft.agent, code, since_ms: Date.now(), until_ms: null, break_reason: reason };
    });
    return null;
  }

  #begin(direction: CallDirection, number: string, name: string | null, state: "ringing" | "dialing", more: Partial<Call>): string {
    const id = `call-${this.#nextCall++}`;
    const now = Date.now();
    this.#stopCall("");
    this.change((draft) => {
      draft.last_call = null;
      draft.calls.push({
        ...newCall,
        id,
        direction,
        number,
        name,
        state,
        since_ms: now,
        started_ms: now,
        answered_ms: null,
        ended_ms: null,
        held_by_peer: false,
        muted: false,
        codec: null,
        dtmf: "",
        end: null,
        allowed: [],
        ...more,
      });
      this.#agentOfCalls(draft);
    });
    return id;
  }

  #dial(to: string, more: Partial<Call>): string {
    const demo = this.#snapshot.sign_in.demo_numbers.find(({ number }) => number === to)?.kind;
    const id = this.#begin(demo === "agent" ? "internal" : "outbound", to, demo === "agent" ? "王敏" : null, "dialing", more);
    this.#after(
      NETWORK_MS,
      () => {
        if (demo === "busy") this.#end(id, "busy", 486);
        else if (demo === "not_found") this.#end(id, "not_found", 404);
        else {
          this.#call(id, (call) => (call.state = "alerting"));
          this.#after(PICK_UP_MS, () => (demo === "no_answer" ? this.#end(id, "no_answer", 408) : this.#establish(id)), id);
        }
      },
      id,
    );
    return id;
  }

  #establish(id: string): void {
    this.change((draft) => {
      const call = draft.calls.find((other) => other.id === id);
      if (call === undefined) return;
      Object.assign(call, { state: "talking", since_ms: Date.now(), answered_ms: Date.now(), codec: "opus" } satisfies Partial<Call>);
      this.#agentOfCalls(draft);
    });
  }

  #hold(id: string, on: boolean): null {
    this.#after(NETWORK_MS, () => (on ? this.#holdAllBut("") : this.#activate(id)), id);
    return null;
  }

  #activate(id: string): void {
    this.change((draft) => {
      const call = draft.calls.find((other) => other.id === id);
      if (call === undefined) return;
      call.state = "talking";
      call.since_ms = Date.now();
      this.#agentOfCalls(draft);
    });
  }

  #holdAllBut(id: string): void {
    this.change((draft) => {
      for (const call of draft.calls) {
        if (call.state !== "talking" || call.id === id) continue;
        call.state = "held";
        call.since_ms = Date.now();
      }
      this.#agentOfCalls(draft);
    });
  }

  /** The agent's state follows the calls: the one that is active, else the last. */
  #agentOfCalls(draft: Snapshot): void {
    const call = draft.calls.find(({ state }) => state !== "held" && state !== "ringing") ?? draft.calls.find(({ state }) => state === "held") ?? draft.calls[0];
    if (call === undefined) return;
    const code = codeOf(call);
    if (draft.agent.code !== code) draft.agent = { ...draft.agent, code, since_ms: Date.now(), until_ms: null, break_reason: null };
  }

  #consultation(call: string | undefined): [customer: string, consult: string] {
    for (const { id, consults } of this.#snapshot.calls) {
      if (consults !== null && (call === undefined || call === id || call === consults)) return [consults, id];
    }
    throw thrown("wrong_state");
  }

  #find(id: string | undefined): Call {
    const call = id === undefined ? this.#snapshot.calls[0] : this.#snapshot.calls.find((other) => other.id === id);
    if (call === undefined) throw thrown("no_call");
    return call;
  }

  #end(id: string, cause: EndCause, status: number | null): void {
    const now = Date.now();
    this.#stopCall(id);
    this.change((draft) => {
      const call = draft.calls.find((other) => other.id === id);
      if (call === undefined) return;
      Object.assign(call, { state: "ended", since_ms: now, ended_ms: now, end: { cause, status }, allowed: [] } satisfies Partial<Call>);
      draft.calls = draft.calls.filter((other) => other !== call);
      for (const other of draft.calls) if (other.consults === id) other.consults = null;
      draft.last_call = call;
      draft.call_list_rev += 1;
      const { direction, number, name, started_ms, answered_ms } = call;
      this.#records = [{ id: now, direction, number, name, started_ms, answered_ms, ended_ms: now, end: { cause, status } }, ...this.#records];
      if (draft.calls.length > 0) {
        this.#agentOfCalls(draft);
        return;
      }
      const wrapUp = call.answered_ms !== null && draft.settings.after_call_work_seconds > 0;
      draft.agent = { ...draft.agent, code: wrapUp ? 5 : 3, since_ms: now, until_ms: wrapUp ? now + draft.settings.after_call_work_seconds * 1000 : null };
    });
    if (this.#snapshot.agent.code === 5) this.#wrapUp();
  }

  #wrapUp(): void {
    this.#stopCall("");
    const until = this.#snapshot.agent.until_ms;
    if (until !== null) this.#after(until - Date.now(), () => this.#agent(3, null));
  }

  #call(id: string, change: (call: Call) => void): null {
    this.change((draft) => {
      const call = draft.calls.find((other) => other.id === id);
      if (call === undefined) throw thrown("no_call");
      change(call);
      this.#agentOfCalls(draft);
    });
    return null;
  }

  #publish(event: IpcEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #after(ms: number, then: () => unknown, call = ""): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.set(timer, call);
  }
}

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

function agentAllowed({ agent, registration, calls }: Snapshot): AgentAction[] {
  if (registration.state === "offline") return ["sign_in"];
  if (registration.state === "registering") return ["sign_out"];
  if (registration.state === "unregistering") return [];
  if (calls.length > 0) return calls.length < CALL_LIMIT && calls.every(({ state }) => state === "talking" || state === "held") ? ["call"] : [];
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

function codeOf(call: Call): number {
  switch (call.state) {
    case "ringing":
    case "answering":
      return 6;
    case "dialing":
    case "alerting":
      return 8;
    case "held":
      return 12;
    default:
      return call.direction === "inbound" ? 9 : call.direction === "outbound" ? 10 : 11;
  }
}

function linesOf({ account, registration, lines }: Snapshot): Line[] {
  return account === null || registration.state === "offline" ? [] : [{ id: "1", account, registration }, ...lines.filter(({ id }) => id !== "1")];
}

function callAllowed(call: Call, calls: readonly Call[]): CallAction[] {
  const others = calls.filter(({ id }) => id !== call.id);
  const consult = calls.find(({ id, consults }) => consults !== null && (id === call.id || consults === call.id));
  const customer = calls.find(({ id }) => id === consult?.consults);
  const stands = (other: Call | undefined) => other?.state === "talking" || other?.state === "held";
  const pair: CallAction[] = consult === undefined ? [] : stands(consult) && stands(customer) ? ["complete_transfer", "cancel_consult"] : ["cancel_consult"];
  const moving = call.transfer !== null && call.transfer.state !== "failed";
  switch (call.state) {
    case "ringing":
      return ["answer", "hangup"];
    case "dialing":
    case "alerting":
      return ["hangup", ...pair];
    case "answering":
      return ["hangup"];
    case "talking":
      return [
        ...(["hangup", "hold", "mute", "dtmf", "info"] as const),
        ...(moving || consult !== undefined ? [] : (["transfer", ...(calls.length < CALL_LIMIT ? (["consult"] as const) : [])] as const)),
        ...(others.some(({ state }) => state === "held") ? (["swap"] as const) : []),
        ...pair,
      ];
    case "held":
      return [
        ...(["hangup", "retrieve", "mute"] as const),
        ...(moving || consult !== undefined ? [] : (["transfer"] as const)),
        ...pair,
      ];
    case "ended":
      return [];
  }
}

function initialSnapshot(): Snapshot {
  const now = Date.now();
  return {
    rev: 1,
    version: "0.1.0",
    capabilities: ["demo_centre", "hold", "dtmf", "after_call_work", "transfer", "consult", "message", "several_lines"],
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
