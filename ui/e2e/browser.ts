import { createReadStream, existsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium, type Browser, type Page } from "playwright-core";

import type { CommandName } from "../src/ipc/client";
import type { FakeProgram } from "../src/ipc/fake";

const DIST = fileURLToPath(new URL("../dist-preview", import.meta.url));

/** As strict as the desktop window's own policy: what these tests load, the window loads. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'";

const TYPES: Record<string, string> = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

export type Site = { origin: string; browser: Browser; close(): Promise<void> };

/** Serves the built preview and starts the system's Chromium (`CHROMIUM` names another). */
export async function openSite(): Promise<Site> {
  const server: Server = createServer((request, response) => {
    if (request.url === "/favicon.ico") {
      response.writeHead(204).end();
      return;
    }
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    const file = join(DIST, path === "/" ? "preview.html" : path);
    if (!file.startsWith(DIST) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": POLICY });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--disable-quic",
    ],
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    browser,
    async close() {
      await browser.close();
      server.close();
    },
  };
}

export type Look = {
  width?: number;
  height?: number;
  locale?: "zh-CN" | "en-US";
  scheme?: "light" | "dark";
  reducedMotion?: "reduce" | "no-preference";
};

/** A page, with what it complained of. */
export type TestPage = Page & { complaints: string[] };

/** Noon of a working day: the samples' calls of "today" lie before it. */
export const NOON = new Date("2026-03-11T12:00:00+08:00");

/** Opens the page with its clock standing at noon; anything the page reports as an error fails the test. */
export async function openPage(site: Site, look: Look = {}): Promise<TestPage> {
  const context = await site.browser.newContext({
    viewport: { width: look.width ?? 280, height: look.height ?? 552 },
    locale: look.locale ?? "zh-CN",
    timezoneId: "Asia/Shanghai",
    colorScheme: look.scheme ?? "light",
    reducedMotion: look.reducedMotion ?? "reduce",
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.setDefaultTimeout(5000);
  // The desktop window freezes it (tauri.conf.json).
  await page.addInitScript("Object.freeze(Object.prototype)");
  await page.clock.install({ time: NOON });
  await page.clock.pauseAt(new Date(NOON.getTime() + 1000));
  await page.goto(site.origin);
  await page.getByTestId("agent-state").waitFor();
  return Object.assign(page, { complaints });
}

/** Begins from the beginning, at noon, on the same page: much quicker than a new one. */
export async function restart(page: Page): Promise<void> {
  await page.clock.setSystemTime(NOON);
  await page.evaluate(() => window.restart());
}

/** Changes the simulated program from inside the page. */
export async function world(page: Page, change: (fake: FakeProgram) => void): Promise<void> {
  await page.evaluate(`(${change.toString()})(window.fake)`);
}

/** Lets so much time pass, timers included. */
export async function pass(page: Page, ms: number): Promise<void> {
  await page.clock.runFor(ms);
}

/** The arguments of every such command so far, in order. */
export async function commands(page: Page, cmd: CommandName): Promise<unknown[]> {
  return page.evaluate((wanted) => window.fake.log.filter((entry) => entry.cmd === wanted).map(({ args }) => args), cmd);
}

/** Changes the language. */
export async function speak(page: Page, language: "zh-CN" | "en"): Promise<void> {
  await page.evaluate((language) => window.fake.change((draft) => (draft.settings.language = language)), language);
}
