import { Match, Show, Switch } from "solid-js";

import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { EndedCard } from "../parts/EndedCard";
import { StateShape } from "../parts/StateShape";
import { Today } from "../parts/Today";
import { agentState } from "../states";

/** Signed in, no call: waiting, on break, or not ready yet. */
export function Ready(props: { model: Model }) {
  const t = () => props.model.texts();
  const snapshot = props.model.snapshot;
  const state = () => agentState(snapshot);
  const reason = () => (snapshot.agent.break_reason === null ? undefined : t().breakReason[snapshot.agent.break_reason - 1]);

  return (
    <div class="view ready" data-testid="ready-view">
      <div class="scroll">
        <div class="hero" data-tone={state().tone}>
          <span class="hero-shape">
            <StateShape tone={state().tone} size={28} />
          </span>
          <Switch>
            <Match when={state().name === "reconnecting"}>
              <h1 class="hero-title">{t().agentState.reconnecting}</h1>
            </Match>
            <Match when={snapshot.agent.code === 4}>
              <h1 class="hero-title">
                {t().ready.onBreak}
                <Show when={reason()}>{(text) => <span class="hero-reason"> · {text()}</span>}</Show>
              </h1>
              <p class="muted">{t().ready.onBreakHint}</p>
            </Match>
            <Match when={snapshot.agent.code === 3}>
              <h1 class="hero-title">{t().ready.waiting}</h1>
              <p class="muted">{t().ready.waitingHint}</p>
            </Match>
            <Match when={true}>
              <h1 class="hero-title">{t().agentState[state().name]}</h1>
            </Match>
          </Switch>
          <Show when={snapshot.agent.allowed.includes("ready") && snapshot.agent.code !== 3}>
            <button
              type="button"
              class="button primary"
              data-testid={snapshot.agent.code === 4 ? "end-break" : "become-ready"}
              disabled={props.model.busy("agent_ready")}
              onClick={() => void props.model.run("agent_ready", {})}
            >
              {snapshot.agent.code === 4 ? t().ready.backToReady : t().ready.becomeReady}
            </button>
          </Show>
        </div>
        <Show when={snapshot.last_call}>{(call) => <EndedCard model={props.model} call={call()} />}</Show>
        <Today model={props.model} />
      </div>
      <Show when={props.model.can("demo_centre")}>
        <section class="demo" aria-label={t().ready.demoTitle}>
          <button
            type="button"
            class="button wide"
            data-testid="demo-call"
            disabled={snapshot.agent.code !== 3 || props.model.busy("demo_call")}
            onClick={() => void props.model.run("demo_call", {})}
          >
            <Icon name="phone-incoming" size={16} />
            {t().ready.demoCall}
          </button>
          <p class="demo-note">{snapshot.agent.code === 3 ? t().ready.demoHint : t().ready.demoBreakHint}</p>
        </section>
      </Show>
    </div>
  );
}
