import { For, Show } from "solid-js";

import { useNow } from "../clock";
import { timer } from "../format";
import { Icon } from "../icons/Icon";
import type { HeaderAction, Model } from "../model";
import { agentState } from "../states";
import { Popover } from "./Popover";
import { StateShape } from "./StateShape";
import { VolumeSlider } from "./VolumeSlider";

/** State chip, who is signed in, and the actions of the agent. */
export function Header(props: { model: Model; actions: readonly HeaderAction[] }) {
  const t = () => props.model.texts();
  const snapshot = props.model.snapshot;
  const allowed = (action: (typeof snapshot.agent.allowed)[number]) => snapshot.agent.allowed.includes(action);
  const shows = (action: HeaderAction) => props.actions.includes(action);

  return (
    <header class="header">
      <div class="who">
        <StateChip model={props.model} />
        <Show when={snapshot.account} fallback={<p class="account">{t().productName}</p>}>
          {(account) => (
            <p class="account" title={`${account().user}@${account().server}`} data-testid="account">
              <Show when={account().display_name}>
                {(name) => (
                  <>
                    <span class="account-name">{name()}</span>
                    <span aria-hidden="true"> · </span>
                  </>
                )}
              </Show>
              <span class="account-user">{account().user}</span>
            </p>
          )}
        </Show>
      </div>
      <div class="actions">
        <Show when={shows("break") && snapshot.agent.code === 4 && allowed("ready")}>
          <button
            type="button"
            class="icon-button"
            aria-label={t().header.endBreak}
            title={t().header.endBreak}
            data-testid="header-end-break"
            onClick={() => void props.model.run("agent_ready", {})}
          >
            <Icon name="play" size={18} />
          </button>
        </Show>
        <Show when={shows("break") && allowed("break")}>
          <Popover label={t().header.breakMenu} icon="coffee" testid="break-menu" role="menu">
            {(close) => (
              <>
                <p class="popover-title" aria-hidden="true">
                  {t().header.breakTitle}
                </p>
                <For each={t().breakReason}>
                  {(reason, index) => (
                    <button
                      type="button"
                      role="menuitem"
                      class="menu-item"
                      data-testid={`break-${index() + 1}`}
                      onClick={() => {
                        close();
                        void props.model.run("agent_break", { reason: index() + 1 });
                      }}
                    >
                      {reason}
                    </button>
                  )}
                </For>
              </>
            )}
          </Popover>
        </Show>
        <Show when={shows("volume")}>
          <Popover label={t().header.volume} icon="volume-2" testid="volume-menu" role="dialog">
            {() => (
              <div class="volume-box">
                <VolumeSlider model={props.model} role="speaker" label={t().deviceRole.speaker} />
                <VolumeSlider model={props.model} role="microphone" label={t().deviceRole.microphone} />
                <VolumeSlider model={props.model} role="ringer" label={t().deviceRole.ringer} />
              </div>
            )}
          </Popover>
        </Show>
        <Show when={shows("offline") && allowed("sign_out")}>
          <button
            type="button"
            class="icon-button"
            aria-label={t().header.signOut}
            title={t().header.signOut}
            data-testid="sign-out"
            onClick={() => void props.model.run("sign_out", {})}
          >
            <Icon name="log-out" size={18} />
          </button>
        </Show>
      </div>
    </header>
  );
}

function StateChip(props: { model: Model }) {
  const t = () => props.model.texts();
  const state = () => agentState(props.model.snapshot);
  const now = useNow(() => state().sinceMs);
  const word = () => t().agentState[state().name];
  const share = () => {
    const { since_ms, until_ms } = props.model.snapshot.agent;
    return until_ms === null || until_ms <= since_ms ? undefined : Math.max(0, (until_ms - now()) / (until_ms - since_ms));
  };
  const elapsed = () => timer(now() - state().sinceMs);

  return (
    <div class="chip" data-tone={state().tone}>
      <StateShape tone={state().tone} share={share()} />
      <span class="chip-word" role="status" data-testid="agent-state" data-code={props.model.snapshot.agent.code}>
        {word()}
      </span>
      <Show when={state().tone !== "off"}>
        <span class="timer" data-testid="agent-timer" role="timer" aria-live="off" aria-label={t().header.stateSince(word(), elapsed())}>
          {elapsed()}
        </span>
      </Show>
    </div>
  );
}
