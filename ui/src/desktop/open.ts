import "../panel/styles/tokens.css";
import "./desktop.css";

import { createComponent, createEffect, createRoot } from "solid-js";
import { render } from "solid-js/web";

import type { Client } from "../ipc/client";
import { mount } from "../panel";
import { Workspace } from "./Workspace";

/** Fills the desktop window: the panel, and beside it a workspace where there is room (see desktop.css). */
export function openWindow(host: HTMLElement, client: Client): void {
  const panelHost = document.createElement("div");
  panelHost.className = "panel-host";
  const workspaceHost = document.createElement("div");
  workspaceHost.className = "workspace-host";
  host.append(panelHost, workspaceHost);

  const { model } = mount(panelHost, client, { keyboard: "window" });
  createRoot(() => {
    createEffect(() => {
      document.documentElement.lang = model.texts().tag;
      document.documentElement.dataset["theme"] = model.theme();
    });
  });
  render(() => createComponent(Workspace, { model }), workspaceHost);
}
