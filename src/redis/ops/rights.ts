import { ServerError } from "../../errors.ts";
import { isDenied } from "../errors.ts";
import { asText } from "../value.ts";
import type { Caller } from "./caller.ts";

/** A command with its arguments, in a form that changes nothing. */
export type Harmless = readonly [command: string, ...args: string[]];

/** The user that this connection is. */
export async function whoAmI(caller: Caller): Promise<string> {
  return asText(await caller.call("ACL", "WHOAMI"));
}

/** ACL DRYRUN (7.0), which leaves no trace in ACL LOG: why a user may not send a command, or undefined. */
export async function dryRun(caller: Caller, user: string, command: Harmless): Promise<string | undefined> {
  const answer = asText(await caller.call("ACL", "DRYRUN", user, ...command));
  return answer === "OK" ? undefined : answer;
}

/**
 * Sends a command whose form does nothing, because rights are looked at before arguments: the reply that refuses it for
 * want of a right, or undefined. Whatever else goes wrong was allowed to.
 */
export async function refusalOf(caller: Caller, [command, ...args]: Harmless): Promise<string | undefined> {
  try {
    await caller.call(command, ...args);
    return undefined;
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    return isDenied(error) ? error.reply : undefined;
  }
}
