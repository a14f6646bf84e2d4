// What the builders of the artefacts share.
import { chmodSync, lutimesSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export const root = new URL("../..", import.meta.url).pathname;
export const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8"));

/** The time that files in artefacts have, in seconds: by default the one that npm gives them. */
export const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 499_162_500);

/** As it is to be in a package, whatever this user's umask is. */
export function put(file, content, mode = 0o644) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, mode);
  lutimesSync(file, epoch, epoch);
}

/** The text with the one place that `from` matches replaced; throws where there is none, or more. */
export function replaceOne(text, from, to) {
  if (text.split(from).length !== 2) throw new Error(`not in there, or more than once: ${from}`);
  return text.replace(from, () => to);
}
