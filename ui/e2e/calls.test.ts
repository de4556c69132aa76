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
const count = (testid: string) => page.getByTestId(testid).count();

async function talking(): Promise<void> {
  await world(page, (fake) => fake.ring());
  await page.getByTestId("answer").click();
  await pass(page, 300);
}

/** Where each of the controls stands. */
function places(): Promise<Record<string, string>> {
  return page.evaluate(() => {
    const root = document.querySelector("deskline-panel")?.shadowRoot;
    const found: Record<string, string> = {};
    for (const name of ["mute", "hold", "keypad", "transfer", "call-volume", "hangup"]) {
      const box = root?.querySelector(`[data-testid="${name}"]`)?.getBoundingClientRect();
      if (box !== undefined) found[name] = `${box.x},${box.y} ${box.width}×${box.height}`;
    }
    return found;
  });
}

test("a call that waits is answered while the first is held, and no control moves", async () => {
  await talking();
  const before = await places();
  expect(Object.keys(before)).toHaveLength(6);
  await world(page, (fake) => fake.ring("02165529988", null));
  expect(await text("call-bar")).toContain("呼叫等待");
  expect(await text("announcement")).toBe("呼叫等待:  021 6552 9988");
  expect(await places()).toEqual(before);
  expect(await page.getByTestId("bar-answer").getAttribute("aria-label")).toBe("接听 021 6552 9988，并保持当前通话");
  await page.getByTestId("bar-answer").click();
  await pass(page, 300);
  expect(await commands(page, "answer")).toEqual([{ call: "call-1" }, { call: "call-2" }]);
  expect(await text("call-number")).toBe("021 6552 9988");
  expect(await text("call-bar")).toContain("林晓雨");
  expect(await text("call-bar")).toContain("已保持");
  expect(await places()).toEqual(before);
  // The first caller hangs up while held: the card stays as it is.
  await world(page, (fake) => fake.end("peer_hung_up", null, "call-1"));
  expect(await count("call-bar")).toBe(0);
  expect(await text("call-state")).toBe("通话中");
  expect(await places()).toEqual(before);
});

test("a call that waits is declined by name, and the talk goes on", async () => {
  await talking();
  await world(page, (fake) => fake.ring("02165529988", null));
  expect(await page.getByTestId("bar-hangup").getAttribute("aria-label")).toBe("拒接 021 6552 9988");
  await page.getByTestId("bar-hangup").click();
  expect(await count("call-bar")).toBe(0);
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("call-state")).toBe("通话中");
});

test("a call that waits leaves the keypad open and the digits with the call that stands", async () => {
  await talking();
  await page.getByTestId("keypad").click();
  await world(page, (fake) => fake.ring("02165529988", null));
  await page.keyboard.type("42");
  expect(await commands(page, "send_dtmf")).toEqual([
    { digits: "4", call: "call-1" },
    { digits: "2", call: "call-1" },
  ]);
  expect(await text("dtmf-sent")).toBe("42");
});

test("a call that waits shows in every other view, and leaves that view where it is", async () => {
  await talking();
  await page.getByTestId("nav-calls").click();
  await world(page, (fake) => fake.ring("02165529988", null));
  await page.getByTestId("calls-view").waitFor();
  expect(await count("call-bar")).toBe(2);
  await page.getByTestId("bar-answer").click();
  await pass(page, 300);
  await page.getByTestId("calls-view").waitFor();
  expect(await page.getByTestId("call-bar").last().textContent()).toContain("021 6552 9988");
});

test("two calls are swapped by the bar, by the control and by the keyboard; a held one can be looked at and ended", async () => {
  await talking();
  await world(page, (fake) => fake.ring("18612345678", "Miles"));
  await page.keyboard.press("Control+Enter");
  await pass(page, 300);
  expect(await text("call-name")).toBe("Miles");
  await page.getByTestId("bar-swap").click();
  await pass(page, 300);
  expect(await text("call-name")).toBe("林晓雨");
  await page.getByTestId("swap").click();
  await pass(page, 300);
  expect(await text("call-name")).toBe("Miles");
  await page.keyboard.press("Control+s");
  await pass(page, 300);
  expect(await text("call-name")).toBe("林晓雨");
  expect(await commands(page, "swap")).toEqual([{}, {}, {}]);

  await page.getByTestId("bar-show").click();
  expect(await text("call-name")).toBe("Miles");
  expect(await text("call-state")).toBe("已保持");
  await page.getByTestId("hangup").click();
  expect(await commands(page, "hangup")).toEqual([{ call: "call-2" }]);
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("call-state")).toBe("通话中");
});

