import { createHash } from "node:crypto";

/** A Lua script: one operation. Its file says KEYS, ARGV, what it returns and when. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha: string;
}

export function defineScript(name: string, lua: string): Script {
  return { name, lua, sha: createHash("sha1").update(lua).digest("hex") };
}
