import { tmpdir, userInfo } from "node:os";
import { CONTAINER_PREFIX } from "./find-server.ts";
import { type Launch, LogTail, type ServerProcess } from "./process.ts";

/**
 * Runs a server in a container that behaves like a local process: the host's network, the caller's user,
 * and the temporary folder at its own path (for data, sockets and certificates). testcontainers' reaper
 * removes the container even when streamctl is killed.
 */
export async function launchContainer(source: string, launch: Launch): Promise<ServerProcess> {
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import("testcontainers");
  const image = source.slice(CONTAINER_PREFIX.length);
  const { uid, gid } = userInfo();
  const log = new LogTail();
  const container = await new GenericContainer(image)
    .withNetworkMode("host")
    .withUser(`${uid}:${gid}`)
    .withBindMounts([{ source: tmpdir(), target: tmpdir() }])
    .withCommand([serverIn(image), ...launch.args])
    .withLogConsumer((stream) => stream.on("data", log.add))
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/i))
    .start();
  const { dockerode } = (await getContainerRuntimeClient()).container;
  const handle = dockerode.getContainer(container.getId());
  let running = true;
  const exited = handle
    .wait()
    .catch(() => {})
    .then(async () => {
      running = false;
      await container.stop().catch(() => {});
    });
  return {
    pid: undefined,
    get running() {
      return running;
    },
    exited,
    log: () => log.text,
    signal: (signal) => void handle.kill({ signal }).catch((error: unknown) => log.add(String(error))),
  };
}

/** What to start in an image. */
export function serverIn(image: string): string {
  return image.includes("valkey") ? "valkey-server" : "redis-server";
}
