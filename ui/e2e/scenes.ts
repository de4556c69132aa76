import type { Page } from "playwright-core";

import { pass, world } from "./browser";

/** Each view in each state worth looking at; the page starts signed in and ready. */
export const SCENES: Record<string, (page: Page) => Promise<void>> = {
  "sign-in": (page) => world(page, (fake) => fake.signedOut()),
  "sign-in-failed": (page) => world(page, (fake) => fake.signedOut("wrong_credentials", 403)),
  "sign-in-working": async (page) => {
    await world(page, (fake) => fake.signedOut());
    await page.getByTestId("sign-in-submit").click();
  },
  ready: (page) => pass(page, 83_000),
  break: async (page) => {
    await world(page, (fake) => void fake.execute("agent_break", { reason: 2 }));
    await pass(page, 754_000);
  },
  "break-menu": (page) => page.getByTestId("break-menu").click(),
  volume: (page) => page.getByTestId("volume-menu").click(),
  dial: async (page) => {
    await page.getByTestId("nav-outgoing").click();
    await page.getByTestId("dial-input").fill("13800138000");
  },
  busy: async (page) => {
    await page.getByTestId("nav-outgoing").click();
    await page.getByTestId("demo-number-busy").click();
    await pass(page, 1000);
  },
  ringing: async (page) => {
    await world(page, (fake) => fake.ring());
    await pass(page, 4000);
  },
  "ringing-unnamed": async (page) => {
    await world(page, (fake) => fake.ring("02165529988", null));
    await pass(page, 4000);
  },
  dialing: async (page) => {
    await world(page, (fake) => void fake.execute("call", { uri: "4008108888" }));
    await pass(page, 100);
  },
  alerting: async (page) => {
    await world(page, (fake) => void fake.execute("call", { uri: "4008108888" }));
    await pass(page, 1000);
  },
  talking: async (page) => {
    await talk(page);
    await pass(page, 187_000);
    await world(page, (fake) => fake.levels(-22, -12));
  },
  "talking-muted-volume": async (page) => {
    await talk(page);
    await pass(page, 47_000);
    await page.getByTestId("mute").click();
    await page.getByTestId("call-volume").click();
  },
  held: async (page) => {
    await talk(page);
    await pass(page, 65_000);
    await page.getByTestId("hold").click();
    await pass(page, 5_000);
  },
  "held-by-peer": async (page) => {
    await talk(page);
    await world(page, (fake) =>
      fake.change((draft) => {
        if (draft.calls[0] !== undefined) draft.calls[0].held_by_peer = true;
      }),
    );
    await pass(page, 9_000);
  },
  keypad: async (page) => {
    await talk(page);
    await page.getByTestId("keypad").click();
    for (const digit of ["1", "0", "8", "hash"]) await page.getByTestId(`dtmf-${digit}`).click();
  },
  "call-elsewhere": async (page) => {
    await talk(page);
    await page.getByTestId("nav-calls").click();
    await pass(page, 12_000);
  },
  "ringing-elsewhere": async (page) => {
    await page.getByTestId("nav-devices").click();
    await world(page, (fake) => fake.ring());
    await page.getByTestId("nav-devices").click();
    await pass(page, 2_000);
  },
  "call-waiting": async (page) => {
    await talk(page);
    await pass(page, 42_000);
    await world(page, (fake) => fake.ring("02165529988", null));
    await pass(page, 3_000);
  },
  "two-calls": async (page) => {
    await talk(page);
    await pass(page, 42_000);
    await world(page, (fake) => fake.ring("18612345678", "Miles O’Brien"));
    await page.getByTestId("bar-answer").click();
    await pass(page, 9_000);
  },
  "three-calls-elsewhere": async (page) => {
    await talk(page);
    await world(page, (fake) => fake.ring("18612345678", "深圳科创供应链有限公司客户服务部"));
    await page.getByTestId("bar-answer").click();
    await pass(page, 9_000);
    await world(page, (fake) => fake.ring("02165529988", null));
    await page.getByTestId("nav-outgoing").click();
    await pass(page, 3_000);
  },
  transfer: async (page) => {
    await talk(page);
    await pass(page, 30_000);
    await page.getByTestId("transfer").click();
    await page.getByTestId("transfer-input").fill("1003");
  },
  "transfer-with-notices": async (page) => {
    await world(page, (fake) => {
      fake.notice("microphone_missing", "error");
      fake.notice("store_recovered", "info");
    });
    await talk(page);
    await page.getByTestId("transfer").click();
  },
  "consult-with-notices": async (page) => {
    await world(page, (fake) => {
      fake.notice("microphone_missing", "error");
      fake.notice("store_recovered", "info");
    });
    await talk(page);
    await consult(page, "1003");
    await pass(page, 3_000);
  },
  "transfer-trying": async (page) => {
    await talk(page);
    await transferTo(page, "1003");
    await pass(page, 600);
  },
  "transfer-failed": async (page) => {
    await talk(page);
    await transferTo(page, "9001");
    await pass(page, 1_000);
  },
  "consult-failed": async (page) => {
    await talk(page);
    await pass(page, 40_000);
    await consult(page, "9001");
    await pass(page, 1_000);
  },
  elsewhere: (page) => world(page, (fake) => fake.elsewhere(["sip:1001@192.0.2.7:5060;transport=tcp", "sip:1001@[2001:db8::7]:49152"])),
  transferred: async (page) => {
    await talk(page);
    await pass(page, 40_000);
    await transferTo(page, "1003");
    await pass(page, 3_000);
  },
  "consult-alerting": async (page) => {
    await talk(page);
    await pass(page, 20_000);
    await consult(page, "1003");
    await pass(page, 700);
  },
  consult: async (page) => {
    await talk(page);
    await pass(page, 20_000);
    await consult(page, "1003");
    await pass(page, 12_000);
  },
  "consult-swapped": async (page) => {
    await talk(page);
    await pass(page, 20_000);
    await consult(page, "1003");
    await pass(page, 12_000);
    await page.getByTestId("bar-swap").click();
    await pass(page, 3_000);
  },
  identity: async (page) => {
    await identified(page);
    await pass(page, 4_000);
    await page.getByTestId("call-data").click();
  },
  "identity-talking": async (page) => {
    await identified(page);
    await page.getByTestId("answer").click();
    await pass(page, 4_000);
  },
  "call-reconnecting": async (page) => {
    await talk(page);
    await pass(page, 60_000);
    await world(page, (fake) => {
      fake.reconnecting(true);
      fake.callsReconnecting(true);
    });
    await pass(page, 2_000);
  },
  "call-recovered": async (page) => {
    await talk(page);
    await world(page, (fake) => fake.change((draft) => draft.calls.forEach((call) => (call.recovered = true))));
    await pass(page, 60_000);
  },
  "certificate-refused": (page) => refused(page),
  "trust-dialog": async (page) => {
    await refused(page);
    await page.getByTestId("trust-ask").click();
  },
  "sign-in-more": async (page) => {
    await world(page, (fake) => fake.signedOut());
    await page.getByTestId("sign-in-transport-wss").check({ force: true });
    await page.getByTestId("sign-in-more").click();
    await page.getByTestId("sign-in-pinned").fill("3F:0A");
    await page.getByTestId("sign-in-call-limit").fill("9");
    await page.getByTestId("sign-in-submit").click();
    await page.getByTestId("sign-in-trust-file").scrollIntoViewIfNeeded();
  },
  "sign-in-more-calls": async (page) => {
    await world(page, (fake) => fake.signedOut());
    await page.getByTestId("sign-in-more").click();
    await page.getByTestId("sign-in-strangers").scrollIntoViewIfNeeded();
  },
  lines: async (page) => {
    await severalLines(page);
    await page.getByTestId("nav-settings").click();
    await page.getByTestId("line-add").scrollIntoViewIfNeeded();
  },
  "line-remove": async (page) => {
    await severalLines(page);
    await page.getByTestId("nav-settings").click();
    await page.getByTestId("line-remove").last().click();
    await page.getByTestId("line-add").scrollIntoViewIfNeeded();
  },
  "line-add": async (page) => {
    await page.getByTestId("nav-settings").click();
    await page.getByTestId("line-add").click();
  },
  "line-trouble": async (page) => {
    await severalLines(page);
    await page.getByTestId("nav-outgoing").click();
  },
  message: (page) => world(page, (fake) => fake.message("1002", "客户已到前台，请转告她稍候两分钟。\nhttps://intranet.example.com/tickets/2026-0311-0042-very-long-name")),
  "message-in-call": async (page) => {
    await talk(page);
    await world(page, (fake) => {
      fake.message("1004", "First one");
      fake.message("1002", "Bitte Rückruf nach dem Gespräch");
    });
    await page.getByTestId("message-answer").click();
    await page.getByTestId("message-input").fill("OK");
  },
  "message-answered": async (page) => {
    await world(page, (fake) => fake.message("1002", "在吗？"));
    await page.getByTestId("message-answer").click();
    await page.getByTestId("message-input").fill("马上回电");
    await page.getByTestId("message-send").click();
    await pass(page, 500);
  },
  "after-call-work": async (page) => {
    await talk(page);
    await pass(page, 65_000);
    await page.getByTestId("hangup").click();
    await pass(page, 5_000);
  },
  missed: async (page) => {
    await world(page, (fake) => fake.ring());
    await pass(page, 9_000);
    await world(page, (fake) => fake.end("missed", 487));
  },
  calls: async (page) => {
    await page.getByTestId("nav-calls").click();
    await page.getByTestId("call-row").nth(1).getByTestId("call-row-choose").click();
  },
  "calls-empty": async (page) => {
    await world(page, (fake) => fake.records([]));
    await page.getByTestId("nav-calls").click();
  },
  "calls-nothing-found": async (page) => {
    await page.getByTestId("nav-calls").click();
    await page.getByTestId("call-search").fill("777");
    await pass(page, 400);
  },
  "calls-failed": async (page) => {
    // Both the numbers of today and the view itself read the list.
    await world(page, (fake) => fake.failNext("calls", "storage"));
    await page.getByTestId("nav-calls").click();
    await pass(page, 50);
  },
  devices: (page) => page.getByTestId("nav-devices").click(),
  "devices-trouble": async (page) => {
    await world(page, (fake) => {
      fake.change((draft) => {
        draft.devices.microphone.trouble = "missing";
        draft.devices.speaker.chosen = "gone";
      });
      fake.notice("microphone_missing", "error");
    });
    await page.getByTestId("nav-devices").click();
  },
  settings: (page) => page.getByTestId("nav-settings").click(),
  notices: (page) =>
    world(page, (fake) => {
      fake.notice("microphone_missing", "error");
      fake.notice("store_recovered", "info");
    }),
  reconnecting: async (page) => {
    await world(page, (fake) => fake.reconnecting(true));
    await pass(page, 3_000);
  },
  toast: async (page) => {
    await world(page, (fake) => fake.failNext("demo_call", "wrong_state"));
    await page.getByTestId("demo-call").click();
  },
  help: (page) => page.getByTestId("help").click(),
  "high-contrast": async (page) => {
    await world(page, (fake) => fake.change((draft) => (draft.settings.theme = "high-contrast")));
    await talk(page);
  },
};

