import { createHash } from "node:crypto";

/** A Lua script: one operation. Its file says KEYS, ARGV, what it returns and when. */
export interface Script {
  readonly name: string;
  readonly lua: string;
  readonly sha: string;
}

/** The hash is made at the first call: `lag`, which seldom makes one, would load Node's crypto for it. */
export function defineScript(name: string, lua: string): Script {
  let sha: string | undefined;
  return {
    name,
    lua,
    get sha() {
      return (sha ??= createHash("sha1").update(lua).digest("hex"));
    },
  };
}
