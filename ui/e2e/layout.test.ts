import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import type { AxeResults } from "axe-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openPage, openSite, pass, restart, speak, world, type Site, type TestPage } from "./browser";
import { SCENES } from "./scenes";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

/** Serious and critical findings, in words; by some rules only, or by all. */
async function findings(page: TestPage, rules?: string[]): Promise<string[]> {
  const results = await page.evaluate(
    async (runOnly) => (window as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run({ resultTypes: ["violations"], ...runOnly }),
    rules === undefined ? {} : { runOnly: rules },
  );
  return results.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary ?? ""}`));
}

/** Elements whose content is wider than they are, and targets smaller than they may be. */
async function misfits(page: TestPage): Promise<string[]> {
  return page.evaluate(() => {
    const root = document.querySelector("deskline-panel")?.shadowRoot;
    if (!root) return ["no panel"];
    const found: string[] = [];
    const panel = root.querySelector(".panel")?.getBoundingClientRect();
    for (const element of root.querySelectorAll<HTMLElement>(".panel, .main, .view, .scroll, .foot, .header, .notices, .call-bar, button")) {
      if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible" && getComputedStyle(element).textOverflow !== "ellipsis") {
        found.push(`too wide: ${element.className} ${element.dataset["testid"] ?? ""} ${element.scrollWidth} > ${element.clientWidth}`);
      }
    }
    for (const button of root.querySelectorAll<HTMLElement>("button, input:not([type=radio], [type=checkbox]), label.check, textarea, select")) {
      const { left, right, width, height } = button.getBoundingClientRect();
      if (width === 0) continue;
      const name = button.dataset["testid"] ?? button.className;
      if (panel && (left < panel.left - 0.5 || right > panel.right + 0.5)) found.push(`outside: ${name}`);
      if (!button.matches(".link") && (width < 20 || height < 20)) found.push(`too small: ${name} ${width}×${height}`);
    }
    return found;
  });
}

const SIZES = [
  [240, 420],
  [280, 552],
  [420, 560],
  [640, 560],
] as const;

describe.each(SIZES)("at %i×%i", (width, height) => {
  test("everything fits in both languages, in every scene", async () => {
    const trouble: string[] = [];
    const page = await openPage(site, { width, height });
    for (const [name, scene] of Object.entries(SCENES)) {
      // The full list at the size that is used most; what is tightest elsewhere.
      if (width !== 280 && !/^(certificate-refused|trust-dialog|sign-in-more|call-waiting|consult|transfer|transfer-failed|identity|lines|message-in-call|sign-in-failed|ready|dial|busy|ringing|talking|keypad|call-elsewhere|after-call-work|calls|devices)$/.test(name)) continue;
      await restart(page);
      await world(page, (fake) => fake.signedIn());
      await scene(page);
      for (const language of ["zh-CN", "en"] as const) {
        await speak(page, language);
        await pass(page, 20);
        trouble.push(...(await misfits(page)).map((what) => `${name} ${language}: ${what}`));
      }
    }
    expect(page.complaints).toEqual([]);
    expect(trouble).toEqual([]);
    await page.context().close();
  });
});

test.each(["zh-CN", "en"] as const)("no serious finding of accessibility in any view, in any theme (%s)", { timeout: 240_000 }, async (language) => {
  const trouble: string[] = [];
  const page = await openPage(site);
  await page.evaluate(AXE);
  // axe waits by timers.
  await page.clock.resume();
  for (const name of ["sign-in-failed", "certificate-refused", "trust-dialog", "sign-in-more", "call-waiting", "consult-alerting", "consult", "transfer", "transfer-trying", "transfer-failed", "consult-failed", "identity", "call-reconnecting", "lines", "line-remove", "line-add", "line-trouble", "message-in-call", "message-answered", "break", "break-menu", "volume", "busy", "ringing", "talking-muted-volume", "held", "keypad", "call-elsewhere", "after-call-work", "calls", "devices-trouble", "settings", "notices", "reconnecting", "toast", "help"]) {
    await restart(page);
    await world(page, (fake) => fake.signedIn());
    await SCENES[name]?.(page);
    await speak(page, language);
    for (const theme of ["light", "dark", "high-contrast"] as const) {
      await page.evaluate((theme) => window.fake.change((draft) => (draft.settings.theme = theme)), theme);
      await pass(page, 20);
      // The themes differ in nothing but colours.
      const found = await findings(page, theme === "light" ? undefined : ["color-contrast"]);
      trouble.push(...found.map((what) => `${name} ${theme}: ${what}`));
    }
  }
  await page.context().close();
  expect(trouble).toEqual([]);
});

test("the wide window has the workspace, without findings either", async () => {
  const page = await openPage(site, { width: 1100, height: 760 });
  await page.evaluate(AXE);
  await page.clock.resume();
  expect(await page.getByTestId("workspace").innerText()).toContain("尚未签入");
  await world(page, (fake) => fake.signedIn());
  expect(await page.getByTestId("workspace-history").locator("tr").count()).toBe(7);
  await world(page, (fake) => fake.ring());
  expect(await page.getByTestId("call-at-large").innerText()).toContain("林晓雨");
  expect(await page.getByTestId("calls-before").innerText()).toBe("此前通话 1 次，上次 今天 11:54");
  expect(await findings(page)).toEqual([]);
  expect(page.complaints).toEqual([]);
  await page.context().close();
});

test("nothing moves while nothing happens; ringing pulses unless motion is unwanted", async () => {
  const running = (page: TestPage) =>
    page.evaluate(() => {
      const animations = [document, document.querySelector("deskline-panel")?.shadowRoot].flatMap((root) => root?.getAnimations() ?? []);
      return animations.filter(({ playState }) => playState === "running").length;
    });
  const page = await openPage(site, { reducedMotion: "no-preference" });
  await world(page, (fake) => fake.signedIn());
  await pass(page, 2_000);
  await expect.poll(() => running(page)).toBe(0);
  await world(page, (fake) => fake.ring());
  await expect.poll(() => running(page)).toBeGreaterThan(0);
  await page.context().close();

  const still = await openPage(site, { reducedMotion: "reduce" });
  await world(still, (fake) => fake.signedIn());
  await world(still, (fake) => fake.ring());
  expect(await running(still)).toBe(0);
  await still.context().close();
});

test("every control is reached by Tab, with a focus that shows", async () => {
  const page = await openPage(site);
  await world(page, (fake) => fake.signedIn());
  const reached = new Set<string>();
  for (let step = 0; step < 14; step++) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.querySelector("deskline-panel")?.shadowRoot?.activeElement as HTMLElement | null | undefined;
      return element ? { name: element.dataset["testid"] ?? "", outline: getComputedStyle(element).outlineStyle } : null;
    });
    if (focus === null) continue;
    expect(focus.outline, focus.name).toBe("solid");
    reached.add(focus.name);
  }
  for (const name of ["break-menu", "volume-menu", "sign-out", "nav-incoming", "nav-outgoing", "nav-calls", "nav-devices", "nav-settings", "help", "demo-call"]) {
    expect(reached).toContain(name);
  }
  await page.context().close();
});
