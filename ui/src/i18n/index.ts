import type { Language } from "../ipc/generated";
import { en } from "./en";
import type { Texts } from "./texts";
import { zhCN } from "./zh-CN";

export type { Advice, AgentStateName, CallStateName, DiversionReason, Texts } from "./texts";

/** The texts of a language; `system` follows the languages that the system prefers, English where none is known. */
export function textsOf(language: Language, preferred: readonly string[]): Texts {
  if (language === "zh-CN") return zhCN;
  if (language === "en") return en;
  for (const tag of preferred) {
    if (/^zh\b/i.test(tag)) return zhCN;
    if (/^en\b/i.test(tag)) return en;
  }
  return en;
}

export const allTexts: readonly Texts[] = [zhCN, en];