test("a hold with two calls keeps its card, and either is retrieved", async () => {
  await talking();
  await world(page, (fake) => fake.ring("18612345678", "Miles"));
  await page.getByTestId("bar-answer").click();
  await pass(page, 1_000);
  await page.getByTestId("hold").click();
  await pass(page, 300);
  expect(await text("call-name")).toBe("Miles");
  expect(await text("call-state")).toBe("已保持");
  await page.getByTestId("bar-retrieve").click();
  await pass(page, 300);
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("call-state")).toBe("通话中");
});

test("a second call is dialled from the dial pad while the first is held", async () => {
  await talking();
  await page.getByTestId("nav-outgoing").click();
  await page.getByTestId("dial-input").fill("4008108888");
  await page.getByTestId("dial").click();
  // All calls are on the side where the first one is.
  expect(await page.getByTestId("nav-incoming").getAttribute("aria-current")).toBe("page");
  expect(await text("call-number")).toBe("400 810 8888");
  expect(await text("call-bar")).toContain("林晓雨");
});

test("a blind transfer shows its steps and ends the call as transferred", async () => {
  await talking();
  await page.getByTestId("transfer").click();
  for (const key of ["1", "0", "0", "3"]) await page.getByTestId(`transfer-key-${key}`).click();
  await page.getByTestId("transfer-blind").click();
  expect(await commands(page, "transfer")).toEqual([{ call: "call-1", to: "1003" }]);
  expect(await text("transfer-progress")).toContain("转接到 1003");
  expect(await text("transfer-progress")).toContain("正在请求转接");
  expect(await page.getByTestId("transfer").isDisabled()).toBe(true);
  await pass(page, 200);
  expect(await text("transfer-progress")).toContain("正在呼叫对方");
  await pass(page, 400);
  expect(await text("transfer-progress")).toContain("对方振铃");
  await pass(page, 1_500);
  expect(await text("end-cause")).toBe("已转接");
  expect(await text("agent-state")).toBe("话后处理");
});

test("a transfer that fails says why, keeps the call, and another number can be tried", async () => {
  for (const [texts, number, cause] of [
    [zhCN, "9001", "busy"],
    [en, "9003", "not_found"],
    [en, "9002", "no_answer"],
  ] as const) {
    await restart(page);
    await world(page, (fake) => fake.signedIn());
    await speak(page, texts.tag);
    await talking();
    await page.keyboard.press("Control+d");
    await page.keyboard.type(number);
    await page.getByTestId("transfer-blind").click();
    await pass(page, 3_000);
    const state = await text("transfer-progress");
    expect(state).toContain(texts.endCause[cause].title);
    expect(state).toContain(texts.transfer.failed(number));
    expect(state).toContain(texts.transfer.failedStill);
    expect(await text("call-state")).toBe(texts.callState.talking);
    await page.getByTestId("transfer-again").click();
    expect(await page.getByTestId("transfer-input").inputValue()).toBe("");
    await page.keyboard.press("Escape");
    await page.getByTestId("transfer-dismiss").click();
    expect(await count("transfer-progress")).toBe(0);
  }
});

test("the number to transfer to is cleaned when pasted, and a refused command leaves it where it is", async () => {
  await talking();
  await page.getByTestId("transfer").click();
  expect(await page.getByTestId("transfer-blind").isDisabled()).toBe(true);
  await page.getByTestId("transfer-input").evaluate((field) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", "电话：138-0013-8000（张先生）");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true, composed: true }));
  });
  expect(await page.getByTestId("transfer-input").inputValue()).toBe("13800138000");
  await world(page, (fake) => fake.failNext("transfer", "bad_number"));
  await page.getByTestId("transfer-blind").click();
  expect(await text("toast")).toContain(zhCN.error.bad_number);
  expect(await page.getByTestId("transfer-input").inputValue()).toBe("13800138000");
});

