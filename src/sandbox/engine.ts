import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { tmpdir, userInfo } from "node:os";
import { basename } from "node:path";
import { promisify } from "node:util";
import { StreamctlError } from "../errors.ts";
import { serverIn } from "./container.ts";
import { type Launch, launchProcess, type ServerProcess } from "./process.ts";

const run = promisify(execFile);

const PULL_TIMEOUT_MS = 5 * 60_000;

/**
 * A server in a container as container.ts has them, by docker or podman itself: `run:ENGINE:IMAGE`. The process is
 * `docker run`, which prints what the server prints and ends with it. Signals go to the container by name: SIGKILL and
 * SIGSTOP would reach no more than `docker run`, and the container would stay.
 */
export async function launchByEngine(source: string, launch: Launch): Promise<ServerProcess> {
  // What PATH leads to has no colon, and an image may have two.
  const [, engine = "", image = ""] = /^run:([^:]+):(.+)$/.exec(source) ?? [];
  await fetchImage(engine, image, launch.signal);
  const name = `streamctl-sandbox-${randomUUID()}`;
  const { uid, gid } = userInfo();
  // Podman without root counts users on its own: there, this keeps the caller's number what it is.
  const asCaller = basename(engine) === "podman" && uid !== 0 ? ["--userns=keep-id"] : [];
  const folder = tmpdir();
  const args = ["run", "--rm", "--name", name, "--network", "host", ...asCaller, "--user", `${uid}:${gid}`];
  args.push("--volume", `${folder}:${folder}`, image, serverIn(image), ...launch.args);
  return launchProcess(
    engine,
    { ...launch, args },
    {
      end: [engine, "rm", "--force", name],
      // Before there is a container, `docker run` is all there is to end.
      signal: (signal, otherwise) =>
        void execFile(engine, ["kill", "--signal", signal, name], (error) => void (error && otherwise())),
    },
  );
}

/** Fetching takes longer than a server may take to start. */
async function fetchImage(engine: string, image: string, signal: AbortSignal | undefined): Promise<void> {
  const there = await run(engine, ["image", "inspect", image]).catch(() => undefined);
  if (there !== undefined) return;
  const limits = { timeout: PULL_TIMEOUT_MS, ...(signal && { signal }) };
  await run(engine, ["pull", "--quiet", image], limits).catch((error: unknown) => {
    signal?.throwIfAborted();
    const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1) ?? "";
    throw new StreamctlError("failed", `${basename(engine)} can't fetch ${image}: ${said}`, { cause: error });
  });
}
