import { createSignal, onCleanup, onMount, Show, type Accessor } from "solid-js";

import { cleanNumber, isDialKey } from "../dialling";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { isTyping } from "../shortcuts";

/** A field for a number that keys of a keypad, of the keyboard and pasted text go into. */
export type DialField = {
  text: Accessor<string>;
  setText: (text: string) => void;
  /** What would be dialled; empty where nothing could. */
  number: Accessor<string>;
  insert: (key: string) => void;
  erase: () => void;
  /** For {@link DialInput}. */
  input: (element: HTMLInputElement) => void;
  remember: () => void;
};

/** Digits that are typed anywhere in `keyTarget` go into the field, for as long as the calling component lives. */
export function createDialField(keyTarget: EventTarget, initial = ""): DialField {
  const [text, setText] = createSignal(initial);
  let input!: HTMLInputElement;

  // A field that has lost the focus to a key forgets in some browsers where its caret stood.
  let left: [number, number] | undefined;
  const remember = (): void => {
    left = [input.selectionStart ?? text().length, input.selectionEnd ?? text().length];
  };
  const selection = (): [number, number] => {
    const root = input.getRootNode();
    const focused = (root instanceof ShadowRoot || root instanceof Document) && root.activeElement === input;
    if (focused) remember();
    const [start, end] = left ?? [text().length, text().length];
    return [Math.min(start, text().length), Math.min(end, text().length)];
  };
  const replace = (start: number, end: number, by: string): void => {
    setText(text().slice(0, start) + by + text().slice(end));
    input.value = text();
    const caret = start + by.length;
    input.setSelectionRange(caret, caret);
    left = [caret, caret];
  };
  const insert = (key: string): void => replace(...selection(), key);
  const erase = (): void => {
    const [start, end] = selection();
    replace(start === end ? Math.max(0, end - 1) : start, end, "");
  };

  const onKeyDown = (event: Event): void => {
    if (!(event instanceof KeyboardEvent) || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (isDialKey(event.key)) {
      event.preventDefault();
      insert(event.key);
      input.focus();
    } else if (event.key === "Backspace") {
      event.preventDefault();
      erase();
    }
  };
  onMount(() => {
    keyTarget.addEventListener("keydown", onKeyDown);
    onCleanup(() => keyTarget.removeEventListener("keydown", onKeyDown));
    input.focus({ preventScroll: true });
  });

  return { text, setText, number: () => cleanNumber(text()), insert, erase, input: (element) => (input = element), remember };
}

/** The line of a {@link DialField}: what is pasted is cleaned, the last digit can be erased. */
export function DialInput(props: { model: Model; field: DialField; label: string; testid: string }) {
  const t = () => props.model.texts();
  const onPaste = (event: ClipboardEvent): void => {
    const pasted = event.clipboardData?.getData("text") ?? "";
    event.preventDefault();
    props.field.insert(cleanNumber(pasted.slice(0, 512)));
  };
  return (
    <div class="dial-line">
      <input
        ref={(element) => props.field.input(element)}
        class="dial-input"
        classList={{ long: props.field.text().length > 13 }}
        type="text"
        inputmode="tel"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        maxlength="256"
        placeholder={t().dial.placeholder}
        aria-label={props.label}
        value={props.field.text()}
        data-testid={`${props.testid}-input`}
        onInput={(event) => props.field.setText(event.currentTarget.value)}
        onBlur={() => props.field.remember()}
        on:paste={onPaste}
      />
      <Show when={props.field.text() !== ""}>
        <button
          type="button"
          class="icon-button"
          aria-label={t().dial.erase}
          title={t().dial.erase}
          data-testid={`${props.testid}-erase`}
          onClick={() => props.field.erase()}
        >
          <Icon name="delete" />
        </button>
      </Show>
    </div>
  );
}