test("hang up stays in its place and in view whatever is open above it", async () => {
  await talking();
  const before = await page.getByTestId("hangup").boundingBox();
  await world(page, (fake) => {
    fake.notice("microphone_missing", "error");
    fake.notice("store_recovered", "info");
    fake.message("1002", "one\ntwo\nthree\nfour\nfive");
    fake.ring("02165529988", null);
  });
  expect(await page.getByTestId("hangup").boundingBox()).toEqual(before);
  await page.getByTestId("transfer").click();
  expect(await page.getByTestId("hangup").boundingBox()).toEqual(before);
  await page.getByTestId("transfer-back").click();
  await page.getByTestId("keypad").click();
  expect(await page.getByTestId("hangup").boundingBox()).toEqual(before);
});

test("digits typed while choosing whom to transfer to go there, not into the call", async () => {
  await talking();
  await page.getByTestId("transfer").click();
  await page.getByTestId("transfer-back").focus();
  await page.keyboard.type("1004");
  expect(await page.getByTestId("transfer-input").inputValue()).toBe("1004");
  expect(await commands(page, "send_dtmf")).toEqual([]);
});

test("a consultation: Enter asks first, the customer waits, both are connected", async () => {
  await talking();
  await page.getByTestId("transfer").click();
  await page.getByTestId("transfer-to-1003").click();
  await page.getByTestId("transfer-input").press("Enter");
  expect(await commands(page, "consult")).toEqual([{ call: "call-1", to: "1003" }]);
  expect(await text("call-kind")).toBe("为 林晓雨 咨询");
  expect(await text("call-bar")).toContain("林晓雨");
  expect(await text("call-bar")).toContain("已保持");
  // Before they answer there is nobody to connect; the buttons are in their places already.
  expect(await page.getByTestId("consult-complete").isDisabled()).toBe(true);
  const at = await page.getByTestId("consult-cancel").boundingBox();
  await pass(page, 2_000);
  expect(await page.getByTestId("consult-cancel").boundingBox()).toEqual(at);
  expect(await text("call-state")).toBe("通话中");

  await page.getByTestId("bar-swap").click();
  await pass(page, 300);
  expect(await text("call-kind")).toBe("正在咨询 王敏");
  expect(await text("call-name")).toBe("林晓雨");
  await page.getByTestId("consult-complete").click();
  expect(await commands(page, "transfer_complete")).toEqual([{ call: "call-2" }]);
  await pass(page, 500);
  expect(await count("call-card")).toBe(0);
  expect(await text("end-cause")).toBe("已转接");
});

test("a consultation that is given up leads back to the customer", async () => {
  await talking();
  await page.getByTestId("transfer").click();
  await page.getByTestId("transfer-input").fill("1003");
  await page.getByTestId("transfer-consult").click();
  await pass(page, 500);
  await page.getByTestId("consult-cancel").click();
  await pass(page, 300);
  expect(await commands(page, "consult_cancel")).toEqual([{ call: "call-2" }]);
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("call-state")).toBe("通话中");
  expect(await count("consult-actions")).toBe(0);
});

test("a consultation that comes to nothing says why beside the customer's call", async () => {
  await talking();
  await page.getByTestId("transfer").click();
  await page.getByTestId("transfer-input").fill("9001");
  await page.getByTestId("transfer-consult").click();
  await pass(page, 1_000);
  expect(await text("call-name")).toBe("林晓雨");
  expect(await text("end-cause")).toBe("9001 · 对方正忙");
  await page.getByTestId("retrieve").click();
  await pass(page, 300);
  expect(await text("call-state")).toBe("通话中");
  await page.getByTestId("dismiss-call").click();
  expect(await count("ended-card")).toBe(0);
});

test("another device of the same account is told with its address", async () => {
  await world(page, (fake) => fake.elsewhere(["sip:1001@192.0.2.7:5060;transport=tcp"]));
  expect(await text("notice")).toContain(zhCN.notice.logged_in_elsewhere.title);
  expect(await text("notice-elsewhere")).toBe("sip:1001@192.0.2.7:5060;transport=tcp");
});

