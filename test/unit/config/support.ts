import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PassThrough } from "node:stream";
import { onTestFinished } from "vitest";
import type { Io } from "../../../src/io.ts";

/** A home with a user's file and a working directory with a project's file, gone when the test ends. */
export function configIo(files: { user?: string; project?: string } = {}, env: Io["env"] = {}): Io {
  const folder = mkdtempSync(join(tmpdir(), "streamctl-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const put = (path: string, text: string | undefined): void => {
    mkdirSync(dirname(path), { recursive: true });
    if (text !== undefined) writeFileSync(path, text, { mode: 0o600 });
  };
  put(join(folder, "home/.config/streamctl/config.yaml"), files.user);
  put(join(folder, "work/.streamctl.yaml"), files.project);
  return {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    env: { HOME: join(folder, "home"), ...env },
    cwd: join(folder, "work"),
    pid: 1,
    kill: () => true,
    onSignal: () => () => {},
  };
}
