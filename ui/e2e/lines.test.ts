import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";

import { en } from "../src/i18n/en";
import { zhCN } from "../src/i18n/zh-CN";
import type { CertificateFault } from "../src/ipc/generated";
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

const text = (testid: string) => page.getByTestId(testid).textContent();
const count = (testid: string) => page.getByTestId(testid).count();
const SELF_SIGNED = "3F:0A:91:C2:5D:77:E8:14:B6:29:4C:D0:8A:F3:61:9E:05:BC:72:1D:E4:98:37:AF:50:CB:16:83:DE:4F:29:A7";

async function refused(): Promise<void> {
  await page.getByTestId("sign-in-server").fill("selfsigned.example.com:5061");
  await page.getByTestId("sign-in-transport-tls").check();
  await page.getByTestId("sign-in-password").fill("secret");
  await page.getByTestId("sign-in-submit").click();
  await pass(page, 500);
}

test("all options of an account go along, and none that was left as it is", async () => {
  await page.getByTestId("sign-in-transport-wss").check();
  await page.getByTestId("sign-in-more").click();
  for (const [field, value] of [
    ["trust-file", "/etc/pki/corp.pem"],
    ["client-certificate", "/etc/pki/me.pem"],
    ["client-key", "/etc/pki/me.key"],
    ["pinned", `SHA256 Fingerprint=${SELF_SIGNED}\n${"ab".repeat(32)}`],
    ["proxy", "http://proxy.example.com:3128"],
    ["session-timer", "600"],
    ["call-limit", "3"],
  ] as const) {
    await page.getByTestId(`sign-in-${field}`).fill(value);
  }
  await page.getByTestId("sign-in-keep-alive").selectOption("stun");
  await page.getByTestId("sign-in-dtmf").selectOption("info_relay");
  await page.getByTestId("sign-in-auto-answer").check();
  await page.getByTestId("sign-in-transfer-accept").uncheck();
  await page.getByTestId("sign-in-strangers").check();
  await page.getByTestId("sign-in-gruu").check();
  await page.getByTestId("sign-in-submit").click();
  expect(await commands(page, "sign_in")).toEqual([
    {
      server: "127.0.0.1:5060",
      user: "1001",
      transport: "wss",
      display_name: "陈静",
      options: {
        tls: { trust_file: "/etc/pki/corp.pem", client_certificate: "/etc/pki/me.pem", client_key: "/etc/pki/me.key", pinned: [SELF_SIGNED, "ab".repeat(32)] },
        proxy: "http://proxy.example.com:3128",
        keep_alive: "stun",
        dtmf: "info_relay",
        auto_answer: true,
        call_limit: 3,
        transfer_accept: false,
        session_timer: 600,
        strangers: true,
        gruu: true,
      },
    },
  ]);
});

test("what does not belong to the transport is neither shown nor sent", async () => {
  await page.getByTestId("sign-in-more").click();
  expect(await count("sign-in-trust-file")).toBe(0);
  expect(await count("sign-in-proxy")).toBe(0);
  await page.getByTestId("sign-in-transport-tls").check();
  await page.getByTestId("sign-in-trust-file").fill("/etc/pki/corp.pem");
  await page.getByTestId("sign-in-transport-udp").check();
  await page.getByTestId("sign-in-submit").click();
  expect(await commands(page, "sign_in")).toEqual([{ server: "127.0.0.1:5060", user: "1001", transport: "udp", display_name: "陈静" }]);
});

test("a wrong option is named, opened to view, takes the focus, and nothing is sent", async () => {
  await page.getByTestId("sign-in-transport-tls").check();
  await page.getByTestId("sign-in-more").click();
  await page.getByTestId("sign-in-pinned").fill("3F:0A");
  await page.getByTestId("sign-in-client-key").fill("/me.key");
  await page.getByTestId("sign-in-call-limit").fill("9");
  await page.getByTestId("sign-in-session-timer").fill("5");
  await page.getByTestId("sign-in-more").click();
  await page.getByTestId("sign-in-submit").click();
  const form = await text("sign-in-form");
  for (const fault of [zhCN.account.pinnedWrong, zhCN.account.certificateAndKey, zhCN.account.callLimitWrong, zhCN.account.sessionTimerWrong]) {
    expect(form).toContain(fault);
  }
  expect(await page.getByTestId("sign-in-client-certificate").evaluate((field) => (field.getRootNode() as ShadowRoot).activeElement === field)).toBe(true);
  expect(await commands(page, "sign_in")).toEqual([]);
});