async function talk(page: Page): Promise<void> {
  await world(page, (fake) => fake.ring());
  await pass(page, 3_000);
  await page.getByTestId("answer").click();
  await pass(page, 1_000);
}

async function transferTo(page: Page, number: string): Promise<void> {
  await page.getByTestId("transfer").click();
  await page.getByTestId("transfer-input").fill(number);
  await page.getByTestId("transfer-blind").click();
}

async function consult(page: Page, number: string): Promise<void> {
  await page.getByTestId("transfer").click();
  await page.getByTestId("transfer-input").fill(number);
  await page.getByTestId("transfer-consult").click();
}

/** A call that tells all that an INVITE can tell. */
function identified(page: Page): Promise<void> {
  return world(page, (fake) =>
    fake.ring("13800138000", "林晓雨", {
      referred_by: "1004",
      caller: {
        asserted: "02165529988",
        remote_party: "02165529988",
        anonymous: false,
        diversions: [
          { number: "4008108888", reason: "no-answer" },
          { number: "1007", reason: "user-busy" },
        ],
        history: [{ number: "075588886666", reason: "302" }],
        call_info: ["<https://crm.example.com/photo/42.png>;purpose=icon"],
        alert_info: ["<http://www.notused.invalid>;info=vip"],
      },
      headers: [
        { name: "X-Business-Id", value: "20260311-000042-7f3a9c5e1b8d4f60a2c4e6b8d0f2a4c6e8fa0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d" },
        { name: "X-Queue", value: "售后支持 / after sales" },
        { name: "X-Note", value: "<img src=x onerror=alert(1)>" },
      ],
    }),
  );
}

async function refused(page: Page): Promise<void> {
  await world(page, (fake) => fake.signedOut());
  await page.getByTestId("sign-in-server").fill("selfsigned.example.com:5061");
  await page.getByTestId("sign-in-transport-tls").check({ force: true });
  await page.getByTestId("sign-in-submit").click();
  await pass(page, 500);
}

function severalLines(page: Page): Promise<void> {
  return world(page, (fake) => {
    fake.line("2002", { state: "registered", since_ms: Date.now() });
    fake.line("8008-support-desk", {
      state: "reconnecting",
      since_ms: Date.now(),
      retry_at_ms: null,
      failure: { code: "timed_out", status: null, certificate: null },
    });
  });
}
