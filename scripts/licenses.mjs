// The licences of the packages of which something is in the bundle, as dist/LICENSES has them.
import { existsSync, readdirSync, readFileSync } from "node:fs";

/**
 * @param {Iterable<string>} moduleIds paths of what was bundled
 * @returns {string} a part for each package, in the order of their names; throws for one that has no licence text
 */
export function licensesOf(moduleIds) {
  const folders = new Set();
  for (const id of moduleIds) {
    const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(id)?.[0];
    if (folder && existsSync(`${folder}/package.json`)) folders.add(folder);
  }
  const parts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find((one) => /^licen[cs]e\b/i.test(one));
    if (file === undefined && typeof license !== "string") throw new Error(`${name} has no licence`);
    // A few packages name theirs in package.json and in no file.
    const text = file === undefined ? license : readFileSync(`${folder}/${file}`, "utf8").trim();
    return [`${name} ${version}`, text.replaceAll("\r\n", "\n")];
  });
  parts.sort(([a], [b]) => (a < b ? -1 : 1));
  return `streamctl holds parts of these packages.\n\n${parts.map(([title, text]) => `## ${title}\n\n${text}\n`).join("\n")}`;
}
