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

async function answered(): Promise<void> {
  await world(page, (fake) => fake.ring());
  await page.getByTestId("answer").click();
  await pass(page, 300);
}

test("a demo call from the ring to the next ready", async () => {
  await page.getByTestId("demo-call").click();
  await pass(page, 300);
  expect(await text("agent-state")).toBe("振铃");
  expect(await text("call-state")).toBe("来电振铃");
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("call-number")).toBe("138 0013 8000");

  await page.getByTestId("answer").click();
  expect(await text("call-state")).toBe("正在接通");
  await pass(page, 300);
  expect(await text("call-state")).toBe("通话中");
  expect(await text("agent-state")).toBe("呼入通话");
  expect(await text("codec")).toBe("opus");
  await pass(page, 65_000);
  expect(await text("call-timer")).toMatch(/^01:0[45]$/);

  await page.getByTestId("hangup").click();
  expect(await text("agent-state")).toBe("话后处理");
  expect(await text("end-cause")).toBe("您已挂断");
  expect(await text("acw-timer")).toBe("15");
  await pass(page, 5_000);
  expect(await text("acw-timer")).toBe("10");
  await page.getByTestId("acw-extend").click();
  expect(await text("acw-timer")).toBe("40");
  await page.getByTestId("ready-now").click();
  expect(await text("agent-state")).toBe("空闲");
  expect(await page.getByTestId("acw-view").count()).toBe(0);
});

test("after-call work ends by itself", async () => {
  await answered();
  await page.getByTestId("hangup").click();
  await pass(page, 14_500);
  expect(await text("acw-timer")).toBe("1");
  await pass(page, 1_000);
  expect(await text("agent-state")).toBe("空闲");
});

test("mute, hold, retrieve", async () => {
  await answered();
  await page.getByTestId("mute").click();
  expect(await text("muted-hint")).toBe("对方听不到您");
  expect(await text("mute")).toBe("取消静音");
  await page.getByTestId("mute").click();
  expect(await page.getByTestId("muted-hint").count()).toBe(0);

  await page.getByTestId("hold").click();
  await pass(page, 300);
  expect(await text("call-state")).toBe("已保持");
  expect(await text("agent-state")).toBe("通话保持");
  expect(await text("held-hint")).toBe("客户正在听等待音乐");
  expect(await page.getByTestId("keypad").isDisabled()).toBe(true);
  await page.getByTestId("retrieve").click();
  await pass(page, 300);
  expect(await text("call-state")).toBe("通话中");
});

test("a hold by the other side is told apart from ours", async () => {
  await answered();
  await world(page, (fake) => fake.change((draft) => draft.calls.forEach((call) => (call.held_by_peer = true))));
  expect(await text("call-state")).toBe("对方已保持");
  expect(await text("held-by-peer-hint")).toBe("对方已将您保持，请稍候");
});

test("DTMF by mouse and by keyboard, in the order of the pressing", async () => {
  await answered();
  await page.getByTestId("keypad").click();
  for (const key of ["1", "2", "star"]) await page.getByTestId(`dtmf-${key}`).click();
  await page.keyboard.type("90#");
  expect(await text("dtmf-sent")).toBe("12*90#");
  expect(await commands(page, "send_dtmf")).toEqual(Array.from("12*90#", (digits) => ({ digits, call: "call-1" })));
  await page.keyboard.press("Escape");
  expect(await page.getByTestId("dtmf-pad").count()).toBe(0);
  await page.keyboard.type("5");
  expect(await commands(page, "send_dtmf")).toHaveLength(6);
});

test("hang up and answer never move, and nothing takes their place", async () => {
  const box = async (testid: string) => page.getByTestId(testid).boundingBox();
  const at = async (spot: { x: number; y: number; width: number; height: number } | null) => {
    if (spot === null) throw new Error("it was there");
    return page.evaluate(
      ([x, y]) => {
        let found = document.elementFromPoint(x, y);
        while (found?.shadowRoot) {
          const inner = found.shadowRoot.elementFromPoint(x, y);
          if (inner === null || inner === found) break;
          found = inner;
        }
        return found?.closest("button")?.dataset["testid"] ?? null;
      },
      [spot.x + spot.width / 2, spot.y + spot.height / 2] as const,
    );
  };

  await page.getByTestId("nav-outgoing").click();
  await page.getByTestId("dial-input").fill("9000");
  const dial = await box("dial");
  await page.getByTestId("dial").click();
  expect(await at(dial)).toBeNull();
  const cancel = await box("hangup");
  await page.getByTestId("hangup").click();
  expect(await at(cancel)).not.toBe("dial");

  await world(page, (fake) => fake.ring());
  const answer = await box("answer");
  const hangup = await box("hangup");
  if (answer === null || hangup === null) throw new Error("both stand");
  expect(hangup.x + hangup.width).toBeLessThanOrEqual(answer.x);
  expect(hangup.x).toBe(cancel?.x);
  await page.getByTestId("answer").click();
  await pass(page, 300);
  expect(await at(answer)).toBeNull();
  expect(await at(hangup)).toBe("hangup");
  await page.getByTestId("hangup").click();
  expect(await at(hangup)).toBeNull();
});

