import { Show } from "solid-js";

import { useNow } from "../clock";
import { secondsLeft } from "../format";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { EndedCard } from "../parts/EndedCard";

/** What one press of the button adds, seconds. */
const EXTENSION_S = 30;
/** The most that the program takes, seconds. */
const LONGEST_S = 3600;

/** After-call work: the ring drains with the time that is left. */
export function AfterCallWork(props: { model: Model }) {
  const t = () => props.model.texts();
  const agent = props.model.snapshot.agent;
  const now = useNow(() => agent.until_ms ?? 0);
  const left = () => (agent.until_ms === null ? undefined : secondsLeft(agent.until_ms, now()));
  const share = () => {
    const seconds = left();
    if (seconds === undefined || agent.until_ms === null) return 1;
    return Math.min(1, seconds / Math.max(1, (agent.until_ms - agent.since_ms) / 1000));
  };

  return (
    <div class="view acw" data-testid="acw-view">
      <div class="scroll">
        <h1 class="view-title centred">{t().acw.title}</h1>
        <div class="ring">
          <svg viewBox="0 0 120 120" aria-hidden="true">
            <circle cx="60" cy="60" r="52" class="ring-track" />
            <circle
              cx="60"
              cy="60"
              r="52"
              class="ring-left"
              pathLength="100"
              stroke-dasharray={`${(share() * 100).toFixed(2)} 100`}
              transform="rotate(-90 60 60)"
            />
          </svg>
          <Show when={left() !== undefined} fallback={<Icon name="timer" size={32} />}>
            <p class="ring-text" role="timer" aria-live="off" aria-label={t().acw.secondsLeft(left() ?? 0)}>
              <span class="ring-seconds" data-testid="acw-timer">
                {left()}
              </span>
              <span class="ring-unit">{t().acw.remaining}</span>
            </p>
          </Show>
        </div>
        <div class="acw-actions">
          <Show when={agent.allowed.includes("after_call_work")}>
            <button
              type="button"
              class="button"
              data-testid="acw-extend"
              disabled={props.model.busy("after_call_work")}
              onClick={() => void props.model.run("after_call_work", { seconds: Math.min(LONGEST_S, (left() ?? 0) + EXTENSION_S) })}
            >
              {t().acw.extend}
            </button>
          </Show>
          <Show when={agent.allowed.includes("ready")}>
            <button
              type="button"
              class="button primary"
              data-testid="ready-now"
              disabled={props.model.busy("agent_ready")}
              onClick={() => void props.model.run("agent_ready", {})}
            >
              {t().acw.readyNow}
            </button>
          </Show>
        </div>
        <Show when={agent.until_ms !== null}>
          <p class="acw-note">{t().acw.ends}</p>
        </Show>
        <Show when={props.model.snapshot.last_call}>{(call) => <EndedCard model={props.model} call={call()} />}</Show>
      </div>
    </div>
  );
}
