import type { Connection } from "../connection.ts";

/**
 * What a verb needs of a connection: to send a command or a script once, and to repeat what may run twice. A test that
 * is to lose the reply of its choice wraps that of a real connection.
 */
export type Caller = Pick<Connection, "call" | "run" | "persist" | "cluster">;

/** The same, whose repeats end when the signal aborts. */
export function endedBy(caller: Caller, signal: AbortSignal): Caller {
  return {
    cluster: caller.cluster,
    call: (command, ...args) => caller.call(command, ...args),
    run: (script, keys, args) => caller.run(script, keys, args),
    persist: (operation, options) => caller.persist(operation, { signal, ...options }),
  };
}
