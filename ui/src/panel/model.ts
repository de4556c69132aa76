import { createMemo, createSignal, getOwner, onCleanup, runWithOwner, type Accessor } from "solid-js";
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

/** The agent's state code while wrapping a call up. */
const AFTER_CALL_WORK = 5;
/** How long a toast stays, ms. */
const TOAST_MS = 6000;
const TOASTS_AT_ONCE = 3;

/** What the views share: the snapshot, the texts, and the few things that only the page knows. */
export interface Model {
  snapshot: Snapshot;
  texts: Accessor<Texts>;
  theme: Accessor<ResolvedTheme>;
  can(capability: Capability): boolean;
  /** The call that the card shows. */
  call: Accessor<Call | undefined>;
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
  dial(number: string): Promise<boolean>;
  /** Whether the keypad of the running call is open. */
  keypadOpen: Accessor<boolean>;
  setKeypadOpen(open: boolean): void;
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
  const [keypadOpen, setKeypadOpen] = createSignal(false);
  const call = createMemo(() => currentCall(snapshot.calls));
  const languages = createPreferredLanguages();
  const theme = createTheme(snapshot);
  let toastId = 0;
  let known = snapshot.calls.map(({ id }) => id);

  const showCall = (shown: Call | undefined): void => {
    if (shown !== undefined) show(shown.direction === "inbound" ? "incoming" : "outgoing");
  };
  showCall(call());

  const handle = (event: IpcEvent): void => {
    if (event.ev === "levels") {
      setLevels({ microphone: event.microphone, speaker: event.speaker });
    } else if (event.ev === "snapshot") {
      const wrapsUp = event.snapshot.agent.code === AFTER_CALL_WORK && snapshot.agent.code !== AFTER_CALL_WORK;
      // The store keeps what it is given: a copy keeps it apart from the client's own.
      setSnapshot(reconcile(structuredClone(event.snapshot), { key: "id" }));
      const fresh = snapshot.calls.find(({ id }) => !known.includes(id));
      known = snapshot.calls.map(({ id }) => id);
      if (fresh !== undefined) {
        setKeypadOpen(false);
        setLevels({ microphone: -96, speaker: -96 });
        showCall(fresh);
      } else if (wrapsUp && view() === "outgoing") {
        // The countdown has its place in the first view; the dial pad stays free for the next number.
        show("incoming");
      }
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
    async dial(number) {
      setLastDialled(number);
      return (await run("call", { uri: number })) !== undefined;
    },
    keypadOpen,
    setKeypadOpen,
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
