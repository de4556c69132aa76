import { createSignal, For, Show } from "solid-js";

import { groupedNumber } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { createDialField, DialInput } from "../parts/DialField";
import { EndedCard } from "../parts/EndedCard";
import { Keypad } from "../parts/Keypad";

/** The dial pad: typing works wherever the focus is, pasted numbers are cleaned, Enter calls. */
export function DialPad(props: { model: Model; keyTarget: EventTarget }) {
  const t = () => props.model.texts();
  const snapshot = props.model.snapshot;
  const [line, setLine] = createSignal("");
  const lines = () => snapshot.lines;
  // The agent's own where none was chosen, or the chosen one is gone.
  const chosenLine = () => lines().find(({ id }) => id === line())?.id ?? lines()[0]?.id;
  const field = createDialField(props.keyTarget);
  const allowed = () => snapshot.agent.allowed.includes("call") && !props.model.busy("call");

  const redialNumber = () => props.model.lastDialled() || (snapshot.last_call?.direction !== "inbound" ? (snapshot.last_call?.number ?? "") : "");

  // One of each kind: the other demo agents are dialled by hand.
  const demoNumbers = () =>
    props.model.can("demo_centre") ? snapshot.sign_in.demo_numbers.filter(({ kind }, at, all) => all.findIndex((other) => other.kind === kind) === at) : [];

  // How a call ended that stood is told by the after-call work; here it would only be in the way.
  const failedCall = () => (snapshot.last_call?.answered_ms === null ? snapshot.last_call : undefined);

  const call = async (number: string): Promise<void> => {
    if (number === "" || !allowed()) return;
    if (await props.model.dial(number, chosenLine() === lines()[0]?.id ? undefined : chosenLine())) field.setText("");
  };

  return (
    <form
      class="view dial"
      aria-label={t().dial.title}
      data-testid="dial-view"
      onSubmit={(event) => {
        event.preventDefault();
        void call(field.number());
      }}
    >
      <DialInput model={props.model} field={field} label={t().dial.input} testid="dial" />
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
                    <span>{t().demoNumber[demo.kind]}</span>{" "}
                    <span class="chip-number">{demo.number}</span>
                  </button>
                </li>
              )}
            </For>
          </ul>
        </Show>
        <Show when={lines().length > 1}>
          <div class="select-box line-choice">
            <select
              class="select"
              aria-label={t().lines.choose}
              data-testid="dial-line"
              onChange={(event) => setLine(event.currentTarget.value)}
            >
              <For each={lines()}>
                {(choice, index) => (
                  <option value={choice.id} selected={choice.id === chosenLine()} disabled={choice.registration.state !== "registered"}>
                    {index() === 0 ? t().lines.own : t().lines.by(choice.account.user)}
                  </option>
                )}
              </For>
            </select>
            <Icon name="chevron-down" size={16} />
          </div>
        </Show>
        <Keypad label={t().dial.title} testid="dial-key" onKey={field.insert} />
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
          disabled={!allowed() || field.number() === ""}
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
