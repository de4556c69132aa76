import { fileURLToPath } from "node:url";

import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

/**
 * `build` makes the desktop window's page (dist/). `--mode preview` makes the same page over the simulated program
 * (dist-preview/), which the tests in e2e/ and a designer open in a plain browser.
 */
export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [solid()],
  clearScreen: false,
  server: { port: 5173, strictPort: true, host: "127.0.0.1" },
  build: {
    target: ["es2022", "safari16", "chrome105"],
    outDir: mode === "preview" ? "dist-preview" : "dist",
    emptyOutDir: true,
    // The content security policy allows no data: scripts or styles, and no inline ones.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: fileURLToPath(new URL(mode === "preview" ? "preview.html" : "index.html", import.meta.url)) },
  },
}));
