import { createEffect, createSignal, Match, on, onCleanup, onMount, Show, Switch, type JSX } from "solid-js";

import type { Call, CallAction } from "../../ipc/generated";
import { isDtmfKey } from "../dialling";
import { groupedNumber, whoOf } from "../format";
import { Icon } from "../icons/Icon";
import type { IconName } from "../icons/drawings";
import type { Model } from "../model";
import { CallerDetails, CallerLines } from "../parts/CallerLines";
import { EndedCard } from "../parts/EndedCard";
import { Keypad } from "../parts/Keypad";
import { LevelMeters } from "../parts/LevelMeters";
import { StateShape } from "../parts/StateShape";
import { Timer } from "../parts/Timer";
import { TransferProgress } from "../parts/TransferProgress";
import { VolumeSlider } from "../parts/VolumeSlider";
import { isTyping } from "../shortcuts";
import { callState, consultationOf, isReconnecting } from "../states";
import { Transfer } from "./Transfer";

/**
 * The call. Hang up stands at the left of the foot and answer at its right in every state, and nothing else ever stands
 * there: a second click of a hasty hand hits nothing. The controls stand on the foot, whatever comes in above them.
 */
export function CallCard(props: { model: Model; call: Call; keyTarget: EventTarget }) {
  const t = () => props.model.texts();
  const model = props.model;
  const allowed = (action: CallAction) => props.call.allowed.includes(action);
  const state = () => callState(props.call);
  const live = () => props.call.state === "talking" || props.call.state === "held";
  const [volumeOpen, setVolumeOpen] = createSignal(false);
  const consultation = () => consultationOf(model.snapshot.calls, props.call);
  const kind = () => {
    const pair = consultation();
    if (pair !== undefined) {
      return pair.consult.id === props.call.id ? t().consult.about(whoOf(pair.customer, t())) : t().consult.asked(whoOf(pair.consult, t()));
    }
    if (props.call.direction === "internal") return t().call.internal;
    return props.call.direction === "inbound" ? t().call.incoming : t().call.outgoing;
  };
  // A further line is named; the agent's own is understood.
  const line = () => model.snapshot.lines.slice(1).find(({ id }) => id === props.call.line)?.account.user;
  const hangupWord = () => {
    if (props.call.state === "ringing") return t().call.decline;
    return props.call.state === "dialing" || props.call.state === "alerting" ? t().call.cancel : t().call.hangup;
  };
  // A consultation or a second call that came to nothing: without a word it would only be gone.
  const failedBeside = () => {
    const last = model.snapshot.last_call;
    return last?.answered_ms === null && last.end?.cause !== "cancelled" && last.end?.cause !== "declined" ? last : undefined;
  };
  const drawer = () => {
    // A consultation that is being dialled has its controls in place already: its buttons stay where they are.
    if (!live()) return consultation() === undefined ? undefined : "controls";
    if (model.drawer() === "transfer" && !allowed("transfer") && !allowed("consult")) return "controls";
    return model.drawer();
  };

  // One command after another: what is pressed quickly arrives in the order of the pressing.
  let sent: Promise<void> = Promise.resolve();
  const sendDigit = (digits: string): void => {
    const call = props.call.id;
    sent = sent.then(() => model.execute("send_dtmf", { digits, call })).then(() => undefined, model.report);
  };

  const onKeyDown = (event: Event): void => {
    if (!(event instanceof KeyboardEvent) || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (drawer() !== "keypad") return;
    if (allowed("dtmf") && isDtmfKey(event.key)) {
      event.preventDefault();
      sendDigit(event.key);
    } else if (event.key === "Escape") {
      model.open("controls");
    }
  };
  onMount(() => {
    props.keyTarget.addEventListener("keydown", onKeyDown);
    onCleanup(() => props.keyTarget.removeEventListener("keydown", onKeyDown));
  });
  createEffect(on(live, (now) => !now && setVolumeOpen(false)));

  return (
    <section
      class="view card"
      data-tone={state().tone}
      data-state={props.call.state}
      data-drawer={drawer()}
      data-beside={model.snapshot.calls.length > 1 ? "" : undefined}
      aria-label={t().call.card}
      data-testid="call-card"
      data-call={props.call.id}
    >
      {/* Where there is little room the keyboard has to reach what is below. */}
      <div class="scroll" role="group" aria-label={t().call.card} tabindex={0}>
        <p class="card-kind" data-testid="call-kind">
          {kind()}
          <Show when={line()}>{(user) => <span data-testid="call-line">{` · ${t().lines.by(user())}`}</span>}</Show>
        </p>
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
        <CallerLines model={model} call={props.call} />
        <div class="card-state">
          <p class="card-word" role="status" data-testid="call-state" data-state={state().name}>
            <StateShape tone={state().tone} />
            {t().callState[state().name]}
          </p>
          <Timer class="card-timer" testid="call-timer" sinceMs={props.call.answered_ms ?? props.call.started_ms} />
        </div>
        <TransferProgress model={model} call={props.call} />
        <Show when={failedBeside()}>{(other) => <EndedCard model={model} call={other()} compact named />}</Show>
        <Hints call={props.call} model={model} />
        <CallerDetails model={model} call={props.call} />
      </div>
      <Show when={drawer()}>
        {(open) => (
          <div class="dock">
            <Switch>
              <Match when={open() === "keypad"}>
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
                      onClick={() => model.open("controls")}
                    >
                      <Icon name="chevron-down" />
                    </button>
                  </div>
                  <Keypad label={t().call.keypad} testid="dtmf" disabled={!allowed("dtmf")} onKey={sendDigit} />
                </div>
              </Match>
              <Match when={open() === "transfer"}>
                <Transfer model={model} call={props.call} keyTarget={props.keyTarget} />
              </Match>
              <Match when={true}>
                <Show when={volumeOpen()}>
                  <div class="card-volume">
                    <VolumeSlider model={model} role="speaker" label={t().deviceRole.speaker} />
                    <VolumeSlider model={model} role="microphone" label={t().deviceRole.microphone} />
                  </div>
                </Show>
                <Show when={consultation()}>{(pair) => <ConsultActions model={model} consult={pair().consult} customer={pair().customer} />}</Show>
                <Controls model={model} call={props.call} volumeOpen={volumeOpen()} onVolume={() => setVolumeOpen(!volumeOpen())} />
              </Match>
            </Switch>
          </div>
        )}
      </Show>
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

/** What can be done with a call that stands. Each has its place: what comes with a second call comes last. */
function Controls(props: { model: Model; call: Call; volumeOpen: boolean; onVolume: () => void }) {
  const t = () => props.model.texts();
  const model = props.model;
  const allowed = (action: CallAction) => props.call.allowed.includes(action);
  const transfers = () => model.can("transfer") || model.can("consult");
  const swaps = () => model.snapshot.calls.some((call) => call.allowed.includes("swap"));
  return (
    <div class="controls" classList={{ six: transfers() }}>
      <Control
        icon={props.call.muted ? "mic-off" : "mic"}
        label={props.call.muted ? t().call.unmute : t().call.mute}
        pressed={props.call.muted}
        disabled={!allowed("mute")}
        testid="mute"
        onClick={() => void model.run("call_mute", { muted: !props.call.muted, call: props.call.id })}
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
        <Control icon="grip" label={t().call.keypad} disabled={!allowed("dtmf")} testid="keypad" onClick={() => model.open("keypad")} />
      </Show>
      <Show when={transfers()}>
        <Control
          icon="phone-forwarded"
          label={t().call.transfer}
          disabled={!allowed("transfer") && !allowed("consult")}
          testid="transfer"
          onClick={() => model.open("transfer")}
        />
      </Show>
      <Control icon="volume-2" label={t().call.volume} expanded={props.volumeOpen} testid="call-volume" onClick={() => props.onVolume()} />
      <Show when={swaps()}>
        <Control icon="arrow-left-right" label={t().call.swap} disabled={model.busy("swap")} testid="swap" onClick={() => void model.run("swap", {})} />
      </Show>
    </div>
  );
}

/** A consultation ends in one of two ways; both stand on either of its cards. */
function ConsultActions(props: { model: Model; consult: Call; customer: Call }) {
  const t = () => props.model.texts();
  const allowed = (action: CallAction) => props.consult.allowed.includes(action) || props.customer.allowed.includes(action);
  return (
    <div class="consult-actions" data-testid="consult-actions">
      <button
        type="button"
        class="button"
        disabled={!allowed("cancel_consult") || props.model.busy("consult_cancel")}
        data-testid="consult-cancel"
        onClick={() => void props.model.run("consult_cancel", { call: props.consult.id })}
      >
        {t().consult.cancel}
      </button>
      <button
        type="button"
        class="button primary"
        title={t().consult.completeHint}
        disabled={!allowed("complete_transfer") || props.model.busy("transfer_complete")}
        data-testid="consult-complete"
        onClick={() => void props.model.run("transfer_complete", { call: props.consult.id })}
      >
        <Icon name="check" size={16} />
        {t().consult.complete}
      </button>
    </div>
  );
}

function Hints(props: { call: Call; model: Model }): JSX.Element {
  const t = () => props.model.texts();
  return (
    <div class="card-hints" aria-live="polite">
      <Show when={isReconnecting(props.call)}>
        <p class="hint-trouble" data-testid="reconnecting-hint">
          {t().call.reconnectingHint}
        </p>
      </Show>
      <Show when={props.call.recovered}>
        <p data-testid="recovered-hint">{t().call.recoveredHint}</p>
      </Show>
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
