import { Match, Show, Switch } from "solid-js";

import type { Call } from "../../ipc/generated";
import { whoOf } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { callState, consultationOf } from "../states";
import { StateShape } from "./StateShape";
import { Timer } from "./Timer";

/**
 * A call in one line: the shown one at the foot of every other view, each further one above the card. Hang up at the left,
 * answer at the right, as on the card; a held one is taken up at the right.
 */
export function CallBar(props: { model: Model; call: Call }) {
  const t = () => props.model.texts();
  const state = () => callState(props.call);
  const ringing = () => props.call.state === "ringing";
  const who = () => whoOf(props.call, t());
  const others = () => props.model.snapshot.calls.length > 1;
  const hangupName = () => (ringing() ? t().call.declineCall(who()) : t().call.hangupCall(who()));
  const answerName = () => (others() ? t().call.answerAndHold(who()) : t().call.answer);
  /** One held and one active call change places; of several held ones this very one is taken up. */
  const swaps = () => {
    const { calls } = props.model.snapshot;
    return calls.filter((call) => call.state === "held").length === 1 && calls.some((call) => call.allowed.includes("swap"));
  };
  /** For whom one asks in this call, where it is a consultation. */
  const about = () => {
    const pair = consultationOf(props.model.snapshot.calls, props.call);
    return pair?.consult.id === props.call.id ? t().consult.about(whoOf(pair.customer, t())) : undefined;
  };
  return (
    <aside class="call-bar" data-tone={state().tone} aria-label={`${t().call.bar}: ${who()}`} data-testid="call-bar" data-call={props.call.id} data-state={state().name}>
      <Show when={props.call.allowed.includes("hangup")}>
        <button
          type="button"
          class="round hangup"
          aria-label={hangupName()}
          title={hangupName()}
          data-testid="bar-hangup"
          onClick={() => void props.model.run("hangup", { call: props.call.id })}
        >
          <Icon name="phone-off" size={18} />
        </button>
      </Show>
      <button type="button" class="bar-who" title={about() ?? t().call.showCall(who())} data-testid="bar-show" onClick={() => props.model.showCall(props.call.id)}>
        <span class="bar-name">{who()}</span>
        <span class="bar-state">
          <StateShape tone={state().tone} size={10} />
          <span class="bar-word">{t().callState[state().name]}</span>
          <Timer sinceMs={props.call.state === "held" ? props.call.since_ms : (props.call.answered_ms ?? props.call.started_ms)} />
        </span>
      </button>
      <Switch>
        <Match when={props.call.allowed.includes("answer")}>
          <button
            type="button"
            class="round answer"
            aria-label={answerName()}
            title={answerName()}
            data-testid="bar-answer"
            disabled={props.model.busy("answer")}
            onClick={() => void props.model.run("answer", { call: props.call.id })}
          >
            <Icon name="phone" size={18} />
          </button>
        </Match>
        <Match when={props.call.state === "held" && swaps()}>
          <button
            type="button"
            class="round take"
            aria-label={t().call.swapTo(who())}
            title={t().call.swapTo(who())}
            data-testid="bar-swap"
            disabled={props.model.busy("swap")}
            onClick={() => void props.model.run("swap", {})}
          >
            <Icon name="arrow-left-right" size={18} />
          </button>
        </Match>
        <Match when={props.call.state === "held" && props.call.allowed.includes("retrieve")}>
          <button
            type="button"
            class="round take"
            aria-label={t().call.retrieveCall(who())}
            title={t().call.retrieveCall(who())}
            data-testid="bar-retrieve"
            disabled={props.model.busy("call_retrieve")}
            onClick={() => void props.model.run("call_retrieve", { call: props.call.id })}
          >
            <Icon name="play" size={18} />
          </button>
        </Match>
      </Switch>
    </aside>
  );
}
