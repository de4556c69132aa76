import { createEffect, createSignal, For, Match, on, onCleanup, onMount, Show, Switch } from "solid-js";

import { groupedNumber } from "./format";
import type { HeaderAction, Model, View } from "./model";
import { CallBar } from "./parts/CallBar";
import { Header } from "./parts/Header";
import { Help } from "./parts/Help";
import { Messages } from "./parts/Messages";
import { Navigation } from "./parts/Navigation";
import { Notices } from "./parts/Notices";
import { Toasts } from "./parts/Toasts";
import { handleShortcut } from "./shortcuts";
import { createSize } from "./size";
import { callState, isSignedOut } from "./states";
import { AfterCallWork } from "./views/AfterCallWork";
import { CallCard } from "./views/CallCard";
import { CallList } from "./views/CallList";
import { Devices } from "./views/Devices";
import { DialPad } from "./views/DialPad";
import { Ready } from "./views/Ready";
import { Settings } from "./views/Settings";
import { SignIn } from "./views/SignIn";

export type PanelProps = {
  model: Model;
  actions: readonly HeaderAction[];
  views: readonly View[];
  /** Where key presses are heard: the panel itself, or the whole window where the page is the panel's own. */
  keyTarget: EventTarget;
};

export function Panel(props: PanelProps) {
  const model = props.model;
  const t = () => model.texts();
  const [helpOpen, setHelpOpen] = createSignal(false);
  let root!: HTMLDivElement;
  const size = createSize(() => root);

  const onKeyDown = (event: Event): void => {
    if (!(event instanceof KeyboardEvent) || event.defaultPrevented || event.isComposing || helpOpen()) return;
    if (handleShortcut(event, model, props.views, () => setHelpOpen(true))) event.preventDefault();
  };
  onMount(() => {
    props.keyTarget.addEventListener("keydown", onKeyDown);
    onCleanup(() => props.keyTarget.removeEventListener("keydown", onKeyDown));
  });

  // The view of the calls: one side of the navigation for all of them.
  const callHere = () => {
    const call = model.call();
    if (call === undefined) return undefined;
    return model.view() === model.callSide() || (model.view() === "incoming" && !props.views.includes("outgoing")) ? call : undefined;
  };
  const callElsewhere = () => (callHere() === undefined ? model.call() : undefined);
  // Further calls are above the one that is shown, the oldest first: a new one moves no button of the others.
  const further = () => model.snapshot.calls.filter(({ id }) => id !== model.call()?.id);
  const phone = () => model.view() === "incoming" || model.view() === "outgoing";

  createEffect(() => {
    root.lang = t().tag;
  });

  // A control that is replaced takes the focus with it; inside another page the keyboard would then leave the panel.
  let focused = false;
  onMount(() => {
    root.addEventListener("focusin", () => (focused = true));
    root.addEventListener("focusout", (event) => {
      if (event.relatedTarget !== null) focused = false;
    });
  });
  createEffect(
    on([model.view, () => callHere()?.id, () => callHere()?.state, () => model.snapshot.agent.code], () => {
      queueMicrotask(() => {
        // Never from elsewhere in the page, nor from a frame in it.
        const elsewhere = document.activeElement !== null && document.activeElement !== document.body;
        if (focused && !elsewhere) root.focus({ preventScroll: true });
      });
    }),
  );
  const announcement = () => {
    const ringing = model.snapshot.calls.find(({ state }) => state === "ringing");
    return ringing === undefined ? "" : `${t().callState[callState(ringing).name]}: ${ringing.name ?? ""} ${groupedNumber(ringing.number)}`;
  };

  return (
    <div
      ref={root}
      class="panel"
      role="region"
      tabindex={-1}
      aria-label={t().panel.label}
      data-width={size().width}
      data-height={size().height}
      data-view={model.view()}
    >
      <Header model={model} actions={props.actions} />
      <Navigation model={model} views={props.views} onHelp={() => setHelpOpen(true)} />
      <div class="main">
        <Notices model={model} />
        <Messages model={model} />
        <For each={further()}>{(call) => <CallBar model={model} call={call} />}</For>
        <Switch>
          <Match when={callHere()}>{(call) => <CallCard model={model} call={call()} keyTarget={props.keyTarget} />}</Match>
          <Match when={phone() && isSignedOut(model.snapshot)}>
            <SignIn model={model} />
          </Match>
          <Match when={model.view() === "incoming" && model.snapshot.agent.code === 5}>
            <AfterCallWork model={model} />
          </Match>
          <Match when={model.view() === "incoming"}>
            <Ready model={model} />
          </Match>
          <Match when={model.view() === "outgoing"}>
            <DialPad model={model} keyTarget={props.keyTarget} />
          </Match>
          <Match when={model.view() === "calls"}>
            <CallList model={model} wide={size().width === "wide"} />
          </Match>
          <Match when={model.view() === "devices"}>
            <Devices model={model} />
          </Match>
          <Match when={model.view() === "settings"}>
            <Settings model={model} onHelp={() => setHelpOpen(true)} />
          </Match>
        </Switch>
        <Show when={callElsewhere()}>{(call) => <CallBar model={model} call={call()} />}</Show>
      </div>
      <p class="sr" role="alert" data-testid="announcement">
        {announcement()}
      </p>
      <Toasts model={model} />
      <Show when={helpOpen()}>
        <Help model={model} onClose={() => setHelpOpen(false)} />
      </Show>
    </div>
  );
}
