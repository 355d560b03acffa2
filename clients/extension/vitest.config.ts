import { defineConfig } from "vitest/config";
import { WxtVitest } from "wxt/testing/vitest-plugin";

export default defineConfig({
  plugins: [WxtVitest()],
  test: {
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/testing/setup.ts"],
    environment: "node",
    // Above the default, so that tests do not fail on a busy machine.
    testTimeout: 30_000,
    mockReset: true,
    restoreMocks: true,
  },
});
