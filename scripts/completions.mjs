// Writes completions/ from the built program. A test fails when these files are stale.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

const root = new URL("..", import.meta.url).pathname;
const files = { bash: "streamctl.bash", zsh: "_streamctl", fish: "streamctl.fish" };

for (const [shell, file] of Object.entries(files)) {
  const script = execFileSync(process.execPath, [`${root}bin/streamctl.js`, "completion", shell]);
  writeFileSync(`${root}completions/${file}`, script);
}
