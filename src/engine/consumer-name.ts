import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

/** A consumer's name that no other process has: `<host>-<pid>-<random>`. */
export function makeConsumerName(pid: number): string {
  return `${hostname()}-${pid}-${randomBytes(4).toString("hex")}`;
}

/** Whether a name looks like one of makeConsumerName: no process uses it a second time. */
export function isMadeUp(name: string): boolean {
  return /^.+-\d+-[0-9a-f]{8}$/.test(name);
}
