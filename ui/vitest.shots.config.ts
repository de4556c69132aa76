import { defineConfig } from "vitest/config";

/** Pictures of every view into test-results/shots/. */
export default defineConfig({
  test: { include: ["e2e/shots.ts"], environment: "node", testTimeout: 900_000, hookTimeout: 30_000 },
});
