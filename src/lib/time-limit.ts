export type Within = <R>(ms: number, run: () => R) => R | undefined;

let limit: Within | undefined;

/** So much of its time on the clock what runs on has of the processor. */
const SHARE = 0.9;

/**
 * Runs something for so long at most; undefined when that was not enough, of the processor's time: a process that was
 * stopped, or had little of its machine, tries it again from the start. A call costs a tenth of a millisecond.
 */
export async function timeLimit(): Promise<Within> {
  if (limit) return limit;
  // Not from Node's own engine of expressions, which knows no limit, but from what stops any script.
  const [{ createContext, Script }, clock] = await Promise.all([import("node:vm"), import("node:process")]);
  const inside: { run: () => unknown } = { run: () => undefined };
  const context = createContext(inside);
  const script = new Script("run()");
  limit = <R>(ms: number, run: () => R): R | undefined => {
    inside.run = run;
    try {
      for (let timeout = ms; ; timeout *= 2) {
        const before = clock.cpuUsage();
        try {
          return script.runInContext(context, { timeout }) as R;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
        }
        const { user, system } = clock.cpuUsage(before);
        if ((user + system) / 1_000 >= SHARE * ms) return undefined;
      }
    } finally {
      inside.run = () => undefined;
    }
  };
  return limit;
}
