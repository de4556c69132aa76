import { createComputed, createMemo, createSignal, getOwner, on, onCleanup, runWithOwner, type Accessor } from "solid-js";
import { createStore, reconcile } from "solid-js/store";

import { textsOf, type Texts } from "../i18n";
import { asIpcError, type Arguments, type Client, type CommandName, type Result } from "../ipc/client";
import type { Call, Capability, ErrorCode, IpcEvent, Snapshot } from "../ipc/generated";
import { currentCall } from "./states";

export type View = "incoming" | "outgoing" | "calls" | "devices" | "settings";
/** The actions of the header; a page may show fewer. */
export type HeaderAction = "break" | "offline" | "volume";
export type ResolvedTheme = "light" | "dark" | "high-contrast";
export type Toast = { id: number; code: ErrorCode };
export type Levels = { microphone: number; speaker: number };
/** A message that came in, and what was answered to it. */
export type Message = { id: number; line: string; from: string; body: string; contentType: string; atMs: number; reply: Reply | null };
/** An answer on its way, taken by the server, or not. */
export type Reply = { body: string; sent: string; state: "sending" | "delivered" | "failed"; status: number | null };

/** The agent's state code while wrapping a call up. */
const AFTER_CALL_WORK = 5;
/** How long a toast stays, ms. */
const TOAST_MS = 6000;
const TOASTS_AT_ONCE = 3;
/** Messages that are kept until dismissed; the oldest goes first. */
const MESSAGES_KEPT = 50;

/** In the place of the controls of a call: nothing, the keypad, or the choice of whom it is transferred to. */
export type Drawer = "controls" | "keypad" | "transfer";

/** What the views share: the snapshot, the texts, and the few things that only the page knows. */
export interface Model {
  snapshot: Snapshot;
  texts: Accessor<Texts>;
  theme: Accessor<ResolvedTheme>;
  can(capability: Capability): boolean;
  /** The call that the card shows: the one that the agent chose, else the active one. */
  call: Accessor<Call | undefined>;
  /** Shows the card of that call. */
  showCall(id: string): void;
  /** The side of the navigation on which the calls are: the first one's, until none is left. */
  callSide: Accessor<View>;
  view: Accessor<View>;
  show(view: View): void;
  /** Peak levels of the running call, dBFS. */
  levels: Accessor<Levels>;
  toasts: Accessor<readonly Toast[]>;
  dismissToast(id: number): void;
  /** Whether this command is on its way: its button waits. */
  busy(cmd: CommandName): boolean;
  /** Carries a command out; a failure becomes a toast and `undefined`. The same command is not sent twice at once. */
  run<K extends CommandName>(cmd: K, args: Arguments<K>): Promise<{ result: Result<K> } | undefined>;
  /** As `run`, for those who deal with the failure themselves. */
  execute: Client["execute"];
  /** Shows what a command threw as a toast. */
  report: (thrown: unknown) => void;
  /** The number that was dialled last, for redial. */
  lastDialled: Accessor<string>;
  /** Dials, by the agent's own line where no other is named. */
  dial(number: string, line?: string): Promise<boolean>;
  /** What stands in the place of the controls of the call that is shown. */
  drawer: Accessor<Drawer>;
  open(drawer: Drawer): void;
  /** Where else the agent's accounts are in use, as it was told last. */
  elsewhere: Accessor<readonly string[]>;
  /** Messages that came in, newest first. */
  messages: Accessor<readonly Message[]>;
  dismissMessage(id: number): void;
  /** Sends an answer to whom the message came from; tells whether it was taken. */
  reply(message: Message, body: string): Promise<boolean>;
}

