import type { CommandTable, ErrorCode, IpcError, IpcEvent, Snapshot } from "./generated";

export type CommandName = keyof CommandTable;

/** Arguments of a command; commands without arguments take none. */
export type Arguments<K extends CommandName> = CommandTable[K]["args"];
export type Result<K extends CommandName> = CommandTable[K]["result"];

/**
 * The program, as a page sees it. The panel works over any implementation: Tauri's (ipc/tauri.ts), the simulation of the
 * tests (ipc/fake.ts).
 */
export interface Client {
  /** Carries a command out; rejects with an {@link IpcError} and nothing else. */
  execute<K extends CommandName>(cmd: K, args: Arguments<K>): Promise<Result<K>>;
  /** The newest snapshot known here, at once. */
  snapshot(): Snapshot;
  /** Every event from now on, in order; returns what ends the subscription. */
  subscribe(listener: (event: IpcEvent) => void): () => void;
}

/** Turns whatever was thrown into an {@link IpcError}. */
export function asIpcError(thrown: unknown): IpcError {
  if (isIpcError(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: "internal", message, retryable: false };
}

function isIpcError(thrown: unknown): thrown is IpcError {
  return (
    typeof thrown === "object" &&
    thrown !== null &&
    typeof (thrown as { code?: unknown }).code === "string" &&
    typeof (thrown as { message?: unknown }).message === "string"
  );
}

/** An error as the program would answer. */
export function ipcError(code: ErrorCode, message: string, retryable = false): IpcError {
  return { code, message, retryable };
}
