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
