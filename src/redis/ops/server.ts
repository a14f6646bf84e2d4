import { ServerError } from "../../errors.ts";
import type { Connection } from "../connection.ts";
import { isDenied } from "../errors.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";

/** The one server, or one node of a cluster. */
type Asked = Pick<Connection, "call">;

/** The lines of INFO, or of one section of it, by name. */
export async function serverInfo(server: Asked, section?: "server"): Promise<Map<string, string>> {
  return decodeInfo(asText(await server.call("INFO", ...(section === undefined ? [] : [section]))));
}

/** The lines of CLUSTER INFO, by name. */
export async function clusterInfo(server: Asked): Promise<Map<string, string>> {
  return decodeInfo(asText(await server.call("CLUSTER", "INFO")));
}

/** `name:value` lines as a map. */
export function decodeInfo(text: string): Map<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) facts.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return facts;
}

/** One setting of CONFIG GET; undefined when the server has none of that name. */
export async function configValue(server: Asked, setting: string): Promise<string | undefined> {
  const [, value] = asList(await server.call("CONFIG", "GET", setting));
  return value === undefined ? undefined : asText(value);
}

/** The server's clock in ms. A user without the right to TIME learns it from INFO, which tells it since 7.0. */
export async function serverNowMs(caller: Caller): Promise<number> {
  try {
    const [seconds, micros] = asList(await caller.persist(() => caller.call("TIME")));
    return asNumber(seconds) * 1_000 + Math.floor(asNumber(micros) / 1_000);
  } catch (error) {
    if (!isDenied(error)) throw error;
    const told = await timeInInfo(caller);
    if (told === undefined) throw error;
    return told;
  }
}

async function timeInInfo(caller: Caller): Promise<number | undefined> {
  try {
    const micros = (await caller.persist(() => serverInfo(caller, "server"))).get("server_time_usec");
    return micros === undefined ? undefined : Math.floor(Number(micros) / 1_000);
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}
