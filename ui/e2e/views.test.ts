import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { en } from "../src/i18n/en";
import { zhCN } from "../src/i18n/zh-CN";
import { commands, openPage, openSite, pass, restart, speak, world, type Site, type TestPage } from "./browser";

let site: Site;
let page: TestPage;
beforeAll(async () => {
  site = await openSite();
  page = await openPage(site);
});
afterAll(() => site.close());
beforeEach(async () => {
  await restart(page);
  await world(page, (fake) => fake.signedIn());
});
afterEach(() => expect(page.complaints.splice(0)).toEqual([]));

const text = (testid: string) => page.getByTestId(testid).textContent();

test("every state of the agent has its word in both languages", async () => {
  const names = {
    "-1": "unregistered",
    0: "registering",
    1: "signed_out",
    2: "signed_in",
    3: "ready",
    4: "break",
    5: "after_call_work",
    6: "ringing",
    8: "dialing",
    9: "talking_inbound",
    10: "talking_outbound",
    11: "talking_internal",
    12: "held",
  } as const;
  for (const texts of [zhCN, en]) {
    await speak(page, texts.tag);
    for (const [code, name] of Object.entries(names)) {
      await page.evaluate((code) => window.fake.change((draft) => (draft.agent.code = code)), Number(code));
      expect(await text("agent-state")).toBe(texts.agentState[name]);
      expect(await page.getByTestId("agent-state").getAttribute("data-code")).toBe(code);
    }
  }
});

test("a break with its reason, by keyboard, and back", async () => {
  await page.getByTestId("break-menu").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  expect(await commands(page, "agent_break")).toEqual([{ reason: 2 }]);
  expect(await text("agent-state")).toBe("小休");
  expect(await text("ready-view")).toContain("小休中 · 午休");
  expect(await page.getByTestId("demo-call").isDisabled()).toBe(true);
  await pass(page, 61_000);
  expect(await text("agent-timer")).toBe("01:01");
  await page.getByTestId("end-break").click();
  expect(await text("agent-state")).toBe("空闲");
});

test("a menu closes by Escape and by a click elsewhere, and gives the focus back", async () => {
  await page.getByTestId("break-menu").click();
  await page.keyboard.press("Escape");
  expect(await page.getByTestId("break-1").count()).toBe(0);
  expect(await page.getByTestId("break-menu").evaluate((button) => (button.getRootNode() as ShadowRoot).activeElement === button)).toBe(true);
  await page.getByTestId("volume-menu").click();
  await page.getByTestId("volume-speaker").waitFor();
  await page.getByTestId("ready-view").click({ position: { x: 20, y: 300 } });
  expect(await page.getByTestId("volume-speaker").count()).toBe(0);
});

test("the connection is lost and found: the banner says what happens", async () => {
  await world(page, (fake) => fake.reconnecting(true));
  expect(await text("agent-state")).toBe("重连中");
  expect(await text("banner-reconnecting")).toContain("连接中断，正在重连…");
  expect(await text("banner-reconnecting")).toContain("8 秒后重试");
  await pass(page, 3_000);
  expect(await text("banner-reconnecting")).toContain("5 秒后重试");
  await pass(page, 6_000);
  expect(await text("banner-reconnecting")).toContain("正在重试");
  await world(page, (fake) => fake.reconnecting(false));
  expect(await page.getByTestId("banner-reconnecting").count()).toBe(0);
});

test("a call goes on while the connection is lost, and the banner says so", async () => {
  await world(page, (fake) => fake.ring());
  await page.getByTestId("answer").click();
  await pass(page, 300);
  await world(page, (fake) => fake.reconnecting(true));
  expect(await text("banner-reconnecting")).toContain("通话仍在继续");
  expect(await text("agent-state")).toBe("呼入通话");
});

test("every notice has its text in both languages, leads on, and can be dismissed", async () => {
  for (const texts of [zhCN, en]) {
    await speak(page, texts.tag);
    for (const [code, advice] of Object.entries(texts.notice)) {
      await page.evaluate((code) => window.fake.notice(code as "store_failed", "warning"), code);
      const notice = await text("notice");
      expect(notice).toContain(advice.title);
      expect(notice).toContain(advice.hint);
      await page.getByTestId("dismiss-notice").click();
      expect(await page.getByTestId("notice").count()).toBe(0);
    }
  }
  await world(page, (fake) => fake.notice("microphone_missing", "error"));
  await page.getByTestId("notice-devices").click();
  await page.getByTestId("devices-view").waitFor();
});

test("several notices take the room of the most urgent one, until the others are asked for", async () => {
  await world(page, (fake) => {
    fake.notice("store_recovered", "info");
    fake.notice("ringer_missing", "warning");
    fake.notice("microphone_missing", "error");
  });
  expect(await page.getByTestId("notice").count()).toBe(1);
  expect(await text("notice")).toContain("没有麦克风");
  expect(await text("notices-more")).toBe("还有 2 条提示");
  await page.getByTestId("notices-more").click();
  expect(await page.getByTestId("notice").count()).toBe(3);
  await page.getByTestId("nav-devices").click();
  expect(await text("notice")).toContain("通话记录已重建");
});

test("every error of a command has its text in both languages", async () => {
  for (const texts of [zhCN, en]) {
    await speak(page, texts.tag);
    for (const [code, message] of Object.entries(texts.error)) {
      await page.evaluate((code) => window.fake.failNext("demo_call", code as "internal"), code);
      await page.getByTestId("demo-call").click();
      expect(await page.getByTestId("toast").last().textContent()).toContain(message);
    }
  }
  await pass(page, 7_000);
  expect(await page.getByTestId("toast").count()).toBe(0);
});

