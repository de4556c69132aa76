import { expect, test } from "vitest";

import { allTexts, textsOf } from "./index";
import { en } from "./en";
import { zhCN } from "./zh-CN";

type Leaf = { path: string; value: unknown };

function leaves(value: unknown, path = ""): Leaf[] {
  if (typeof value !== "object" || value === null) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === "" ? key : `${path}.${key}`));
}

function shown({ path, value }: Leaf): string {
  if (typeof value === "string") return value;
  if (typeof value === "function") return String((value as (...args: unknown[]) => unknown)(7, 8));
  throw new Error(`${path} is neither a text nor a function`);
}

test("both languages have the same texts, with the same number of gaps", () => {
  const shape = (texts: unknown) =>
    leaves(texts).map(({ path, value }) => [path, typeof value === "function" ? value.length : "text"]);
  expect(shape(zhCN)).toEqual(shape(en));
});

test("no text is empty, padded, or left in the other language", () => {
  for (const leaf of leaves(en)) {
    expect(shown(leaf).trim(), leaf.path).toBe(shown(leaf));
    expect(shown(leaf), leaf.path).not.toBe("");
    // A language is called by its own name.
    if (leaf.path !== "language.zh-CN") expect(shown(leaf), leaf.path).not.toMatch(/[\u3400-\u9fff]/);
  }
  const latinByNature = /^(tag|productName|transport\.|sipStatus|language\.en|calls\.count)/;
  for (const leaf of leaves(zhCN)) {
    expect(shown(leaf).trim(), leaf.path).toBe(shown(leaf));
    expect(shown(leaf), leaf.path).not.toBe("");
    if (!latinByNature.test(leaf.path)) expect(shown(leaf), leaf.path).toMatch(/[\u3400-\u9fff]/);
  }
});

test("titles of different causes differ: the agent can tell them apart", () => {
  for (const texts of allTexts) {
    for (const codes of [texts.endCause, texts.registrationFailure, texts.notice]) {
      const titles = Object.values(codes).map((advice) => `${advice.title} ${advice.hint}`);
      expect(new Set(titles).size).toBe(titles.length);
    }
  }
});

test("the system's preferred language decides where nothing is chosen", () => {
  expect(textsOf("system", ["fr-FR", "zh-Hans-CN"])).toBe(zhCN);
  expect(textsOf("system", ["en-GB", "zh-CN"])).toBe(en);
  expect(textsOf("system", ["fr-FR"])).toBe(en);
  expect(textsOf("zh-CN", ["en-US"])).toBe(zhCN);
  expect(textsOf("en", ["zh-CN"])).toBe(en);
});
