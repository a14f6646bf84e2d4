import { compareIds, type EntryId, previousId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { type GroupInfo, groupInfos, streamInfo } from "../../redis/ops/info.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { onStream } from "../groups/missing.ts";
import { pendingPages } from "../pending/pages.ts";
import { FIRST_ID } from "../position.ts";
import { readRange } from "../read/range.ts";
import { findCut } from "./cut.ts";
import { findNeeds, type Needs, type TrimRequest } from "./trim.ts";

/** What a group would lose that it still needs. What has gone already is lost to no trim. */
export interface Loss {
  readonly group: GroupName;
  /** Entries it has not been given. */
  readonly undelivered: number;
  /** Entries it has been given and has not acked, whether or not it would be given them once more. */
  readonly pending: number;
}

export interface TrimPreview extends Needs {
  readonly stream: StreamKey;
  readonly length: number;
  /** Exact when trimming is; else the most that would go, because only whole nodes do. */
  readonly wouldRemove: number;
  readonly cut: EntryId;
  /** Only groups that would lose something. */
  readonly losses: readonly Loss[];
}

/** What trimming would do; changes nothing. It reads what would go, and counts it. */
export async function previewTrim(
  connection: Connection,
  request: Omit<TrimRequest, "archive">,
): Promise<TrimPreview> {
  const { stream, signal, force } = request;
  return onStream(connection, stream, undefined, async () => {
    const { length } = await streamInfo(connection, stream);
    const cut = await findCut(connection, stream, request.cut, signal);
    const needs = await findNeeds(connection, { stream, force }, cut);
    const groups = force ? await groupInfos(connection, stream) : [];
    const counters = groups.map((group) => new LossCounter(connection, stream, group));
    const to = previousId(needs.hold?.id ?? cut);
    let wouldRemove = 0;
    if (to !== undefined) {
      const link = { lost() {}, back() {} };
      const range = { from: FIRST_ID, to };
      for await (const [batch] of readRange(connection, { stream, range }, { signal, link })) {
        const ids = (batch?.entries ?? []).map(({ id }) => id);
        wouldRemove += ids.length;
        request.onProgress?.(wouldRemove);
        for (const counter of counters) await counter.add(ids);
      }
    }
    const losses = counters.map(({ loss }) => loss).filter((loss) => loss.undelivered + loss.pending > 0);
    return { stream, length, wouldRemove, cut, losses, ...needs };
  });
}

/** Counts which entries a group needs, of those that come in the stream's order. */
class LossCounter {
  readonly #group: GroupInfo;
  readonly #pages: AsyncGenerator<readonly PendingRow[], undefined>;
  /** Pending entries that have not been passed yet, from the next page on. */
  #rows: readonly PendingRow[] = [];
  #undelivered = 0;
  #pending = 0;

  constructor(connection: Connection, stream: StreamKey, group: GroupInfo) {
    this.#group = group;
    this.#pages = pendingPages(connection, { stream, group: group.name });
  }

  get loss(): Loss {
    return { group: this.#group.name, undelivered: this.#undelivered, pending: this.#pending };
  }

  async add(ids: readonly EntryId[]): Promise<void> {
    const last = ids.at(-1);
    if (last === undefined) return;
    const pending = await this.#pendingUpTo(last);
    for (const id of ids) {
      if (pending.has(id)) this.#pending++;
      else if (compareIds(id, this.#group.lastDeliveredId) > 0) this.#undelivered++;
    }
  }

  async #pendingUpTo(last: string): Promise<Set<string>> {
    const passed = new Set<string>();
    for (;;) {
      const beyond = this.#rows.findIndex(({ id }) => compareIds(id, last) > 0);
      const rows = beyond < 0 ? this.#rows : this.#rows.slice(0, beyond);
      for (const { id } of rows) passed.add(id);
      this.#rows = this.#rows.slice(rows.length);
      if (this.#rows.length > 0) return passed;
      const { value } = await this.#pages.next();
      if (value === undefined) return passed;
      this.#rows = value;
    }
  }
}