test("outgoing calls end with their own words", async () => {
  for (const [kind, cause] of [
    ["busy", "对方正忙"],
    ["no_answer", "无人接听"],
    ["not_found", "号码不存在"],
  ] as const) {
    await page.getByTestId("nav-outgoing").click();
    await page.getByTestId(`demo-number-${kind}`).click();
    expect(await text("agent-state")).toBe("拨号");
    await pass(page, 3_000);
    expect(await text("end-cause")).toBe(cause);
    expect(await text("agent-state")).toBe("空闲");
  }
});

test("an outgoing call rings there, is answered, and wraps up", async () => {
  await page.getByTestId("nav-outgoing").click();
  await page.getByTestId("demo-number-agent").click();
  expect(await text("call-state")).toBe("正在呼叫");
  expect(await text("hangup")).toBe("取消");
  await pass(page, 500);
  expect(await text("call-state")).toBe("对方振铃");
  await pass(page, 1_500);
  expect(await text("call-state")).toBe("通话中");
  expect(await text("agent-state")).toBe("内部通话");
  await world(page, (fake) => fake.end("peer_hung_up"));
  expect(await text("end-cause")).toBe("对方已挂断");
  await page.getByTestId("acw-view").waitFor();
});

test("every end has its text in both languages", async () => {
  for (const texts of [zhCN, en]) {
    await speak(page, texts.tag);
    for (const [cause, advice] of Object.entries(texts.endCause)) {
      await page.evaluate((end) => {
        window.fake.ring();
        window.fake.end(end as "failed", 500);
      }, cause);
      const card = await text("ended-card");
      expect(card).toContain(advice.title);
      expect(card).toContain(advice.hint);
    }
  }
});

test("a running call follows into the other views, and its bar acts", async () => {
  await page.getByTestId("nav-calls").click();
  await world(page, (fake) => fake.ring());
  await page.getByTestId("call-card").waitFor();
  await page.getByTestId("nav-calls").click();
  expect(await text("call-bar")).toContain("林晓雨");
  await page.getByTestId("bar-answer").click();
  await pass(page, 300);
  expect(await text("call-bar")).toContain("通话中");
  await page.getByTestId("bar-show").click();
  await page.getByTestId("call-card").waitFor();
  await page.getByTestId("nav-devices").click();
  await page.getByTestId("bar-hangup").click();
  expect(await text("agent-state")).toBe("话后处理");
});

test("a page that is built anew shows the running call", async () => {
  await answered();
  await pass(page, 30_000);
  await page.evaluate(() => window.reopen());
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("call-state")).toBe("通话中");
  expect(await text("call-timer")).toBe("00:30");
  await page.getByTestId("hangup").click();
  expect(await text("end-cause")).toBe("您已挂断");
});

test("a further call comes in above the card and moves none of its buttons", async () => {
  await answered();
  const before = await page.getByTestId("hangup").boundingBox();
  await world(page, (fake) => fake.ring("02165529988", null));
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("call-bar")).toContain("021 6552 9988");
  expect(await page.getByTestId("hangup").boundingBox()).toEqual(before);
  await page.getByTestId("bar-hangup").click();
  expect(await commands(page, "hangup")).toEqual([{ call: "call-2" }]);
});

test("a ringing call is announced, and the focus stays in the panel when its control goes", async () => {
  await page.getByTestId("nav-outgoing").click();
  await page.getByTestId("demo-number-echo").focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("call-card").waitFor();
  const inside = () => page.evaluate(() => document.activeElement?.tagName);
  expect(await inside()).toBe("DESKLINE-PANEL");
  await page.getByTestId("hangup").focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("dial-view").waitFor();
  expect(await inside()).toBe("DESKLINE-PANEL");
  expect(await text("announcement")).toBe("");
  await world(page, (fake) => fake.ring());
  expect(await text("announcement")).toBe("来电振铃: 林晓雨 138 0013 8000");
});

test("names from the network are text", async () => {
  await world(page, (fake) => fake.ring("<b>1</b>", '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'));
  expect(await text("call-name")).toBe('<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>');
  expect(await text("call-number")).toBe("<b>1</b>");
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
});

test("shortcuts", async () => {
  await world(page, (fake) => fake.ring());
  await page.keyboard.press("Control+Enter");
  await pass(page, 300);
  expect(await text("call-state")).toBe("通话中");
  await page.keyboard.press("Control+m");
  expect(await text("mute")).toBe("取消静音");
  await page.keyboard.press("Control+h");
  await pass(page, 300);
  expect(await text("call-state")).toBe("已保持");
  await page.keyboard.press("Control+h");
  await pass(page, 300);
  expect(await text("call-state")).toBe("通话中");
  await page.keyboard.press("Control+k");
  await page.getByTestId("dtmf-pad").waitFor();
  await page.keyboard.press("Control+e");
  expect(await text("end-cause")).toBe("您已挂断");
  await page.keyboard.press("Control+r");
  expect(await text("agent-state")).toBe("空闲");
  // Not allowed now: they do nothing, and raise no error.
  for (const key of ["Control+Enter", "Control+Backspace", "Control+m", "Control+h", "Control+k"]) await page.keyboard.press(key);
  expect(await page.getByTestId("toast").count()).toBe(0);
});