test("the call list: who, how it ended, how long, when, and back again", async () => {
  await page.getByTestId("nav-calls").click();
  const rows = page.getByTestId("call-row");
  expect(await rows.count()).toBe(10);
  expect(await rows.nth(0).innerText()).toMatch(/林晓雨\s+138 0013 8000\s+11:54\s+02:31/);
  expect(await rows.nth(1).innerText()).toMatch(/021 6552 9988\s+未接来电\s+11:35/);
  expect(await text("call-list")).toContain("昨天");
  await rows.nth(1).getByTestId("call-row-choose").click();
  expect(await text("call-details")).toContain("SIP 487");
  await rows.nth(1).getByTestId("call-back").click();
  expect(await commands(page, "call")).toEqual([{ uri: "02165529988" }]);
});

test("the call list is searched, and read page by page", async () => {
  await page.evaluate(() => {
    window.fake.records(
      Array.from({ length: 120 }, (_, index) => ({
        id: 1000 - index,
        direction: "outbound" as const,
        number: String(20_000 + index),
        name: null,
        started_ms: Date.now() - index * 1000,
        answered_ms: null,
        ended_ms: Date.now(),
        end: { cause: "busy" as const, status: 486 },
      })),
    );
  });
  await page.getByTestId("nav-calls").click();
  expect(await page.getByTestId("call-row").count()).toBe(50);
  expect(await text("calls-count")).toBe("50 / 120 条");
  await page.getByTestId("calls-more").click();
  await page.getByTestId("call-row").nth(99).waitFor();
  await page.getByTestId("calls-more").click();
  await page.getByTestId("call-row").nth(119).waitFor();
  expect(await page.getByTestId("calls-more").count()).toBe(0);

  await page.getByTestId("call-search").fill("20007");
  await pass(page, 300);
  expect(await page.getByTestId("call-row").count()).toBe(1);
  await page.getByTestId("call-search").fill("nobody");
  await pass(page, 300);
  expect(await text("calls-empty")).toContain("没有找到“nobody”");
  await page.getByTestId("call-search").press("Escape");
  await pass(page, 300);
  expect(await page.getByTestId("call-row").count()).toBe(50);
});

test("an empty list and one that cannot be read say so", async () => {
  await world(page, (fake) => {
    fake.records([]);
  });
  await page.getByTestId("nav-calls").click();
  expect(await text("calls-empty")).toContain("还没有通话");
  await world(page, (fake) => {
    fake.failNext("calls", "storage");
    fake.change((draft) => (draft.call_list_rev += 1));
  });
  expect(await text("calls-failed")).toContain("通话记录读取失败");
  await page.getByTestId("calls-retry").click();
  expect(await text("calls-empty")).toContain("还没有通话");
});

test("a call that ends appears in the list that is open", async () => {
  await world(page, (fake) => fake.ring("13911112222", null));
  await page.getByTestId("nav-calls").click();
  await world(page, (fake) => fake.end("missed", 487));
  expect(await page.getByTestId("call-row").first().innerText()).toContain("139 1111 2222");
});

test("devices are chosen, tested and turned up", async () => {
  await page.getByTestId("nav-devices").click();
  await page.getByTestId("select-microphone").selectOption("in-1");
  await page.getByTestId("select-ringer").selectOption("");
  await page.getByTestId("test-ringer").click();
  await page.getByTestId("device-speaker").getByTestId("volume-speaker").focus();
  await page.keyboard.press("ArrowRight");
  expect(await commands(page, "select_device")).toEqual([{ role: "microphone", device: "in-1" }, { role: "ringer" }]);
  expect(await commands(page, "test_device")).toEqual([{ role: "ringer" }]);
  expect(await commands(page, "set_volume")).toEqual([{ role: "speaker", percent: 75 }]);
});

test("a device's trouble is said in words in both languages", async () => {
  await page.getByTestId("nav-devices").click();
  for (const texts of [zhCN, en]) {
    await speak(page, texts.tag);
    for (const [trouble, message] of Object.entries(texts.deviceTrouble)) {
      await page.evaluate((trouble) => window.fake.change((draft) => (draft.devices.microphone.trouble = trouble as "busy")), trouble);
      expect(await text("trouble-microphone")).toContain(message);
    }
  }
});

test("language and theme change at once", async () => {
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("language-en").check();
  expect(await text("agent-state")).toBe("Ready");
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("en");
  const background = () => page.getByTestId("settings-view").evaluate((view) => getComputedStyle(view.closest(".panel") ?? view).backgroundColor);
  const light = await background();
  await page.getByTestId("theme-dark").check();
  expect(await background()).not.toBe(light);
  await page.getByTestId("setting-acw").fill("45");
  await page.getByTestId("setting-acw").press("Enter");
  await page.getByTestId("setting-acw").fill("99999");
  await page.getByTestId("setting-acw").press("Enter");
  expect(await page.getByTestId("setting-acw").inputValue()).toBe("45");
  expect(await commands(page, "set_settings")).toEqual([{ language: "en" }, { theme: "dark" }, { after_call_work_seconds: 45 }]);
});

test("the shortcuts are listed by ?, and Escape closes the list", async () => {
  await page.keyboard.press("?");
  expect(await text("help-dialog")).toContain("挂断 / 拒接");
  await page.keyboard.press("Escape");
  await page.getByTestId("help-dialog").waitFor({ state: "detached" });
  await page.keyboard.press("Alt+3");
  await page.getByTestId("calls-view").waitFor();
});
