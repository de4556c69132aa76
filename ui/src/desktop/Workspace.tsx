import { createEffect, createMemo, createSignal, For, Match, on, Show, Switch } from "solid-js";

import { day, groupedNumber, startOfDay, timeOfDay, timer } from "../panel/format";
import { Icon } from "../panel/icons/Icon";
import type { Model } from "../panel/model";
import { StateShape } from "../panel/parts/StateShape";
import { Timer } from "../panel/parts/Timer";
import { useRecentCalls } from "../panel/parts/Today";
import { callState, isSignedOut } from "../panel/states";
import type { Call, CallDirection, CallPage } from "../ipc/generated";
import type { IconName } from "../panel/icons/drawings";

const ICONS: Record<CallDirection, IconName> = { inbound: "arrow-down-left", outbound: "arrow-up-right", internal: "users" };

/** Beside the panel in a wide window: the call at large, and the calls of today. The panel keeps all the buttons. */
export function Workspace(props: { model: Model }) {
  const t = () => props.model.texts();
  const recent = useRecentCalls(props.model, 300);
  const today = createMemo(() => {
    const midnight = startOfDay(Date.now());
    return recent()?.filter((record) => record.started_ms >= midnight) ?? [];
  });

  return (
    <section class="workspace" aria-label={t().workspace.label} data-testid="workspace">
      <Switch>
        <Match when={props.model.call()}>{(call) => <CallAtLarge model={props.model} call={call()} />}</Match>
        <Match when={isSignedOut(props.model.snapshot)}>
          <div class="stage quiet">
            <Icon name="headphones" size={36} />
            <h1>{t().workspace.signedOutTitle}</h1>
            <p>{t().workspace.signedOutHint}</p>
          </div>
        </Match>
        <Match when={true}>
          <div class="stage quiet">
            <Icon name="phone" size={36} />
            <h1>{t().workspace.noCall}</h1>
            <p>{t().workspace.noCallHint}</p>
          </div>
        </Match>
      </Switch>
      <div class="history">
        <div class="history-head">
          <h2>{t().workspace.todayCalls}</h2>
          <button type="button" class="text-button" data-testid="workspace-all" onClick={() => props.model.show("calls")}>
            {t().workspace.all}
          </button>
        </div>
        <Show
          when={today().length > 0}
          fallback={
            <div class="history-empty">
              <p>{t().calls.empty}</p>
              <p>{t().calls.emptyHint}</p>
            </div>
          }
        >
          <div class="history-scroll">
            <table>
              <tbody data-testid="workspace-history">
                <For each={today()}>
                  {(record) => (
                    <tr classList={{ missed: record.end.cause === "missed" }}>
                      <td class="direction">
                        <Icon name={ICONS[record.direction]} size={16} />
                        <span class="sr">{t().direction[record.direction]}</span>
                      </td>
                      <td class="who">
                        <span class="name">{record.name ?? (groupedNumber(record.number) || t().call.anonymous)}</span>
                        <Show when={record.name !== null}>
                          <span class="number">{groupedNumber(record.number)}</span>
                        </Show>
                      </td>
                      <td>{t().endCause[record.end.cause].title}</td>
                      <td class="figures">{record.answered_ms === null ? "—" : timer(record.ended_ms - record.answered_ms)}</td>
                      <td class="figures">
                        <time dateTime={new Date(record.started_ms).toISOString()}>{timeOfDay(record.started_ms)}</time>
                      </td>
                      <td class="act">
                        <Show when={record.number !== ""}>
                          <button
                            type="button"
                            class="row-button"
                            aria-label={t().calls.callBack(record.name ?? groupedNumber(record.number))}
                            title={t().calls.callBack(record.name ?? groupedNumber(record.number))}
                            disabled={!props.model.snapshot.agent.allowed.includes("call") || props.model.busy("call")}
                            onClick={() => void props.model.dial(record.number)}
                          >
                            <Icon name="phone" size={16} />
                          </button>
                        </Show>
                      </td>
                    </tr>
                  )}
                </For>
              </tbody>
            </table>
          </div>
        </Show>
      </div>
    </section>
  );
}

function CallAtLarge(props: { model: Model; call: Call }) {
  const t = () => props.model.texts();
  const state = () => callState(props.call);
  const [known, setKnown] = createSignal<CallPage>();
  createEffect(
    on(
      () => props.call.number,
      (number) => {
        setKnown(undefined);
        if (number === "") return;
        const keep = (page: CallPage | undefined) => number === props.call.number && setKnown(page);
        props.model.execute("calls", { search: number, limit: 1 }).then(keep, () => keep(undefined));
      },
    ),
  );
  const before = () => {
    const page = known();
    const last = page?.calls[0];
    if (page === undefined) return "";
    if (last === undefined) return t().workspace.firstContact;
    return t().workspace.contactsBefore(page.total, `${day(last.started_ms, Date.now(), t())} ${timeOfDay(last.started_ms)}`);
  };
  return (
    <div class="stage call" data-tone={state().tone} data-testid="call-at-large">
      <p class="stage-state">
        <StateShape tone={state().tone} size={14} />
        {t().callState[state().name]}
      </p>
      <h1>{props.call.name ?? (groupedNumber(props.call.number) || t().call.anonymous)}</h1>
      <Show when={props.call.name !== null}>
        <p class="stage-number">{groupedNumber(props.call.number)}</p>
      </Show>
      <p class="stage-before" data-testid="calls-before">
        {before()}
      </p>
      <p class="stage-timer">
        <Timer sinceMs={props.call.answered_ms ?? props.call.started_ms} />
      </p>
    </div>
  );
}
