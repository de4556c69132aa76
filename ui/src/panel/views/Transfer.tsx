import { createMemo, For, onCleanup, onMount, Show } from "solid-js";

import type { Call } from "../../ipc/generated";
import { whoOf } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { createDialField, DialInput } from "../parts/DialField";
import { Keypad } from "../parts/Keypad";
import { useRecentCalls } from "../parts/Today";

/** How many colleagues are offered. */
const OFFERED = 3;

/**
 * Whom the call goes to, in the place of its controls: at once, or after a word with them. Enter asks first where that is
 * possible: it can be undone.
 */
export function Transfer(props: { model: Model; call: Call; keyTarget: EventTarget }) {
  const t = () => props.model.texts();
  const model = props.model;
  const field = createDialField(props.keyTarget);
  const may = (action: "transfer" | "consult") => model.can(action) && props.call.allowed.includes(action);
  const ready = () => field.number() !== "" && !model.busy("transfer") && !model.busy("consult");
  const recent = useRecentCalls(model, 100);

  // Those whom the agent spoke to inside the house, then the demo's.
  const colleagues = createMemo(() => {
    const own = model.snapshot.account?.user;
    const demo = model.can("demo_centre") ? model.snapshot.sign_in.demo_numbers.filter(({ kind }) => kind === "agent") : [];
    const all = [
      ...(recent() ?? []).filter(({ direction }) => direction === "internal").map(({ number, name }) => ({ number, name })),
      ...demo.map(({ number }) => ({ number, name: null })),
    ];
    const inCall = model.snapshot.calls.map(({ number }) => number);
    const fresh = all.filter(({ number }, at) => number !== "" && number !== own && !inCall.includes(number) && all.findIndex((other) => other.number === number) === at);
    return fresh.slice(0, OFFERED);
  });

  const blind = async (): Promise<void> => {
    if (!ready() || !may("transfer")) return;
    if ((await model.run("transfer", { call: props.call.id, to: field.number() })) !== undefined) model.open("controls");
  };
  const consult = async (): Promise<void> => {
    if (!ready() || !may("consult")) return;
    if ((await model.run("consult", { call: props.call.id, to: field.number() })) !== undefined) model.open("controls");
  };

  const onKeyDown = (event: Event): void => {
    if (event instanceof KeyboardEvent && event.key === "Escape" && !event.defaultPrevented) model.open("controls");
  };
  onMount(() => {
    props.keyTarget.addEventListener("keydown", onKeyDown);
    onCleanup(() => props.keyTarget.removeEventListener("keydown", onKeyDown));
  });

  return (
    <form
      class="transfer"
      aria-label={t().transfer.title}
      data-testid="transfer-view"
      onSubmit={(event) => {
        event.preventDefault();
        void (may("consult") ? consult() : blind());
      }}
    >
      <div class="transfer-head">
        <button
          type="button"
          class="icon-button small"
          aria-label={t().transfer.back}
          title={t().transfer.back}
          data-testid="transfer-back"
          onClick={() => model.open("controls")}
        >
          <Icon name="chevron-left" size={18} />
        </button>
        <h2>{t().transfer.of(whoOf(props.call, t()))}</h2>
      </div>
      <DialInput model={model} field={field} label={t().transfer.input} testid="transfer" />
      <Show when={colleagues().length > 0}>
        <ul class="chips" aria-label={t().transfer.suggestions}>
          <For each={colleagues()}>
            {({ number, name }) => (
              <li>
                <button
                  type="button"
                  class="number-chip"
                  data-testid={`transfer-to-${number}`}
                  onClick={() => field.setText(number)}
                >
                  <span class="chip-name">{name ?? t().demoNumber.agent}</span>{" "}
                  <span class="chip-number">{number}</span>
                </button>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <Keypad label={t().transfer.input} testid="transfer-key" onKey={field.insert} />
      <div class="transfer-actions">
        <Show when={may("transfer")}>
          <button type="button" class="button" disabled={!ready()} data-testid="transfer-blind" onClick={() => void blind()}>
            {t().transfer.blind}
          </button>
        </Show>
        <Show when={may("consult")}>
          <button type="submit" class="button primary" disabled={!ready()} title={t().transfer.hint} data-testid="transfer-consult">
            {t().transfer.consult}
          </button>
        </Show>
      </div>
    </form>
  );
}
