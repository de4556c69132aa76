import { Show } from "solid-js";

import type { Call } from "../../ipc/generated";
import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";
import type { Model } from "../model";

/** Below this a level counts as silence, dBFS. */
const SILENCE_DBFS = -54;
const STEPS = 6;

/** Both directions' sound, seen at a glance, and the codec. */
export function LevelMeters(props: { model: Model; call: Call }) {
  const t = () => props.model.texts();
  return (
    <Show when={props.call.answered_ms !== null} fallback={<span />}>
      <div class="levels">
        <Meter icon={props.call.muted ? "mic-off" : "mic"} label={t().call.microphoneLevel} dbfs={props.call.muted ? -96 : props.model.levels().microphone} />
        <Meter icon="headphones" label={t().call.speakerLevel} dbfs={props.model.levels().speaker} />
        <Show when={props.call.codec}>
          {(codec) => (
            <span class="codec" title={t().call.codec} data-testid="codec">
              {codec()}
            </span>
          )}
        </Show>
      </div>
    </Show>
  );
}

function Meter(props: { icon: IconName; label: string; dbfs: number }) {
  const steps = () => Math.round((Math.max(0, props.dbfs - SILENCE_DBFS) / -SILENCE_DBFS) * STEPS);
  return (
    <span class="meter" role="img" aria-label={props.label}>
      <Icon name={props.icon} size={14} />
      <svg width="34" height="10" viewBox="0 0 34 10" aria-hidden="true">
        {Array.from({ length: STEPS }, (_, step) => (
          <rect x={step * 6} y="1" width="4" height="8" rx="1" class={step < steps() ? "lit" : "dark"} />
        ))}
      </svg>
    </span>
  );
}
