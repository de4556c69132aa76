import { createComponent, createEffect, createRoot } from "solid-js";
import { render } from "solid-js/web";

import type { Client } from "../ipc/client";
import { createModel, type HeaderAction, type Model, type View } from "./model";
import { Panel } from "./Panel";
import { styleSheets } from "./styles";

export type { HeaderAction, Model, View } from "./model";

export type MountOptions = {
  /** The actions of the header, all by default. */
  actions?: readonly HeaderAction[];
  /** The entries of the navigation, all by default, in this order. */
  views?: readonly View[];
  /** In px, 280×552 by default, at least 240×420; `fill` takes the host's size. */
  size?: "fill" | { width: number; height: number };
  /** `window`: shortcuts work wherever the focus is (the page is ours). `panel` (default): only inside the panel. */
  keyboard?: "panel" | "window";
};

export type MountedPanel = {
  element: DesklinePanel;
  /** What the panel shows, for a page that shows more of it. */
  model: Model;
  dispose: () => void;
};

const ALL_ACTIONS: readonly HeaderAction[] = ["break", "volume", "offline"];
const ALL_VIEWS: readonly View[] = ["incoming", "outgoing", "calls", "devices", "settings"];

const DEFAULT_SIZE = { width: 280, height: 552 };

/** The agent's panel, in a shadow root of its own; {@link mount} makes one. */
export class DesklinePanel extends HTMLElement {
  readonly #root: ShadowRoot;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = styleSheets();
  }

  /** Shows the panel over `client`; returns its model and what ends it. */
  start(client: Client, options: MountOptions): { model: Model; dispose: () => void } {
    return createRoot((dispose) => {
      const model = createModel(client);
      createEffect(() => {
        this.dataset["theme"] = model.theme();
      });
      const unmount = render(
        () =>
          createComponent(Panel, {
            model,
            actions: options.actions ?? ALL_ACTIONS,
            views: options.views ?? ALL_VIEWS,
            keyTarget: options.keyboard === "window" ? window : this,
          }),
        this.#root,
      );
      return {
        model,
        dispose: () => {
          unmount();
          dispose();
        },
      };
    });
  }
}

/** Puts the panel into `host`. */
export function mount(host: HTMLElement, client: Client, options: MountOptions = {}): MountedPanel {
  if (customElements.get("deskline-panel") === undefined) customElements.define("deskline-panel", DesklinePanel);
  const element = new DesklinePanel();
  const { size = DEFAULT_SIZE } = options;
  if (size !== "fill") {
    element.style.width = `${size.width}px`;
    element.style.height = `${size.height}px`;
  }
  host.append(element);
  const { model, dispose } = element.start(client, options);
  return {
    element,
    model,
    dispose: () => {
      dispose();
      element.remove();
    },
  };
}