test("a refused certificate is trusted by its fingerprint, after a question that names both", async () => {
  await refused();
  expect(await text("sign-in-error")).toContain("证书不受信任");
  expect(await text("certificate-fault")).toBe(zhCN.certificateFault.unknown_issuer);
  expect((await text("certificate-fingerprint"))?.replace(/\n/g, ":")).toBe(SELF_SIGNED);
  await page.getByTestId("trust-ask").click();
  expect(await text("trust-server")).toBe("selfsigned.example.com:5061");
  expect((await text("trust-fingerprint"))?.replace(/\n/g, ":")).toBe(SELF_SIGNED);
  // Whoever presses Enter without reading changes nothing.
  await page.keyboard.press("Enter");
  await page.getByTestId("trust-dialog").waitFor({ state: "detached" });
  expect(await commands(page, "sign_in")).toHaveLength(1);
  await page.getByTestId("trust-ask").click();
  await page.keyboard.press("Escape");
  await page.getByTestId("trust-dialog").waitFor({ state: "detached" });

  await page.getByTestId("trust-ask").click();
  await page.getByTestId("trust-confirm").click();
  expect((await commands(page, "sign_in")).at(-1)).toEqual({
    server: "selfsigned.example.com:5061",
    user: "1001",
    transport: "tls",
    password: "secret",
    display_name: "陈静",
    options: { tls: { pinned: [SELF_SIGNED] } },
  });
  await pass(page, 500);
  expect(await text("agent-state")).toBe("空闲");
});

test("every fault of a certificate has its text; what nobody should trust is not offered for trust", async () => {
  for (const texts of [zhCN, en]) {
    await speak(page, texts.tag);
    for (const [fault, words] of Object.entries(texts.certificateFault)) {
      await page.evaluate((fault) => window.fake.signedOut("certificate_refused", null, { fault: fault as CertificateFault, fingerprint: "AB:CD" }), fault);
      expect(await text("certificate-fault")).toBe(words);
      expect(await count("trust-ask")).toBe(["revoked", "bad_signature", "malformed"].includes(fault) ? 0 : 1);
    }
  }
});

test("further lines are added, shown with their state, and removed after a question", async () => {
  await world(page, (fake) => fake.signedIn());
  await page.getByTestId("nav-settings").click();
  expect(await count("line")).toBe(1);
  expect(await text("line")).toContain("本机线路");
  expect(await count("line-remove")).toBe(0);

  await page.getByTestId("line-add").click();
  await page.getByTestId("line-submit").click();
  expect(await page.getByTestId("line-user").getAttribute("aria-invalid")).toBe("true");
  await page.getByTestId("line-user").fill("2002");
  await page.getByTestId("line-password").fill("secret");
  await page.getByTestId("line-transport-tcp").check();
  await page.getByTestId("line-submit").click();
  expect(await commands(page, "add_line")).toEqual([{ account: { server: "127.0.0.1:5060", user: "2002", password: "secret", transport: "tcp" } }]);
  expect(await page.getByTestId("line").nth(1).getAttribute("data-state")).toBe("registering");
  await pass(page, 300);
  expect(await page.getByTestId("line").nth(1).textContent()).toContain("在线");

  await page.getByTestId("line-remove").click();
  await page.getByTestId("line-keep").click();
  expect(await count("line")).toBe(2);
  await page.getByTestId("line-remove").click();
  await page.getByTestId("line-remove-confirm").click();
  expect(await commands(page, "remove_line")).toEqual([{ line: "2" }]);
  expect(await count("line")).toBe(1);
});

test("a line that fails says why beside it, and leads there from every other view", async () => {
  await world(page, (fake) => fake.signedIn());
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("line-add").click();
  await page.getByTestId("line-user").fill("2002");
  await page.getByTestId("line-password").fill("wrong");
  await page.getByTestId("line-submit").click();
  await pass(page, 300);
  expect(await text("line-failure")).toContain("账号或密码错误");
  expect(await count("banner-line")).toBe(0);
  await page.getByTestId("nav-incoming").click();
  expect(await text("banner-line")).toContain("线路 2002 已离线");
  await page.getByTestId("banner-line-settings").click();
  await page.getByTestId("lines").waitFor();
});

test("with several lines the one to call from is chosen, and a call names the further line it came by", async () => {
  await world(page, (fake) => {
    fake.signedIn();
    fake.line("2002", { state: "registered", since_ms: Date.now() });
  });
  await page.getByTestId("nav-outgoing").click();
  await page.getByTestId("dial-line").selectOption("2");
  await page.getByTestId("dial-input").fill("1002");
  await page.getByTestId("dial").click();
  expect(await commands(page, "call")).toEqual([{ uri: "1002", line: "2" }]);
  await page.getByTestId("hangup").click();
  await world(page, (fake) => fake.ring("13800138000", null, { line: "2" }));
  expect(await text("call-line")).toContain("线路 2002");
});
