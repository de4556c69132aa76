// Draws icons/*.png, icon.ico and icon.icns from the SVG sources beside them: `npm run icons`.
import { readFile, writeFile } from "node:fs/promises";

import { chromium } from "playwright-core";

const folder = new URL("../../icons/", import.meta.url);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});

async function draw(source, size) {
  const svg = await readFile(new URL(source, folder));
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  await page.setContent(
    `<style>*{margin:0}img{display:block;width:${size}px;height:${size}px}</style><img src="data:image/svg+xml;base64,${svg.toString("base64")}">`,
  );
  await page.locator("img").evaluate((image) => image.decode());
  const png = await page.screenshot({ omitBackground: true });
  await page.close();
  return png;
}

/** An icon of Windows: a directory of 16 bytes an image, then the images as PNG. */
function ico(images) {
  const head = Buffer.alloc(6 + 16 * images.length);
  head.writeUInt16LE(1, 2);
  head.writeUInt16LE(images.length, 4);
  let offset = head.length;
  images.forEach(({ size, png }, index) => {
    const at = 6 + 16 * index;
    head.writeUInt8(size % 256, at);
    head.writeUInt8(size % 256, at + 1);
    head.writeUInt16LE(1, at + 4);
    head.writeUInt16LE(32, at + 6);
    head.writeUInt32LE(png.length, at + 8);
    head.writeUInt32LE(offset, at + 12);
    offset += png.length;
  });
  return Buffer.concat([head, ...images.map(({ png }) => png)]);
}

/** An icon of macOS: chunks of a type that names the size, a length, and a PNG. */
function icns(images) {
  const chunks = images.map(({ type, png }) => {
    const head = Buffer.alloc(8);
    head.write(type, "latin1");
    head.writeUInt32BE(8 + png.length, 4);
    return Buffer.concat([head, png]);
  });
  const head = Buffer.alloc(8);
  head.write("icns", "latin1");
  head.writeUInt32BE(8 + chunks.reduce((sum, { length }) => sum + length, 0), 4);
  return Buffer.concat([head, ...chunks]);
}

const sizes = [16, 24, 32, 48, 64, 128, 256, 512, 1024];
const png = new Map();
for (const size of sizes) png.set(size, await draw("deskline.svg", size));

const write = (name, data) => writeFile(new URL(name, folder), data);
await write("32x32.png", png.get(32));
await write("128x128.png", png.get(128));
await write("128x128@2x.png", png.get(256));
await write("icon.png", png.get(512));
await write("icon.ico", ico([16, 24, 32, 48, 64, 256].map((size) => ({ size, png: png.get(size) }))));
const types = { icp4: 16, icp5: 32, ic11: 32, ic12: 64, ic07: 128, ic13: 256, ic08: 256, ic14: 512, ic09: 512, ic10: 1024 };
await write("icon.icns", icns(Object.entries(types).map(([type, size]) => ({ type, png: png.get(size) }))));
await write("tray.png", await draw("tray.svg", 64));
await browser.close();
