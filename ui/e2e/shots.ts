import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, test } from "vitest";

import { openPage, openSite, pass, restart, world, type Site } from "./browser";
import { SCENES } from "./scenes";

const OUT = fileURLToPath(new URL("../test-results/shots", import.meta.url));
const only = process.env["SHOTS"]?.split(",");

let site: Site;
beforeAll(async () => {
  mkdirSync(OUT, { recursive: true });
  site = await openSite();
});
afterAll(() => site.close());

/** Every scene in both languages and both themes, at the panel's own size, between, and in a wide window. */
test("pictures", async () => {
  for (const [width, height] of [
    [240, 420],
    [280, 552],
    [640, 560],
    [1100, 760],
  ] as const) {
    const page = await openPage(site, { width, height });
    for (const [name, scene] of Object.entries(SCENES)) {
      if (only !== undefined && !only.some((part) => `${name}-${width}`.includes(part))) continue;
      await restart(page);
      await world(page, (fake) => {
        fake.signedIn();
      });
      await scene(page);
      for (const language of ["zh-CN", "en"] as const) {
        for (const theme of name === "high-contrast" ? (["high-contrast"] as const) : (["light", "dark"] as const)) {
          await page.evaluate(
            ([language, theme]) =>
              window.fake.change((draft) => {
                draft.settings.language = language;
                draft.settings.theme = theme;
              }),
            [language, theme] as const,
          );
          await pass(page, 20);
          await page.screenshot({ path: `${OUT}/${name}-${language}-${theme}-${width}.png` });
        }
      }
    }
    await page.context().close();
  }
});
