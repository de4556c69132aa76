import { defineConfig } from "vitest/config";

/** The views in a real browser, over the simulated program. One browser for each file, files one after the other. */
export default defineConfig({
  test: { include: ["e2e/**/*.test.ts"], environment: "node", fileParallelism: false, testTimeout: 60_000, hookTimeout: 30_000 },
});
