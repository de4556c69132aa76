import "../panel/styles/tokens.css";
import "./desktop.css";

import { createComponent, createEffect, createRoot } from "solid-js";
import { render } from "solid-js/web";

import type { Client } from "../ipc/client";
import { mount } from "../panel";
import { Workspace } from "./Workspace";

/** Fills the desktop window: the panel, and beside it a workspace where there is room (900 px, as in desktop.css). Returns what empties it. */
export function openWindow(host: HTMLElement, client: Client): () => void {
  const panelHost = document.createElement("main");
  panelHost.className = "panel-host";
  const workspaceHost = document.createElement("div");
  workspaceHost.className = "workspace-host";
  host.append(panelHost, workspaceHost);

  const wide = window.matchMedia("(min-width: 900px)");
  const { model, dispose } = mount(panelHost, client, { keyboard: "window", size: "fill" });
  const stopFollowing = createRoot((stop) => {
    createEffect(() => {
      document.documentElement.lang = model.texts().tag;
      document.documentElement.dataset["theme"] = model.theme();
    });
    return stop;
  });
  let unmount: (() => void) | undefined;
  const fit = (): void => {
    unmount?.();
    unmount = wide.matches ? render(() => createComponent(Workspace, { model }), workspaceHost) : undefined;
  };
  wide.addEventListener("change", fit);
  fit();

  return () => {
    wide.removeEventListener("change", fit);
    unmount?.();
    stopFollowing();
    dispose();
    host.replaceChildren();
  };
}
