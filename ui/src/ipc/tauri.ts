import { invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";

import { asIpcError, type Arguments, type Client, type CommandName, type Result } from "./client";
import type { IpcEvent, Snapshot } from "./generated";

/** Whether this page runs inside the desktop program. */
export function insideTauri(): boolean {
  return "__TAURI_INTERNALS__" in window;
}

/** Connects to the desktop program: listens first and asks for the snapshot then, so that no change falls between. */
export async function connectTauri(): Promise<Client> {
  const listeners = new Set<(event: IpcEvent) => void>();
  const newest: { snapshot?: Snapshot } = {};

  // Two paths bring snapshots (the events and the first answer): the older never replaces the newer.
  const accept = (snapshot: Snapshot): boolean => {
    if (newest.snapshot !== undefined && snapshot.rev < newest.snapshot.rev) return false;
    newest.snapshot = snapshot;
    return true;
  };

  await listen<IpcEvent>("deskline://event", ({ payload }) => {
    if (payload.ev === "snapshot" && !accept(payload.snapshot)) return;
    for (const listener of listeners) listener(payload);
  });
  const first = await execute("snapshot", {});
  accept(first);

  return {
    execute,
    snapshot: () => newest.snapshot ?? first,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

async function execute<K extends CommandName>(cmd: K, args: Arguments<K>): Promise<Result<K>> {
  try {
    return await invoke<Result<K>>("execute", { command: { cmd, ...args } });
  } catch (thrown) {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- the contract of Client.execute: an IpcError object
    throw asIpcError(thrown);
  }
}
