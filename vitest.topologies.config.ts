import { defineConfig } from "vitest/config";

/** `npm run test:topologies`: minutes of real failovers, which `npm test` does without. */
export default defineConfig({
  test: {
    maxWorkers: 1,
    restoreMocks: true,
    unstubEnvs: true,
    reporters: ["default", "./test/support/totals-reporter.ts"],
    projects: [
      {
        test: {
          name: "topologies",
          include: ["test/topologies/**/*.test.ts"],
          globalSetup: ["test/support/global-setup.ts"],
          setupFiles: ["test/support/leaks.ts"],
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
