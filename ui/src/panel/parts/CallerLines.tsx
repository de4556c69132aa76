import { For, Show } from "solid-js";

import type { Call, Diversion } from "../../ipc/generated";
import { diversionReason, groupedNumber } from "../format";
import type { Model } from "../model";

/** What is known of the far side beside name and number: whom it wanted first, who sent it here, what the network says. */
export function CallerLines(props: { model: Model; call: Call }) {
  const t = () => props.model.texts();
  const caller = () => props.call.caller;
  const other = (number: string | null) => (number !== null && number !== "" && number !== props.call.number ? groupedNumber(number) : undefined);
  return (
    <ul class="caller-lines">
      <Show when={props.call.referred_by}>{(who) => <li data-testid="referred-by">{t().caller.referredBy(groupedNumber(who()))}</li>}</Show>
      <Show when={caller().diversions[0]}>{(last) => <li data-testid="diverted">{diversionText(props.model, last())}</li>}</Show>
      <Show when={caller().anonymous}>
        <li data-testid="anonymous">{t().caller.anonymous}</li>
      </Show>
      <Show when={other(caller().asserted)}>{(number) => <li data-testid="asserted">{t().caller.asserted(number())}</li>}</Show>
      <Show when={caller().asserted === null && other(caller().remote_party)}>
        {(number) => <li data-testid="remote-party">{t().caller.remoteParty(number())}</li>}
      </Show>
    </ul>
  );
}

/** What else came with the INVITE, closed until it is asked for. Whatever the network wrote there is text. */
export function CallerDetails(props: { model: Model; call: Call }) {
  const t = () => props.model.texts();
  const caller = () => props.call.caller;
  // The last diversion has its line above.
  const way = () => [...caller().diversions.slice(1), ...caller().history];
  const any = () => props.call.headers.length > 0 || way().length > 0 || caller().call_info.length > 0 || caller().alert_info.length > 0;
  return (
    <Show when={any()}>
      <details class="call-data">
        <summary data-testid="call-data">{t().caller.details}</summary>
        <dl data-testid="call-headers">
          <For each={props.call.headers}>
            {(header) => (
              <div>
                <dt>{header.name}</dt>
                <dd>{header.value}</dd>
              </div>
            )}
          </For>
          <Show when={way().length > 0}>
            <div>
              <dt>{t().caller.history}</dt>
              <For each={way()}>{(step) => <dd>{diversionText(props.model, step)}</dd>}</For>
            </div>
          </Show>
          <Values name={t().caller.callInfo} values={caller().call_info} />
          <Values name={t().caller.alertInfo} values={caller().alert_info} />
        </dl>
      </details>
    </Show>
  );
}

function Values(props: { name: string; values: readonly string[] }) {
  return (
    <Show when={props.values.length > 0}>
      <div>
        <dt>{props.name}</dt>
        <For each={props.values}>{(value) => <dd>{value}</dd>}</For>
      </div>
    </Show>
  );
}

function diversionText(model: Model, step: Diversion): string {
  const t = model.texts();
  const from = groupedNumber(step.number);
  return step.reason === null ? t.caller.diverted(from) : t.caller.divertedWhy(from, t.diversionReason[diversionReason(step.reason)]);
}
