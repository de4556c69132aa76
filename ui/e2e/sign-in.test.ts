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
beforeEach(() => restart(page));
afterEach(() => expect(page.complaints.splice(0)).toEqual([]));

test("the demo agent signs in with one click, without typing a password", async () => {
  expect(await page.getByTestId("sign-in-server").inputValue()).toBe("127.0.0.1:5060");
  expect(await page.getByTestId("sign-in-user").inputValue()).toBe("1001");
  await page.getByTestId("sign-in-submit").click();
  expect(await page.getByTestId("sign-in-progress").textContent()).toContain("正在签入");
  expect(await page.getByTestId("agent-state").textContent()).toBe("签入中");
  await pass(page, 500);
  expect(await page.getByTestId("agent-state").textContent()).toBe("空闲");
  expect(await page.getByTestId("account").textContent()).toBe("陈静 · 1001");
  expect(await commands(page, "sign_in")).toEqual([{ server: "127.0.0.1:5060", user: "1001", transport: "udp", display_name: "陈静" }]);
});

test("Enter in a field signs in, and all fields go along", async () => {
  await page.getByTestId("sign-in-server").fill(" pbx.example.com:5070 ");
  await page.getByTestId("sign-in-user").fill("2002");
  await page.getByTestId("sign-in-transport-ws").check();
  await page.getByTestId("sign-in-more").click();
  await page.getByTestId("sign-in-domain").fill("example.com");
  await page.getByTestId("sign-in-auth-user").fill("agent-2002");
  await page.getByTestId("sign-in-password").fill("secret");
  await page.getByTestId("sign-in-password").press("Enter");
  expect(await commands(page, "sign_in")).toEqual([
    { server: "pbx.example.com:5070", user: "2002", password: "secret", transport: "ws", display_name: "陈静", domain: "example.com", auth_user: "agent-2002" },
  ]);
});

test("empty fields are named and nothing is sent", async () => {
  await page.getByTestId("sign-in-user").fill("");
  await page.getByTestId("sign-in-submit").click();
  expect(await page.getByTestId("sign-in-user").getAttribute("aria-invalid")).toBe("true");
  expect(await page.getByTestId("sign-in-form").textContent()).toContain("必填");
  expect(await commands(page, "sign_in")).toEqual([]);
});

test("a failure is told in words, what was typed stays, and another try works", async () => {
  await page.getByTestId("sign-in-user").fill("3003");
  await page.getByTestId("sign-in-password").fill("wrong");
  await page.getByTestId("sign-in-submit").click();
  await pass(page, 500);
  const error = page.getByTestId("sign-in-error");
  expect(await error.textContent()).toContain("账号或密码错误");
  expect(await error.textContent()).toContain("SIP 403");
  expect(await page.getByTestId("sign-in-user").inputValue()).toBe("3003");
  await page.getByTestId("sign-in-password").fill("right");
  await page.getByTestId("sign-in-submit").click();
  await pass(page, 500);
  expect(await page.getByTestId("agent-state").textContent()).toBe("空闲");
});

test("every failure has its text in both languages", async () => {
  for (const texts of [zhCN, en]) {
    await speak(page, texts.tag);
    for (const [code, advice] of Object.entries(texts.registrationFailure)) {
      await page.evaluate((failure) => window.fake.signedOut(failure as "refused"), code);
      const text = await page.getByTestId("sign-in-error").textContent();
      expect(text).toContain(advice.title);
      expect(text).toContain(advice.hint);
    }
  }
});

test("signing in can be given up, and signing out leads back to the form", async () => {
  await page.getByTestId("sign-in-submit").click();
  await page.getByTestId("sign-in-cancel").click();
  await pass(page, 500);
  await page.getByTestId("sign-in-submit").click();
  await pass(page, 500);
  await page.getByTestId("sign-out").click();
  expect(await page.getByTestId("sign-in-progress").textContent()).toContain("正在签出");
  await pass(page, 500);
  await page.getByTestId("sign-in-submit").waitFor();
  expect(await page.getByTestId("agent-state").textContent()).toBe("未签入");
});

test("devices, settings and the call list are reachable before signing in", async () => {
  await world(page, (fake) => fake.signedOut("timed_out"));
  for (const view of ["calls", "devices", "settings"]) {
    await page.getByTestId(`nav-${view}`).click();
    await page.getByTestId(`${view}-view`).waitFor();
  }
  await page.getByTestId("nav-outgoing").click();
  await page.getByTestId("sign-in-form").waitFor();
});
