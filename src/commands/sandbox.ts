import { argument, command, type FlagsOf } from "./command.ts";
import { flag } from "./flag.ts";

const flags = [
  flag.count("--listen <port>", "listen on this port", { otherwise: "a free one" }),
  flag.list("--set <name=value>", "a setting of the server, as in redis.conf; repeatable"),
] as const;

export type SandboxFlags = FlagsOf<typeof flags>;

export const sandbox = command({
  name: "sandbox",
  about: "run a private throw-away Redis; gone when this ends",
  args: [argument("[command...]", "run this with REDIS_URL set, and exit with its code; write -- before it")],
  flags,
  notes: `
The server is the first of: STREAMCTL_REDIS_SERVER (an executable, or docker:IMAGE), redis-server or
valkey-server on PATH, Docker or Podman, the distribution's package unpacked into the user's cache.`,
  examples: ["streamctl sandbox", "streamctl sandbox --set maxmemory=3mb -- npm test"],
  withoutConfig: true,
  run: () => import("./sandbox-run.ts"),
});
