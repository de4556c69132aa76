import { Show } from "solid-js";

import type { CallRecord } from "../../ipc/generated";
import { groupedNumber, timer } from "../format";
import type { Model } from "../model";

/** All that is known of one call. */
export function CallDetails(props: { model: Model; record: CallRecord }) {
  const t = () => props.model.texts();
  const started = () =>
    new Intl.DateTimeFormat(t().tag, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(props.record.started_ms);
  const waited = () => timer((props.record.answered_ms ?? props.record.ended_ms) - props.record.started_ms);
  return (
    <dl class="details" data-testid="call-details">
      <div>
        <dt>{t().calls.number}</dt>
        <dd class="number">{groupedNumber(props.record.number) || t().call.anonymous}</dd>
      </div>
      <div>
        <dt>{t().calls.started}</dt>
        <dd>{started()}</dd>
      </div>
      <div>
        <dt>{t().calls.waited}</dt>
        <dd>{waited()}</dd>
      </div>
      <Show when={props.record.answered_ms}>
        {(answered) => (
          <div>
            <dt>{t().calls.talked}</dt>
            <dd>{timer(props.record.ended_ms - answered())}</dd>
          </div>
        )}
      </Show>
      <div>
        <dt>{t().calls.result}</dt>
        <dd>
          {t().endCause[props.record.end.cause].title}
          <Show when={props.record.end.status}>{(status) => <span class="status-code">{t().sipStatus(status())}</span>}</Show>
        </dd>
      </div>
    </dl>
  );
}
