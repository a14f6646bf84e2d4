import { randomBytes } from "node:crypto";
import type { GroupName } from "../../entry/names.ts";
import type { Connection } from "../connection.ts";
import { asText } from "../value.ts";
import type { Member } from "./member.ts";

/**
 * What the names of a run's connections say of it, for CLIENT LIST: its group, its consumer, and a word that no other run
 * has. A name has no blanks and nothing but printable ASCII.
 */
export function runNameOf({ group, consumer }: Member): string {
  return [group, consumer, randomBytes(4).toString("hex")].map((part) => encodeURIComponent(part)).join(":");
}

/** The group and the consumer in the name of a run's connection. */
const RUN_NAME = /^streamctl:[\w-]+:([^:]+):([^:]+):[0-9a-f]{8}$/;

/**
 * The consumers of a group of which some process has a connection now; undefined where that can't be told, because this user
 * may not ask or its own connection has no name. Never rejects.
 */
export async function connectedConsumers(
  connection: Pick<Connection, "name" | "primaries">,
  group: GroupName,
): Promise<Set<string> | undefined> {
  const consumers = new Set<string>();
  try {
    for (const node of await connection.primaries()) {
      const names: readonly string[] =
        asText(await node.call("CLIENT", "LIST")).match(/(?<= name=)\S+/g) ?? [];
      if (!names.includes(connection.name)) return undefined;
      for (const name of names) {
        const [, of, consumer] = RUN_NAME.exec(name) ?? [];
        if (of === encodeURIComponent(group) && consumer !== undefined)
          consumers.add(decodeURIComponent(consumer));
      }
    }
    return consumers;
  } catch {
    return undefined;
  }
}

/**
 * Whether there is a connection of another run with the same group and consumer: "some", "none", or "unknown" where that
 * can't be told, because this user may not ask or its own connections have no name. A run that was killed has none any
 * more. Of two that start at the same time one sees the other at least: each has its name before it asks. Never rejects.
 */
export async function namesakes(
  connection: Pick<Connection, "name" | "primaries">,
): Promise<"some" | "none" | "unknown"> {
  const { name } = connection;
  const prefix = name.slice(0, name.lastIndexOf(":") + 1);
  try {
    // A live run has a connection to each node that it reads from.
    for (const node of await connection.primaries()) {
      const names: readonly string[] =
        asText(await node.call("CLIENT", "LIST")).match(/(?<= name=)\S+/g) ?? [];
      if (names.some((other) => other !== name && other.startsWith(prefix))) return "some";
      if (!names.includes(name)) return "unknown";
    }
    return "none";
  } catch {
    return "unknown";
  }
}
