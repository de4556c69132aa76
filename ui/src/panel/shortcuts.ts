import type { Texts } from "../i18n";
import type { CallAction } from "../ipc/generated";
import type { Model, View } from "./model";

/** What the help dialog lists. */
export const SHORTCUTS: readonly { meaning: keyof Texts["help"]; keys: readonly string[] }[] = [
  { meaning: "answer", keys: ["Ctrl", "Enter"] },
  { meaning: "hangup", keys: ["Ctrl", "E"] },
  { meaning: "mute", keys: ["Ctrl", "M"] },
  { meaning: "hold", keys: ["Ctrl", "H"] },
  { meaning: "keypad", keys: ["Ctrl", "K"] },
  { meaning: "transfer", keys: ["Ctrl", "D"] },
  { meaning: "swap", keys: ["Ctrl", "S"] },
  { meaning: "ready", keys: ["Ctrl", "R"] },
  { meaning: "views", keys: ["Alt", "1–5"] },
  { meaning: "digits", keys: ["0–9", "*", "#"] },
  { meaning: "close", keys: ["Esc"] },
  { meaning: "help", keys: ["?"] },
];

/**
 * Carries out what a key press means, and tells whether it meant anything. Commands that are not allowed now do nothing:
 * a shortcut never raises an error.
 */
export function handleShortcut(event: KeyboardEvent, model: Model, views: readonly View[], openHelp: () => void): boolean {
  const command = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  if (command) return handleCommand(event, model);
  if (event.altKey && !event.ctrlKey && !event.metaKey) {
    const view = /^Digit[1-9]$/.test(event.code) ? views[Number(event.code.slice(5)) - 1] : undefined;
    if (view === undefined) return false;
    model.show(view);
    return true;
  }
  if (event.key === "?" && !isTyping(event)) {
    openHelp();
    return true;
  }
  return false;
}

function handleCommand(event: KeyboardEvent, model: Model): boolean {
  const call = model.call();
  const allowed = (action: CallAction) => call?.allowed.includes(action) === true;
  switch (event.key.toLowerCase()) {
    case "enter": {
      // The call on the card, else the one that waits beside it.
      const answered = allowed("answer") ? call : model.snapshot.calls.find((other) => other.allowed.includes("answer"));
      if (answered === undefined) return false;
      void model.run("answer", { call: answered.id });
      return true;
    }
    case "backspace":
    case "e":
      // In a field, Ctrl+Backspace erases a word.
      if (call === undefined || !allowed("hangup") || (event.key === "Backspace" && isTyping(event))) return false;
      void model.run("hangup", { call: call.id });
      return true;
    case "m":
      if (call === undefined || !allowed("mute")) return false;
      void model.run("call_mute", { muted: !call.muted });
      return true;
    case "h":
      if (call === undefined) return false;
      if (allowed("retrieve")) void model.run("call_retrieve", { call: call.id });
      else if (allowed("hold")) void model.run("call_hold", { call: call.id });
      else return false;
      return true;
    case "k":
      if (!allowed("dtmf")) return false;
      model.open(model.drawer() === "keypad" ? "controls" : "keypad");
      return true;
    case "d":
      if (!(model.can("transfer") && allowed("transfer")) && !(model.can("consult") && allowed("consult"))) return false;
      model.show(model.callSide());
      model.open(model.drawer() === "transfer" ? "controls" : "transfer");
      return true;
    case "s":
      if (!model.snapshot.calls.some((other) => other.allowed.includes("swap"))) return false;
      void model.run("swap", {});
      return true;
    case "r": {
      const { agent } = model.snapshot;
      if (agent.allowed.includes("ready")) void model.run("agent_ready", {});
      else if (agent.allowed.includes("break")) void model.run("agent_break", {});
      else return false;
      return true;
    }
    default:
      return false;
  }
}

/** Whether the key goes into a text field, also one inside a shadow root. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !["range", "radio", "checkbox", "button"].includes(target.type)) ||
    (target instanceof HTMLElement && target.isContentEditable)
  );
}
