import { createEffect, createSignal, on, Show } from "solid-js";

import type { CallRecord } from "../../ipc/generated";
import { startOfDay, timer } from "../format";
import type { Model } from "../model";

/** The newest calls, read again with each change of the call list. */
export function useRecentCalls(model: Model, limit: number): () => readonly CallRecord[] | undefined {
  const [calls, setCalls] = createSignal<readonly CallRecord[]>();
  createEffect(
    on(
      () => model.snapshot.call_list_rev,
      () => {
        // Numbers beside the work at hand: a failure to read them is said in the call list's own view.
        model.execute("calls", { limit }).then(
          (page) => setCalls(page.calls),
          () => setCalls(undefined),
        );
      },
    ),
  );
  return calls;
}

/** Today in three numbers. */
export function Today(props: { model: Model }) {
  const t = () => props.model.texts();
  const recent = useRecentCalls(props.model, 300);
  const today = () => {
    const midnight = startOfDay(Date.now());
    const calls = recent()?.filter((call) => call.started_ms >= midnight);
    if (calls === undefined) return undefined;
    const answered = calls.filter((call) => call.answered_ms !== null);
    const talk = answered.reduce((sum, call) => sum + call.ended_ms - (call.answered_ms ?? call.ended_ms), 0);
    return { calls: calls.length, missed: calls.filter(({ end }) => end.cause === "missed").length, talk };
  };
  return (
    <Show when={today()}>
      {(numbers) => (
        <dl class="today" aria-label={t().ready.today}>
          <div>
            <dd>{numbers().calls}</dd>
            <dt>{t().ready.todayCalls}</dt>
          </div>
          <div>
            <dd>{numbers().missed}</dd>
            <dt>{t().ready.todayMissed}</dt>
          </div>
          <div>
            <dd>{timer(numbers().talk)}</dd>
            <dt>{t().ready.todayTalk}</dt>
          </div>
        </dl>
      )}
    </Show>
  );
}