test("whom the call was meant for, who sent it, and what the network says stand on the card", async () => {
  await world(page, (fake) =>
    fake.ring("13800138000", null, {
      referred_by: "1004",
      caller: {
        asserted: "02165529988",
        remote_party: "075588886666",
        anonymous: true,
        diversions: [
          { number: "4008108888", reason: "no-answer" },
          { number: "1007", reason: "user-busy" },
        ],
        history: [{ number: "1008", reason: "302" }],
        call_info: [],
        alert_info: [],
      },
      headers: [
        { name: "X-Business-Id", value: "8".repeat(300) },
        { name: "X-Note", value: '<img src=x onerror="window.hacked=1"><b>bold</b>' },
      ],
    }),
  );
  expect(await text("referred-by")).toBe("由 1004 转接");
  expect(await text("diverted")).toBe("由 400 810 8888 转来（无应答）");
  expect(await text("asserted")).toBe("网络核实号码 021 6552 9988");
  expect(await text("anonymous")).toBe("对方隐藏了号码");
  // What the network vouches for makes what the caller's side states idle.
  expect(await count("remote-party")).toBe(0);
  await page.getByTestId("call-data").click();
  const data = await text("call-headers");
  expect(data).toContain('<img src=x onerror="window.hacked=1"><b>bold</b>');
  expect(data).toContain("由 1007 转来（忙线）");
  expect(data).toContain("由 1008 转来（无条件转移）");
  expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  const fits = await page.getByTestId("call-headers").evaluate((list) => list.scrollWidth <= list.clientWidth);
  expect(fits).toBe(true);
});

test("an asserted identity that is the caller's own number says nothing new", async () => {
  await world(page, (fake) =>
    fake.ring("13800138000", null, {
      caller: { asserted: "13800138000", remote_party: null, anonymous: false, diversions: [], history: [], call_info: [], alert_info: [] },
    }),
  );
  expect(await count("asserted")).toBe(0);
  expect(await count("call-data")).toBe(0);
});

test("a call whose signalling is lost says so and stays", async () => {
  await talking();
  await world(page, (fake) => {
    fake.reconnecting(true);
    fake.callsReconnecting(true);
  });
  expect(await text("call-state")).toBe("重新连接中");
  expect(await text("reconnecting-hint")).toBe(zhCN.call.reconnectingHint);
  expect(await text("banner-reconnecting")).toContain("连接已断开");
  await world(page, (fake) => {
    fake.reconnecting(false);
    fake.callsReconnecting(false);
  });
  expect(await text("call-state")).toBe("通话中");
  await world(page, (fake) => fake.change((draft) => draft.calls.forEach((call) => (call.recovered = true))));
  expect(await text("recovered-hint")).toBe(zhCN.call.recoveredHint);
});

test("without transfer the card does not offer it", async () => {
  await world(page, (fake) => fake.change((draft) => (draft.capabilities = ["hold", "dtmf"])));
  await talking();
  expect(await count("transfer")).toBe(0);
  await page.keyboard.press("Control+d");
  expect(await count("hold")).toBe(1);
});

test("a message is shown as text, answered, and the answer's fate is told", async () => {
  await world(page, (fake) => fake.message("1002", "<b>客户</b>到了\n请下楼"));
  expect(await text("message-from")).toBe("1002");
  expect(await text("message-body")).toBe("<b>客户</b>到了\n请下楼");
  await page.getByTestId("message-answer").click();
  await page.keyboard.type("5 马上");
  await page.getByTestId("message-input").press("Enter");
  expect(await commands(page, "send_message")).toEqual([{ to: "1002", body: "5 马上", line: "1" }]);
  expect(await text("message-reply")).toContain("发送中…");
  await pass(page, 300);
  expect(await text("message-reply")).toContain("已送达");
  await page.getByTestId("message-answer").click();
  await page.getByTestId("message-input").fill("!fail");
  await page.getByTestId("message-send").click();
  await pass(page, 300);
  expect(await text("message-reply")).toContain("未送达");
  expect(await text("message-reply")).toContain("SIP 404");
  await page.getByTestId("message-dismiss").click();
  expect(await count("message")).toBe(0);
});

test("several messages take the room of the newest; what is no text is named", async () => {
  await world(page, (fake) => {
    fake.message("1002", "one");
    fake.message("1003", "{}", "application/json");
  });
  expect(await count("message")).toBe(1);
  expect(await text("message-body")).toBe("无法显示 (application/json)");
  await page.getByTestId("messages-more").click();
  expect(await count("message")).toBe(2);
});
