import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { commands, openPage, openSite, pass, restart, world, type Site, type TestPage } from "./browser";

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
  await page.getByTestId("nav-outgoing").click();
});
afterEach(() => expect(page.complaints.splice(0)).toEqual([]));

const input = () => page.getByTestId("dial-input").inputValue();

test("the keys type, erase takes back, call dials", async () => {
  for (const key of ["1", "0", "0", "3", "hash"]) await page.getByTestId(`dial-key-${key}`).click();
  expect(await input()).toBe("1003#");
  await page.getByTestId("dial-erase").click();
  expect(await input()).toBe("1003");
  await page.getByTestId("dial").click();
  expect(await commands(page, "call")).toEqual([{ uri: "1003" }]);
  await page.getByTestId("call-card").waitFor();
});

test("typing works wherever the focus is, and Enter calls", async () => {
  await page.getByTestId("nav-outgoing").focus();
  await page.keyboard.type("400");
  await page.keyboard.type(" 810-8888");
  await page.keyboard.press("Enter");
  expect(await commands(page, "call")).toEqual([{ uri: "4008108888" }]);
});

test("what is pasted is cleaned", async () => {
  await page.getByTestId("dial-input").evaluate((field) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", "电话：138-0013-8000（张先生）");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true, composed: true }));
  });
  expect(await input()).toBe("13800138000");
});

test("a demo number is one click, and redial repeats it", async () => {
  await page.getByTestId("demo-number-busy").click();
  await pass(page, 500);
  expect(await page.getByTestId("redial").getAttribute("aria-label")).toBe("重拨 9001");
  await page.getByTestId("redial").click();
  expect(await commands(page, "call")).toEqual([{ uri: "9001" }, { uri: "9001" }]);
});

test("a call that is refused leaves the number where it is", async () => {
  await page.getByTestId("dial-input").fill("110");
  await world(page, (fake) => fake.failNext("call", "bad_number"));
  await page.getByTestId("dial").click();
  expect(await page.getByTestId("toast").textContent()).toContain("这个号码无法拨打");
  expect(await input()).toBe("110");
});

test("without the demo centre there are no demo numbers and no demo call", async () => {
  await world(page, (fake) => fake.change((draft) => (draft.capabilities = [])));
  expect(await page.getByTestId("demo-number-busy").count()).toBe(0);
  await page.getByTestId("nav-incoming").click();
  expect(await page.getByTestId("demo-call").count()).toBe(0);
});

test("nothing can be dialled where the state forbids it", async () => {
  await world(page, (fake) => fake.reconnecting(true));
  await world(page, (fake) => fake.change((draft) => (draft.agent.code = 1)));
  await page.getByTestId("dial-input").fill("1002");
  expect(await page.getByTestId("dial").isDisabled()).toBe(true);
  expect(await page.getByTestId("demo-number-echo").isDisabled()).toBe(true);
});
