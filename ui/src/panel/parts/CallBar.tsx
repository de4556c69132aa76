import { Show } from "solid-js";

import type { Call } from "../../ipc/generated";
import { groupedNumber } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { callState } from "../states";
import { StateShape } from "./StateShape";
import { Timer } from "./Timer";

/**
 * A call in one line: the running one at the foot of every other view, a further one above the card. Hang up at the left,
 * answer at the right, as on the card.
 */
export function CallBar(props: { model: Model; call: Call }) {
  const t = () => props.model.texts();
  const state = () => callState(props.call);
  const ringing = () => props.call.state === "ringing";
  return (
    <aside class="call-bar" data-tone={state().tone} aria-label={t().call.bar} data-testid="call-bar">
      <Show when={props.call.allowed.includes("hangup")}>
        <button
          type="button"
          class="round hangup"
          aria-label={ringing() ? t().call.decline : t().call.hangup}
          title={ringing() ? t().call.decline : t().call.hangup}
          data-testid="bar-hangup"
          onClick={() => void props.model.run("hangup", { call: props.call.id })}
        >
          <Icon name="phone-off" size={18} />
        </button>
      </Show>
      <button
        type="button"
        class="bar-who"
        title={t().call.show}
        data-testid="bar-show"
        onClick={() => props.model.show(props.call.direction === "inbound" ? "incoming" : "outgoing")}
      >
        <span class="bar-name">{props.call.name ?? groupedNumber(props.call.number)}</span>
        <span class="bar-state">
          <StateShape tone={state().tone} size={10} />
          {t().callState[state().name]}
          <Timer sinceMs={props.call.answered_ms ?? props.call.started_ms} />
        </span>
      </button>
      <Show when={props.call.allowed.includes("answer")}>
        <button
          type="button"
          class="round answer"
          aria-label={t().call.answer}
          title={t().call.answer}
          data-testid="bar-answer"
          onClick={() => void props.model.run("answer", { call: props.call.id })}
        >
          <Icon name="phone" size={18} />
        </button>
      </Show>
    </aside>
  );
}
