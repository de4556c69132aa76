import { createSignal, For, Show } from "solid-js";

import type { Line } from "../../ipc/generated";
import { Icon } from "../icons/Icon";
import type { Model } from "../model";
import { lineTone } from "../states";
import { StateShape } from "./StateShape";

/** Every account that is signed in, with its registration; further ones can be added and removed. */
export function Lines(props: { model: Model; onAdd: () => void }) {
  const t = () => props.model.texts();
  const signedIn = () => props.model.snapshot.registration.state !== "offline";
  return (
    <section class="lines" aria-label={t().lines.title} data-testid="lines">
      <h2 class="group-title">{t().lines.title}</h2>
      <ul>
        <For each={props.model.snapshot.lines}>{(line, index) => <LineRow model={props.model} line={line} own={index() === 0} />}</For>
      </ul>
      <Show when={signedIn()} fallback={<p class="field-hint">{t().lines.signInFirst}</p>}>
        <button type="button" class="button wide" data-testid="line-add" onClick={() => props.onAdd()}>
          <Icon name="plus" size={16} />
          {t().lines.add}
        </button>
        <p class="field-hint">{t().lines.hint}</p>
      </Show>
    </section>
  );
}

function LineRow(props: { model: Model; line: Line; own: boolean }) {
  const t = () => props.model.texts();
  const [asking, setAsking] = createSignal(false);
  const registration = () => props.line.registration;
  const failure = () => {
    const now = registration();
    return now.state === "offline" || now.state === "reconnecting" ? now.failure : null;
  };
  const user = () => props.line.account.user;
  return (
    <li class="line" data-testid="line" data-line={props.line.id} data-state={registration().state}>
      <div class="line-text">
        <p class="line-user">
          {props.line.account.display_name ?? user()}
          <span class="muted">
            {" "}
            {props.line.account.display_name === null ? props.line.account.server : `${user()}@${props.line.account.server}`}
          </span>
        </p>
        <p class="line-state" data-tone={lineTone(props.line)}>
          <StateShape tone={lineTone(props.line)} size={10} />
          {t().lines.state[registration().state]}
          <span class="muted">
            {" · "}
            {t().transport[props.line.account.transport]}
            <Show when={props.own}>
              {" · "}
              {t().lines.own}
            </Show>
          </span>
        </p>
        <Show when={failure()}>
          {(reason) => (
            <p class="line-failure" data-testid="line-failure">
              {t().registrationFailure[reason().code].title}
              <Show when={reason().status}>{(status) => <span class="status-code">{t().sipStatus(status())}</span>}</Show>
            </p>
          )}
        </Show>
      </div>
      <Show when={!props.own && !asking()}>
        <button
          type="button"
          class="icon-button small"
          aria-label={t().lines.remove(user())}
          title={t().lines.remove(user())}
          data-testid="line-remove"
          onClick={() => setAsking(true)}
        >
          <Icon name="trash-2" size={16} />
        </button>
      </Show>
      <Show when={asking()}>
        <div class="line-ask" role="group" aria-label={t().lines.removeAsk}>
          <p>{t().lines.removeAsk}</p>
          <button ref={(keep) => queueMicrotask(() => keep.focus())} type="button" class="button" data-testid="line-keep" onClick={() => setAsking(false)}>
            {t().lines.keep}
          </button>
          <button
            type="button"
            class="button danger"
            data-testid="line-remove-confirm"
            disabled={props.model.busy("remove_line")}
            onClick={() => void props.model.run("remove_line", { line: props.line.id }).then(() => setAsking(false))}
          >
            {t().lines.removeConfirm}
          </button>
        </div>
      </Show>
    </li>
  );
}
