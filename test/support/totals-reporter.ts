import type { Reporter, TestModule, TestRunEndReason } from "vitest/node";

/**
 * Ends a run with one line for machines, `N passed, N failed`, over all projects. A file that could not be
 * loaded or cleaned up and an error outside any test count as failed; tests that were skipped have a line
 * of their own.
 */
export default class TotalsReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly unknown[],
    reason: TestRunEndReason,
  ): void {
    let passed = 0;
    let skipped = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed++;
        else if (state === "skipped") skipped++;
        else failed++;
      }
    }
    // A global setup that fails leaves neither modules nor errors.
    if (reason === "failed" && failed === 0) failed = 1;
    if (skipped > 0) console.log(`${skipped} skipped`);
    // The reporter's own summary comes after the hooks of this turn.
    process.once("exit", () => console.log(`${passed} passed, ${failed} failed`));
  }
}