/** Creates the model inside the current reactive root, and keeps it current until that root is disposed. */
export function createModel(client: Client): Model {
  const owner = getOwner();
  const [snapshot, setSnapshot] = createStore<Snapshot>(structuredClone(client.snapshot()));
  const [view, show] = createSignal<View>("incoming");
  const [levels, setLevels] = createSignal<Levels>({ microphone: -96, speaker: -96 });
  const [toasts, setToasts] = createSignal<readonly Toast[]>([]);
  const [pending, setPending] = createSignal<ReadonlySet<CommandName>>(new Set());
  const [lastDialled, setLastDialled] = createSignal("");
  const [drawer, open] = createSignal<Drawer>("controls");
  const [elsewhere, setElsewhere] = createSignal<readonly string[]>([]);
  const [messages, setMessages] = createSignal<readonly Message[]>([]);
  const [callSide, setCallSide] = createSignal<View>("incoming");
  const [chosen, choose] = createSignal<string>();
  const current = createMemo(() => currentCall(snapshot.calls));
  const call = createMemo(() => snapshot.calls.find(({ id }) => id === chosen()) ?? current());
  const languages = createPreferredLanguages();
  const theme = createTheme(snapshot);
  let toastId = 0;
  let messageId = 0;
  let known = snapshot.calls.map(({ id }) => id);

  const showCalls = (first: Call | undefined): void => {
    if (first === undefined) return;
    setCallSide(first.direction === "inbound" ? "incoming" : "outgoing");
    show(callSide());
  };
  showCalls(snapshot.calls[0]);

  // Whom the agent looks at is his choice only as long as he talks to nobody else.
  createComputed(on(() => current()?.id, () => choose(undefined)));
  createComputed(
    on(
      () => call()?.id,
      () => {
        open("controls");
        setLevels({ microphone: -96, speaker: -96 });
      },
    ),
  );

  // Whether a message was delivered may be told before the command that sent it has returned its id.
  const told = new Map<string, Pick<Reply, "state" | "status">>();
  const delivered = (sent: string, state: Reply["state"], status: number | null): void => {
    if (told.size > MESSAGES_KEPT) told.clear();
    told.set(sent, { state, status });
    setMessages((all) => all.map((message) => (message.reply?.sent === sent ? { ...message, reply: { ...message.reply, state, status } } : message)));
  };

  const handle = (event: IpcEvent): void => {
    if (event.ev === "levels") {
      setLevels({ microphone: event.microphone, speaker: event.speaker });
    } else if (event.ev === "snapshot") {
      const wrapsUp = event.snapshot.agent.code === AFTER_CALL_WORK && snapshot.agent.code !== AFTER_CALL_WORK;
      // The store keeps what it is given: a copy keeps it apart from the client's own.
      setSnapshot(reconcile(structuredClone(event.snapshot), { key: "id" }));
      const fresh = snapshot.calls.find(({ id }) => !known.includes(id));
      const first = known.length === 0;
      known = snapshot.calls.map(({ id }) => id);
      if (fresh !== undefined) {
        if (first) showCalls(fresh);
        // A call that waits comes in above whatever is shown, and leaves it where it is.
        else if (fresh.state !== "ringing") show(callSide());
      } else if (wrapsUp && view() === "outgoing") {
        // The countdown has its place in the first view; the dial pad stays free for the next number.
        show("incoming");
      }
    } else if (event.ev === "message") {
      const { line, from, body, content_type: contentType } = event;
      setMessages((all) => [{ id: ++messageId, line, from, body, contentType, atMs: Date.now(), reply: null }, ...all].slice(0, MESSAGES_KEPT));
    } else if (event.ev === "logged_in_elsewhere") {
      setElsewhere(event.contacts);
    } else if (event.ev === "message_sent") {
      delivered(event.id, "delivered", null);
    } else if (event.ev === "message_failed") {
      delivered(event.id, "failed", event.status);
    }
  };
  onCleanup(client.subscribe((event) => runWithOwner(owner, () => handle(event))));
  // A change between the first read and the subscription is not lost.
  handle({ ev: "snapshot", snapshot: client.snapshot() });

  const dismissToast = (id: number): void => {
    setToasts((all) => all.filter((toast) => toast.id !== id));
  };
  const report = (thrown: unknown): void => {
    const { code } = asIpcError(thrown);
    const id = ++toastId;
    // The same trouble said twice is one trouble.
    setToasts((all) => [...all.filter((toast) => toast.code !== code), { id, code }].slice(-TOASTS_AT_ONCE));
    setTimeout(() => dismissToast(id), TOAST_MS);
  };

  const run: Model["run"] = async (cmd, args) => {
    if (pending().has(cmd)) return undefined;
    setPending((all) => new Set(all).add(cmd));
    try {
      return { result: await client.execute(cmd, args) };
    } catch (thrown) {
      report(thrown);
      return undefined;
    } finally {
      setPending((all) => {
        const rest = new Set(all);
        rest.delete(cmd);
        return rest;
      });
    }
  };

  return {
    snapshot,
    texts: createMemo(() => textsOf(snapshot.settings.language, languages())),
    theme,
    can: (capability) => snapshot.capabilities.includes(capability),
    call,
    showCall(id) {
      choose(id);
      show(callSide());
    },
    callSide,
    view,
    show,
    levels,
    toasts,
    dismissToast,
    busy: (cmd) => pending().has(cmd),
    run,
    execute: (cmd, args) => client.execute(cmd, args),
    report,
    lastDialled,
    async dial(number, line) {
      setLastDialled(number);
      return (await run("call", line === undefined ? { uri: number } : { uri: number, line })) !== undefined;
    },
    drawer,
    open,
    elsewhere,
    messages,
    dismissMessage: (id) => setMessages((all) => all.filter((message) => message.id !== id)),
    async reply(message, body) {
      const taken = await run("send_message", { to: message.from, body, line: message.line });
      if (taken === undefined) return false;
      const reply: Reply = { body, sent: taken.result, state: "sending", status: null, ...told.get(taken.result) };
      setMessages((all) => all.map((other) => (other.id === message.id ? { ...other, reply } : other)));
      return true;
    },
  };
}

function createPreferredLanguages(): Accessor<readonly string[]> {
  const [languages, setLanguages] = createSignal<readonly string[]>(navigator.languages);
  const read = (): void => {
    setLanguages([...navigator.languages]);
  };
  window.addEventListener("languagechange", read);
  onCleanup(() => window.removeEventListener("languagechange", read));
  return languages;
}

function createTheme(snapshot: Snapshot): Accessor<ResolvedTheme> {
  const dark = createMedia("(prefers-color-scheme: dark)");
  const contrast = createMedia("(prefers-contrast: more)");
  const forced = createMedia("(forced-colors: active)");
  return createMemo(() => {
    if (forced()) return "high-contrast";
    if (snapshot.settings.theme !== "system") return snapshot.settings.theme;
    if (contrast()) return "high-contrast";
    return dark() ? "dark" : "light";
  });
}

function createMedia(query: string): Accessor<boolean> {
  const list = window.matchMedia(query);
  const [matches, setMatches] = createSignal(list.matches);
  const read = (): void => {
    setMatches(list.matches);
  };
  list.addEventListener("change", read);
  onCleanup(() => list.removeEventListener("change", read));
  return matches;
}
