import { Match, Switch } from "solid-js";

import type { Tone } from "../states";

/**
 * The shape of a state: it tells the states apart without colour. `share` (0..=1) is what is left of a state that ends
 * by itself.
 */
export function StateShape(props: { tone: Tone; size?: number; share?: number | undefined }) {
  return (
    <svg class="shape" data-tone={props.tone} width={props.size ?? 12} height={props.size ?? 12} viewBox="0 0 16 16" aria-hidden="true">
      <Switch>
        <Match when={props.tone === "off"}>
          <circle cx="8" cy="8" r="6" class="line" />
        </Match>
        <Match when={props.tone === "ready"}>
          <circle cx="8" cy="8" r="7" class="solid" />
        </Match>
        <Match when={props.tone === "break"}>
          <circle cx="8" cy="8" r="6" class="line" />
          <path d="M8 2a6 6 0 0 1 0 12z" class="solid" />
        </Match>
        <Match when={props.tone === "acw"}>
          <circle cx="8" cy="8" r="6" class="line faint" />
          <circle
            cx="8"
            cy="8"
            r="6"
            class="line"
            pathLength="100"
            stroke-dasharray={`${Math.round((props.share ?? 0.25) * 100)} 100`}
            transform="rotate(-90 8 8)"
          />
          <path d="M8 8V4.5" class="line" />
        </Match>
        <Match when={props.tone === "ringing"}>
          <circle cx="8" cy="8" r="6" class="line" />
          <circle cx="8" cy="8" r="3" class="solid" />
        </Match>
        <Match when={props.tone === "dialing"}>
          <circle cx="8" cy="8" r="6" class="line" stroke-dasharray="2.4 2.3" />
        </Match>
        <Match when={props.tone === "talking"}>
          <rect x="1.5" y="1.5" width="13" height="13" rx="3" class="solid" />
        </Match>
        <Match when={props.tone === "held"}>
          <path d="M5 2.5v11M11 2.5v11" class="line thick" />
        </Match>
        <Match when={props.tone === "consulting"}>
          <rect x="2" y="2" width="12" height="12" rx="2" class="line" />
          <path d="M8 2h4a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H8z" class="solid" />
        </Match>
        <Match when={props.tone === "conference"}>
          <path d="M8 3 14 13.5H2z" class="line" />
          <path d="M8 3v10.5H2z" class="solid" />
        </Match>
        <Match when={props.tone === "monitoring"}>
          <path d="M8 2.5 14.2 13.5H1.8z" class="line" />
          <circle cx="8" cy="10" r="1.8" class="solid" />
        </Match>
        <Match when={props.tone === "trouble"}>
          <path d="M8 1.5 15 14H1z" class="solid" />
        </Match>
      </Switch>
    </svg>
  );
}
