import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

/** A consumer's name that no other process has: `<host>-<pid>-<random>`. */
export function makeConsumerName(pid: number): string {
  return `${hostname()}-${pid}-${randomBytes(4).toString("hex")}`;
}
