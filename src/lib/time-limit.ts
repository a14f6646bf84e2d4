export type Within = <R>(ms: number, run: () => R) => R | undefined;

let limit: Within | undefined;

/** Runs something for so long at most; undefined when that was not enough. A call costs a tenth of a millisecond. */
export async function timeLimit(): Promise<Within> {
  if (limit) return limit;
  // Not from Node's own engine of expressions, which knows no limit, but from what stops any script.
  const { createContext, Script } = await import("node:vm");
  const inside: { run: () => unknown } = { run: () => undefined };
  const context = createContext(inside);
  const script = new Script("run()");
  limit = <R>(ms: number, run: () => R): R | undefined => {
    inside.run = run;
    try {
      return script.runInContext(context, { timeout: ms }) as R;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
      throw error;
    } finally {
      inside.run = () => undefined;
    }
  };
  return limit;
}
