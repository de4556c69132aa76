import { textsOf } from "../i18n";
import { connectTauri, insideTauri } from "../ipc/tauri";
import { openWindow } from "./open";

async function start(): Promise<void> {
  const host = document.getElementById("window");
  if (host === null) throw new Error("index.html has the element #window");
  if (insideTauri()) {
    openWindow(host, await connectTauri());
    quietContextMenu();
  } else if (import.meta.env.DEV) {
    // `npm run dev` in a plain browser: the simulated program. A build does not contain it.
    const { openPreview } = await import("./open-preview");
    openPreview(host);
  } else {
    throw new Error("this page belongs into the Deskline window");
  }
}

/** The web view's own menu (reload, back, …) is none of the agent's; copying and pasting by it is. */
function quietContextMenu(): void {
  document.addEventListener("contextmenu", (event) => {
    const [target] = event.composedPath();
    if (target instanceof Element && getComputedStyle(target).getPropertyValue("-webkit-user-select") === "none") event.preventDefault();
  });
}

start().catch((error: unknown) => {
  const texts = textsOf("system", navigator.languages);
  const box = document.createElement("main");
  box.className = "failed";
  box.setAttribute("role", "alert");
  const title = document.createElement("h1");
  title.textContent = texts.window.failed;
  const hint = document.createElement("p");
  hint.textContent = texts.window.failedHint;
  const detail = document.createElement("p");
  detail.className = "detail";
  detail.textContent = error instanceof Error ? error.message : JSON.stringify(error);
  const reload = document.createElement("button");
  reload.textContent = texts.window.reload;
  reload.addEventListener("click", () => location.reload());
  box.append(title, hint, detail, reload);
  document.body.replaceChildren(box);
});
