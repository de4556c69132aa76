import { Show } from "solid-js";

import type { CallDirection, CallRecord } from "../../ipc/generated";
import { groupedNumber, timeOfDay, timer } from "../format";
import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";
import type { Model } from "../model";

const ICONS: Record<CallDirection, IconName> = { inbound: "arrow-down-left", outbound: "arrow-up-right", internal: "users" };

/** One call of the list: direction, who, how it ended, when; a click chooses it, the button calls back. */
export function CallRow(props: { model: Model; record: CallRecord; chosen: boolean; onChoose: () => void }) {
  const t = () => props.model.texts();
  const who = () => props.record.name ?? (groupedNumber(props.record.number) || t().call.anonymous);
  const missed = () => props.record.end.cause === "missed" || props.record.end.cause === "not_ready";
  const answered = () => props.record.answered_ms !== null;

  return (
    <li class="row" classList={{ missed: missed(), chosen: props.chosen }} data-testid="call-row" data-cause={props.record.end.cause}>
      <button type="button" class="row-main" aria-expanded={props.chosen} data-testid="call-row-choose" onClick={() => props.onChoose()}>
        <span class="row-icon" title={t().direction[props.record.direction]}>
          <Icon name={missed() ? "phone-missed" : ICONS[props.record.direction]} size={16} />
          <span class="sr">{t().direction[props.record.direction]}</span>
        </span>
        <span class="row-text">
          <span class="row-who">{who()}</span>
          <span class="row-result" data-testid="row-result">
            <Show when={answered()} fallback={t().endCause[props.record.end.cause].title}>
              {props.record.name === null ? t().direction[props.record.direction] : groupedNumber(props.record.number)}
            </Show>
          </span>
        </span>
        <span class="row-when">
          <time dateTime={new Date(props.record.started_ms).toISOString()}>{timeOfDay(props.record.started_ms)}</time>
          <Show when={answered()}>
            <span data-testid="row-duration">{timer(props.record.ended_ms - (props.record.answered_ms ?? 0))}</span>
          </Show>
        </span>
      </button>
      <Show when={props.record.number !== ""}>
        <button
          type="button"
          class="icon-button small row-call"
          aria-label={t().calls.callBack(who())}
          title={t().calls.callBack(who())}
          disabled={!props.model.snapshot.agent.allowed.includes("call") || props.model.busy("call")}
          data-testid="call-back"
          onClick={() => void props.model.dial(props.record.number)}
        >
          <Icon name="phone" size={16} />
        </button>
      </Show>
    </li>
  );
}
