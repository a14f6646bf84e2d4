import type { Connection } from "../connection.ts";

/**
 * What a verb needs of a connection: to send a command or a script once, and to repeat what may run twice. A test that
 * is to lose the reply of its choice wraps that of a real connection.
 */
export type Caller = Pick<Connection, "call" | "run" | "persist" | "cluster">;
