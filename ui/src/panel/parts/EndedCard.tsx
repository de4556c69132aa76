import { Show } from "solid-js";

import { groupedNumber, timer, whoOf } from "../format";
import { Icon } from "../icons/Icon";
import type { Call, EndCause } from "../../ipc/generated";
import type { Model } from "../model";

/** Ends that need no attention. */
const NORMAL: ReadonlySet<EndCause> = new Set(["hung_up", "peer_hung_up", "transferred", "replaced"]);

/**
 * How the last call ended, why, and what can be done about it. `compact`: above the dial pad, which has its own redial.
 * `named`: beside another call, where it must be told which of them is meant.
 */
export function EndedCard(props: { model: Model; call: Call; compact?: boolean; named?: boolean }) {
  const t = () => props.model.texts();
  const advice = () => t().endCause[props.call.end?.cause ?? "failed"];
  const normal = () => NORMAL.has(props.call.end?.cause ?? "failed");
  const talked = () =>
    props.call.answered_ms === null || props.call.ended_ms === null
      ? t().ended.noTalk
      : t().ended.talked(timer(props.call.ended_ms - props.call.answered_ms));

  return (
    <section class="ended" classList={{ "ended-normal": normal() }} aria-label={t().ended.title} data-testid="ended-card">
      <div class="ended-head">
        <Icon name={normal() ? "circle-check" : "circle-alert"} size={18} />
        <div class="ended-text" role="status">
          <p class="ended-title" data-testid="end-cause" data-cause={props.call.end?.cause}>
            <Show when={props.named}>{`${whoOf(props.call, t())} · `}</Show>
            {advice().title}
          </p>
          <p class="ended-hint">{advice().hint}</p>
        </div>
        <button
          type="button"
          class="icon-button small"
          aria-label={t().ended.dismiss}
          title={t().ended.dismiss}
          data-testid="dismiss-call"
          onClick={() => void props.model.run("dismiss_call", {})}
        >
          <Icon name="x" size={16} />
        </button>
      </div>
      <Show when={!props.compact}>
        <div class="ended-foot">
        <p class="ended-who">
          <span class="ended-number">{props.call.name ?? groupedNumber(props.call.number)}</span>
          <span class="muted" data-testid="ended-talked">
            {talked()}
            <Show when={!normal() && props.call.end?.status}>{(status) => ` · ${t().sipStatus(status())}`}</Show>
          </span>
        </p>
        <Show when={props.model.snapshot.agent.allowed.includes("call") && props.call.number !== ""}>
          <button
            type="button"
            class="button quiet"
            data-testid="ended-call-back"
            disabled={props.model.busy("call")}
            onClick={() => void props.model.dial(props.call.number)}
          >
            <Icon name="phone" size={16} />
            {t().ended.callBack}
          </button>
        </Show>
        </div>
      </Show>
    </section>
  );
}
