import { For } from "solid-js";

const KEYS: readonly (readonly [string, string])[] = [
  ["1", ""],
  ["2", "ABC"],
  ["3", "DEF"],
  ["4", "GHI"],
  ["5", "JKL"],
  ["6", "MNO"],
  ["7", "PQRS"],
  ["8", "TUV"],
  ["9", "WXYZ"],
  ["*", ""],
  ["0", "+"],
  ["#", ""],
];

const SPELLED: Record<string, string> = { "*": "star", "#": "hash" };

/** The twelve keys. `testid` is followed by the digit, `star` or `hash`. */
export function Keypad(props: { label: string; testid: string; disabled?: boolean; onKey: (key: string) => void }) {
  return (
    <div class="keypad" role="group" aria-label={props.label}>
      <For each={KEYS}>
        {([key, letters]) => (
          <button
            type="button"
            class="key"
            disabled={props.disabled}
            data-testid={`${props.testid}-${SPELLED[key] ?? key}`}
            onClick={() => props.onKey(key)}
          >
            <span class="key-digit">{key}</span> <span class="key-letters">{letters}</span>
          </button>
        )}
      </For>
    </div>
  );
}
