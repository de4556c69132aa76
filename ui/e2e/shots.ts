import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, test } from "vitest";

import { openPage, openSite, pass, world, type Site } from "./browser";
import { SCENES } from "./scenes";

const OUT = fileURLToPath(new URL("../test-results/shots", import.meta.url));
const only = process.env["SHOTS"]?.split(",");

let site: Site;
beforeAll(async () => {
  mkdirSync(OUT, { recursive: true });
  site = await openSite();
});
afterAll(() => site.close());

/** Every scene in both languages and both themes, at the panel's own size and in a wide window. */
test("pictures", async () => {
  for (const locale of ["zh-CN", "en-US"] as const) {
    for (const scheme of ["light", "dark"] as const) {
      for (const [width, height] of [
        [280, 552],
        [1100, 760],
      ] as const) {
        for (const [name, scene] of Object.entries(SCENES)) {
          const file = `${name}-${locale.slice(0, 2)}-${scheme}-${width}.png`;
          if (only !== undefined && !only.some((part) => file.includes(part))) continue;
          const page = await openPage(site, { width, height, locale, scheme });
          await world(page, (fake) => {
            fake.signedIn();
          });
          await scene(page);
          await pass(page, 20);
          await page.screenshot({ path: `${OUT}/${file}` });
          await page.context().close();
        }
      }
    }
  }
});
