import { defineConfig } from "vitest/config";

// Nothing that passes gets slower by it: limits are for what hangs, and a loaded machine may stand still for seconds.
const shared = {
  sequence: { shuffle: true },
  restoreMocks: true,
  unstubEnvs: true,
  expect: { poll: { timeout: 45_000 } },
} as const;

export default defineConfig({
  test: {
    // Most of a test is waiting.
    maxWorkers: 3,
    reporters: ["default", "./test/support/totals-reporter.ts"],
    projects: [
      { test: { ...shared, name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 60_000 } },
      {
        test: {
          ...shared,
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: ["test/support/global-setup.ts"],
          setupFiles: ["test/support/leaks.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...shared,
          name: "package",
          include: ["test/package/**/*.test.ts"],
          globalSetup: ["test/support/build.ts", "test/support/artifacts.ts", "test/support/global-setup.ts"],
          setupFiles: ["test/support/leaks.ts"],
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...shared,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/support/build.ts", "test/support/global-setup.ts"],
          setupFiles: ["test/support/leaks.ts"],
          testTimeout: 240_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
