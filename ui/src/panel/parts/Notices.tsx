import { createSignal, For, Show } from "solid-js";

import { useNow } from "../clock";
import { secondsLeft } from "../format";
import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";
import type { Notice, NoticeLevel } from "../../ipc/generated";
import type { Model } from "../model";

const URGENCY: readonly NoticeLevel[] = ["error", "warning", "info"];
const ICONS: Record<NoticeLevel, IconName> = { info: "info", warning: "triangle-alert", error: "circle-alert" };

/**
 * What the agent should know now: a lost connection, and the notices of the program with what to do next. Several take
 * the room of one, the most urgent, until the others are asked for.
 */
export function Notices(props: { model: Model }) {
  const t = () => props.model.texts();
  const snapshot = props.model.snapshot;
  const [all, showAll] = createSignal(false);
  const device = (notice: Notice) => /^(microphone|speaker|ringer)_/.test(notice.code);
  // A transfer that failed is told on the card of its call.
  const told = (notice: Notice) => notice.code === "transfer_refused" && snapshot.calls.some(({ transfer }) => transfer?.state === "failed");
  // The devices' own view tells their trouble beside each of them.
  const notices = () =>
    snapshot.notices
      .filter((notice) => (props.model.view() !== "devices" || !device(notice)) && !told(notice))
      .sort((a, b) => URGENCY.indexOf(a.level) - URGENCY.indexOf(b.level));
  // Further lines that have trouble; the settings tell it beside each of them.
  const lines = () =>
    snapshot.lines.slice(1).flatMap(({ account, registration }) => {
      const failure = registration.state === "reconnecting" || registration.state === "offline" ? registration.failure : null;
      return failure === null || props.model.view() === "settings" ? [] : [{ account, registration, failure: t().registrationFailure[failure.code] }];
    });
  const shown = () => (all() ? notices() : notices().slice(0, 1));

  return (
    <div class="notices" aria-live="polite">
      <Show when={snapshot.registration.state === "reconnecting" ? snapshot.registration : undefined}>
        {(registration) => (
          <div class="notice" data-level="warning" role="status" data-testid="banner-reconnecting">
            <Icon name="wifi-off" size={16} />
            <div class="notice-text">
              <p class="notice-title">{snapshot.calls.length > 0 ? t().banner.reconnectingCall : t().banner.reconnecting}</p>
              <p class="notice-hint">
                {t().registrationFailure[registration().failure.code].title}
                {" · "}
                <Show when={registration().retry_at_ms} fallback={t().banner.retrying}>
                  {(retryAt) => <RetryIn model={props.model} atMs={retryAt()} />}
                </Show>
              </p>
            </div>
          </div>
        )}
      </Show>
      <For each={lines()}>
        {(line) => (
          <div class="notice" data-level="warning" role="status" data-testid="banner-line">
            <Icon name="wifi-off" size={16} />
            <div class="notice-text">
              <p class="notice-title">
                {line.registration.state === "reconnecting" ? t().banner.reconnectingLine(line.account.user) : t().banner.lineOffline(line.account.user)}
              </p>
              <p class="notice-hint">{line.failure.title}</p>
              <button type="button" class="link" data-testid="banner-line-settings" onClick={() => props.model.show("settings")}>
                {t().lines.title}
              </button>
            </div>
          </div>
        )}
      </For>
      <For each={shown()}>
        {(notice) => (
          <div class="notice" data-level={notice.level} role={notice.level === "error" ? "alert" : "status"} data-testid="notice" data-code={notice.code}>
            <Icon name={ICONS[notice.level]} size={16} />
            <div class="notice-text">
              <p class="notice-title">{t().notice[notice.code].title}</p>
              <p class="notice-hint">{t().notice[notice.code].hint}</p>
              <Show when={notice.code === "logged_in_elsewhere" && props.model.elsewhere().length > 0}>
                <p class="notice-hint notice-detail" data-testid="notice-elsewhere">
                  {props.model.elsewhere().join(", ")}
                </p>
              </Show>
              <Show when={device(notice)}>
                <button type="button" class="link" data-testid="notice-devices" onClick={() => props.model.show("devices")}>
                  {t().navigation.devices}
                </button>
              </Show>
            </div>
            <button
              type="button"
              class="icon-button small"
              aria-label={t().panel.dismiss}
              title={t().panel.dismiss}
              data-testid="dismiss-notice"
              onClick={() => void props.model.run("dismiss_notice", { notice: notice.id })}
            >
              <Icon name="x" size={16} />
            </button>
          </div>
        )}
      </For>
      <Show when={notices().length > 1}>
        <button type="button" class="notices-more" aria-expanded={all()} data-testid="notices-more" onClick={() => showAll(!all())}>
          {all() ? t().banner.fewer : t().banner.more(notices().length - 1)}
        </button>
      </Show>
    </div>
  );
}

function RetryIn(props: { model: Model; atMs: number }) {
  const now = useNow(() => props.atMs);
  const left = () => secondsLeft(props.atMs, now());
  return <>{left() > 0 ? props.model.texts().banner.retryIn(left()) : props.model.texts().banner.retrying}</>;
}
