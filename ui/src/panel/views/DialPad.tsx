import { createSignal, For, onCleanup, onMount, Show } from "solid-js";

import { cleanNumber, isDialKey } from "../dialling";
import { groupedNumber } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { EndedCard } from "../parts/EndedCard";
import { Keypad } from "../parts/Keypad";
import { isTyping } from "../shortcuts";

/** The dial pad: typing works wherever the focus is, pasted numbers are cleaned, Enter calls. */
export function DialPad(props: { model: Model; keyTarget: EventTarget }) {
  const t = () => props.model.texts();
  const snapshot = props.model.snapshot;
  const [text, setText] = createSignal("");
  const allowed = () => snapshot.agent.allowed.includes("call") && !props.model.busy("call");
  let input!: HTMLInputElement;

  const redialNumber = () => props.model.lastDialled() || (snapshot.last_call?.direction !== "inbound" ? (snapshot.last_call?.number ?? "") : "");

  // One of each kind: the other demo agents are dialled by hand.
  const demoNumbers = () =>
    props.model.can("demo_centre") ? snapshot.sign_in.demo_numbers.filter(({ kind }, at, all) => all.findIndex((other) => other.kind === kind) === at) : [];

  // How a call ended that stood is told by the after-call work; here it would only be in the way.
  const failedCall = () => (snapshot.last_call?.answered_ms === null ? snapshot.last_call : undefined);

  const call = async (number: string): Promise<void> => {
    if (number === "" || !allowed()) return;
    if (await props.model.dial(number)) setText("");
  };

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

  const onPaste = (event: ClipboardEvent): void => {
    const pasted = event.clipboardData?.getData("text") ?? "";
    event.preventDefault();
    insert(cleanNumber(pasted.slice(0, 512)));
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
    props.keyTarget.addEventListener("keydown", onKeyDown);
    onCleanup(() => props.keyTarget.removeEventListener("keydown", onKeyDown));
    input.focus({ preventScroll: true });
  });

  return (
    <form
      class="view dial"
      aria-label={t().dial.title}
      data-testid="dial-view"
      onSubmit={(event) => {
        event.preventDefault();
        void call(cleanNumber(text()));
      }}
    >
      <div class="dial-line">
        <input
          ref={input}
          class="dial-input"
          classList={{ long: text().length > 13 }}
          type="text"
          inputmode="tel"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          maxlength="256"
          placeholder={t().dial.placeholder}
          aria-label={t().dial.input}
          value={text()}
          data-testid="dial-input"
          onInput={(event) => setText(event.currentTarget.value)}
          onBlur={remember}
          on:paste={onPaste}
        />
        <Show when={text() !== ""}>
          <button type="button" class="icon-button" aria-label={t().dial.erase} title={t().dial.erase} data-testid="dial-erase" onClick={erase}>
            <Icon name="delete" />
          </button>
        </Show>
      </div>
      <div class="scroll">
        <Show when={failedCall()}>{(last) => <EndedCard model={props.model} call={last()} compact />}</Show>
        <Show when={demoNumbers().length > 0}>
          <ul class="chips" aria-label={t().dial.demoNumbers}>
            <For each={demoNumbers()}>
              {(demo) => (
                <li>
                  <button
                    type="button"
                    class="number-chip"
                    disabled={!allowed()}
                    aria-label={t().dial.demoDial(t().demoNumber[demo.kind], demo.number)}
                    data-testid={`demo-number-${demo.kind}`}
                    onClick={() => void call(demo.number)}
                  >
                    <span>{t().demoNumber[demo.kind]}</span>
                    <span class="chip-number">{demo.number}</span>
                  </button>
                </li>
              )}
            </For>
          </ul>
        </Show>
        <Keypad label={t().dial.title} testid="dial-key" onKey={insert} />
      </div>
      <div class="foot two">
        <button
          type="button"
          class="button redial"
          disabled={redialNumber() === "" || !allowed()}
          aria-label={redialNumber() === "" ? t().dial.noRedial : t().dial.redial(redialNumber())}
          title={redialNumber() === "" ? t().dial.noRedial : t().dial.redial(redialNumber())}
          data-testid="redial"
          onClick={() => void call(redialNumber())}
        >
          <Icon name="rotate-ccw" size={16} />
          <span class="redial-number">{redialNumber() === "" ? "—" : groupedNumber(redialNumber())}</span>
        </button>
        <button
          type="submit"
          class="button answer"
          disabled={!allowed() || cleanNumber(text()) === ""}
          title={snapshot.agent.allowed.includes("call") ? t().dial.call : t().dial.notAllowed}
          data-testid="dial"
        >
          <Icon name="phone" size={18} />
          {t().dial.call}
        </button>
      </div>
    </form>
  );
}
