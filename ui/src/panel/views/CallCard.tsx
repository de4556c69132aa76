import { createEffect, createSignal, on, onCleanup, onMount, Show, type JSX } from "solid-js";

import type { Call, CallAction } from "../../ipc/generated";
import { isDtmfKey } from "../dialling";
import { groupedNumber } from "../format";
import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";
import type { Model } from "../model";
import { Keypad } from "../parts/Keypad";
import { LevelMeters } from "../parts/LevelMeters";
import { StateShape } from "../parts/StateShape";
import { Timer } from "../parts/Timer";
import { VolumeSlider } from "../parts/VolumeSlider";
import { isTyping } from "../shortcuts";
import { callState } from "../states";

/**
 * The call. Hang up stands at the left of the foot and answer at its right in every state, and nothing else ever stands
 * there: a second click of a hasty hand hits nothing.
 */
export function CallCard(props: { model: Model; call: Call; keyTarget: EventTarget }) {
  const t = () => props.model.texts();
  const model = props.model;
  const allowed = (action: CallAction) => props.call.allowed.includes(action);
  const state = () => callState(props.call);
  const live = () => props.call.state === "talking" || props.call.state === "held";
  const [volumeOpen, setVolumeOpen] = createSignal(false);
  const kind = () => {
    if (props.call.direction === "internal") return t().call.internal;
    return props.call.direction === "inbound" ? t().call.incoming : t().call.outgoing;
  };
  const hangupWord = () => {
    if (props.call.state === "ringing") return t().call.decline;
    return props.call.state === "dialing" || props.call.state === "alerting" ? t().call.cancel : t().call.hangup;
  };

  // One command after another: what is pressed quickly arrives in the order of the pressing.
  let sent: Promise<void> = Promise.resolve();
  const sendDigit = (digits: string): void => {
    const call = props.call.id;
    sent = sent.then(() => model.execute("send_dtmf", { digits, call })).then(() => undefined, model.report);
  };

  const onKeyDown = (event: Event): void => {
    if (!(event instanceof KeyboardEvent) || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (model.keypadOpen() && allowed("dtmf") && isDtmfKey(event.key)) {
      event.preventDefault();
      sendDigit(event.key);
    } else if (model.keypadOpen() && event.key === "Escape") {
      model.setKeypadOpen(false);
    }
  };
  onMount(() => {
    props.keyTarget.addEventListener("keydown", onKeyDown);
    onCleanup(() => props.keyTarget.removeEventListener("keydown", onKeyDown));
  });
  createEffect(on(live, (now) => !now && setVolumeOpen(false)));

  return (
    <section class="view card" data-tone={state().tone} data-state={props.call.state} aria-label={t().call.card} data-testid="call-card">
      <div class="scroll">
        <p class="card-kind">{kind()}</p>
        <div class="caller">
          <Show
            when={props.call.name}
            fallback={
              <h1 class="caller-main number" data-testid="call-number">
                {props.call.number === "" ? t().call.anonymous : groupedNumber(props.call.number)}
              </h1>
            }
          >
            {(name) => (
              <>
                <h1 class="caller-main" data-testid="call-name">
                  {name()}
                </h1>
                <p class="caller-number number" data-testid="call-number">
                  {groupedNumber(props.call.number)}
                </p>
              </>
            )}
          </Show>
        </div>
        <div class="card-state">
          <p class="card-word" role="status" data-testid="call-state" data-state={state().name}>
            <StateShape tone={state().tone} />
            {t().callState[state().name]}
          </p>
          <Timer class="card-timer" testid="call-timer" sinceMs={props.call.answered_ms ?? props.call.started_ms} />
        </div>
        <Show when={live() && !model.keypadOpen()}>
          <div class="controls">
            <Control
              icon={props.call.muted ? "mic-off" : "mic"}
              label={props.call.muted ? t().call.unmute : t().call.mute}
              pressed={props.call.muted}
              disabled={!allowed("mute")}
              testid="mute"
              onClick={() => void model.run("call_mute", { muted: !props.call.muted })}
            />
            <Show when={model.can("hold")}>
              <Show
                when={props.call.state === "held"}
                fallback={
                  <Control
                    icon="pause"
                    label={t().call.hold}
                    disabled={!allowed("hold") || model.busy("call_hold")}
                    testid="hold"
                    onClick={() => void model.run("call_hold", { call: props.call.id })}
                  />
                }
              >
                <Control
                  icon="play"
                  label={t().call.retrieve}
                  pressed
                  disabled={!allowed("retrieve") || model.busy("call_retrieve")}
                  testid="retrieve"
                  onClick={() => void model.run("call_retrieve", { call: props.call.id })}
                />
              </Show>
            </Show>
            <Show when={model.can("dtmf")}>
              <Control icon="grip" label={t().call.keypad} disabled={!allowed("dtmf")} testid="keypad" onClick={() => model.setKeypadOpen(true)} />
            </Show>
            <Control
              icon="volume-2"
              label={t().call.volume}
              expanded={volumeOpen()}
              testid="call-volume"
              onClick={() => setVolumeOpen(!volumeOpen())}
            />
          </div>
          <Show when={volumeOpen()}>
            <div class="card-volume">
              <VolumeSlider model={model} role="speaker" label={t().deviceRole.speaker} />
              <VolumeSlider model={model} role="microphone" label={t().deviceRole.microphone} />
            </div>
          </Show>
          <Hints call={props.call} model={model} />
        </Show>
        <Show when={live() && model.keypadOpen()}>
          <div class="dtmf" data-testid="dtmf-pad">
            <div class="dtmf-line">
              <output class="dtmf-sent number" aria-label={t().call.sent} data-testid="dtmf-sent">
                {props.call.dtmf}
              </output>
              <button
                type="button"
                class="icon-button"
                aria-label={t().panel.close}
                title={t().panel.close}
                data-testid="keypad-close"
                onClick={() => model.setKeypadOpen(false)}
              >
                <Icon name="chevron-down" />
              </button>
            </div>
            <Keypad label={t().call.keypad} testid="dtmf" disabled={!allowed("dtmf")} onKey={sendDigit} />
          </div>
        </Show>
      </div>
      <div class="foot two">
        <Show when={allowed("hangup")} fallback={<span />}>
          <button
            type="button"
            class="button hangup"
            data-testid="hangup"
            disabled={model.busy("hangup")}
            onClick={() => void model.run("hangup", { call: props.call.id })}
          >
            <Icon name="phone-off" size={18} />
            {hangupWord()}
          </button>
        </Show>
        <Show when={allowed("answer")} fallback={<LevelMeters model={model} call={props.call} />}>
          <button
            type="button"
            class="button answer"
            data-testid="answer"
            disabled={model.busy("answer")}
            onClick={() => void model.run("answer", { call: props.call.id })}
          >
            <Icon name="phone" size={18} />
            {t().call.answer}
          </button>
        </Show>
      </div>
    </section>
  );
}

function Hints(props: { call: Call; model: Model }): JSX.Element {
  const t = () => props.model.texts();
  return (
    <div class="card-hints" aria-live="polite">
      <Show when={props.call.muted}>
        <p data-testid="muted-hint">{t().call.mutedHint}</p>
      </Show>
      <Show when={props.call.state === "held"}>
        <p data-testid="held-hint">{t().call.heldHint}</p>
      </Show>
      <Show when={props.call.held_by_peer}>
        <p data-testid="held-by-peer-hint">{t().call.heldByPeerHint}</p>
      </Show>
    </div>
  );
}

function Control(props: {
  icon: IconName;
  label: string;
  testid: string;
  pressed?: boolean;
  expanded?: boolean;
  disabled?: boolean;
  onClick: () => void;
}) {
  return (
    <button
      type="button"
      class="control"
      classList={{ active: props.pressed === true || props.expanded === true }}
      aria-expanded={props.expanded}
      disabled={props.disabled}
      data-testid={props.testid}
      onClick={() => props.onClick()}
    >
      <span class="control-icon">
        <Icon name={props.icon} />
      </span>
      <span class="control-label">{props.label}</span>
    </button>
  );
}
