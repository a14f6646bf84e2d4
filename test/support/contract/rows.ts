import {
  anyOf,
  byteString,
  count,
  entryFields,
  fromNow,
  type Field,
  id,
  list,
  milliseconds,
  number,
  object,
  only,
  oneOf,
  orNull,
  scheduledId,
  someOf,
  text,
  time,
  yesNo,
} from "./kinds.ts";

/** An object that programs read. */
export interface Shape {
  readonly title: string;
  /** In the order in which they are printed. */
  readonly fields: Readonly<Record<string, Field>>;
}

const STREAM = text("the stream's key");
const GROUP = text("the group");
const OF_GROUP = { stream: STREAM, group: GROUP };
const DELIVERIES = count("how often it has been delivered");
const BY_CLOCK = "by the server's clock";
const NO_TIME = "its ID is no time";

const NO_WORKER = "there is no word of a worker";

const PAUSE = {
  paused: orNull(yesNo("whether the group is paused on the stream"), "this user may not see it"),
  pausedSince: orNull(time(`since when, ${BY_CLOCK}`), "it is not, or not known"),
  pausedUntil: orNull(time(`when it ends by itself, ${BY_CLOCK}`), "it is not, or never"),
  pausedBy: orNull(text("by whom: user@host"), "it is not, or not known"),
  pausedReason: orNull(text("why"), "it is not, or nothing was said"),
};

const LAG = {
  ...OF_GROUP,
  lag: orNull(
    count("entries in the stream that the group has still to be given"),
    "only lagAtLeast is known",
  ),
  lagAtLeast: orNull(count("at least so many are still to be given"), "lag is known"),
  consumers: count("consumers of the group"),
  pending: count("entries that were delivered and are not acked"),
  oldestPendingMs: orNull(
    milliseconds(`age of the oldest pending entry ${BY_CLOCK}`),
    "there is none, or not known",
  ),
  oldestUndeliveredMs: orNull(
    milliseconds(`age of the oldest entry that is still to be given ${BY_CLOCK}`),
    "there is none, or not known",
  ),
  maxDeliveries: orNull(
    count("the highest delivery count of a pending entry, 0 without any"),
    "too many to look at",
  ),
  lastDeliveredId: id("the last entry that the group was given"),
  ...PAUSE,
};

const { stream: _stream, ...LAG_OF_STREAM } = LAG;

const LETTER = {
  stream: text("the stream that the entry was in"),
  dlq: text("the dead-letter queue's key"),
  id: id("the letter's ID in the queue"),
  originalId: orNull(id("the entry's ID in its stream"), "the letter does not say"),
  group: orNull(text("the group that failed with it"), "the letter does not say"),
  consumer: orNull(text("the consumer that had it last"), "the letter does not say"),
  deliveries: orNull(count("how often it was delivered since the last replay"), "the letter does not say"),
  reason: orNull(
    text("why: exit 1, timeout 30s, signal KILL, or the handler's words"),
    "the letter does not say",
  ),
  failedAt: orNull(time("when it failed last"), "the letter does not say"),
  replays: count("how often it was replayed"),
  deliveriesTotal: orNull(
    count("how often it was delivered, before its replays, too"),
    "the letter does not say",
  ),
  layout: oneOf("how the letter keeps the original", ["native", "copied", "wrapped"]),
};

const FIELDS = entryFields("the original's fields");

/** The rows of commands and the form of entries, by names of files in docs/schemas. */
export const ROWS: Readonly<Record<string, Shape>> = {
  entry: {
    title: "An entry, everywhere: what one command prints, produce --input entries reads",
    fields: {
      stream: STREAM,
      id: id("the entry's ID"),
      fields: entryFields("its fields, every byte of them"),
      deliveries: only("where it is known", DELIVERIES),
      idleMs: only("where it is known", milliseconds("since it was delivered or claimed")),
      consumer: only("where it is known", text("who has it")),
    },
  },
  produce: {
    title: "The ID of an entry that was added: produce -o json",
    fields: { stream: text("the stream, or the partition, that it is in"), id: id("the entry's ID") },
  },
  "produce-later": {
    title: "An entry that is to be added later: produce --delay, --at, --delay-field",
    fields: {
      stream: text("the stream, or the partition, that it is scheduled for"),
      id: scheduledId("what schedule list and cancel know it by"),
    },
  },
  "schedule-list": {
    title: "What is to be added to a stream later",
    fields: {
      stream: STREAM,
      id: scheduledId("what schedule cancel takes"),
      dueAt: orNull(time(`when it is due, ${BY_CLOCK}`), "it can't be read, or no calendar reaches so far"),
      dueInMs: orNull(fromNow("how long until then; less than 0: it is overdue"), "it can't be read"),
      group: orNull(text("the group whose worker has put it off"), "it is to be added"),
      originalId: orNull(id("the entry that comes back to that group"), "it is to be added"),
      reason: orNull(text("why it was put off"), "it is to be added"),
      fields: orNull(entryFields("the fields it will have"), "it was put off, or can't be read"),
    },
  },
  lag: { title: "How far a group is behind", fields: LAG },
  "lag-watch": {
    title: "How far a group is behind, at every look of lag --watch",
    fields: {
      time: time(`when it was looked at, ${BY_CLOCK}`),
      ...LAG,
      inPerSecond: orNull(number("entries added to the stream per second"), "not known yet"),
      outPerSecond: orNull(number("entries that the group was given per second"), "not known yet"),
      drainMs: orNull(milliseconds("until nothing is left at these rates"), "it grows, or is not known yet"),
    },
  },
  pending: {
    title: "What a consumer has pending",
    fields: {
      ...OF_GROUP,
      consumer: text("the consumer"),
      pending: count("entries that it was given and has not acked"),
      minId: id("the first of them"),
      maxId: id("the last of them"),
      maxIdleMs: orNull(
        milliseconds("how long the one that waits longest was not delivered or claimed"),
        "they wait for retries",
      ),
    },
  },
  show: {
    title: "An entry, and where it stands with every group",
    fields: {
      stream: STREAM,
      id: id("the entry's ID"),
      ageMs: orNull(milliseconds(`its age ${BY_CLOCK}`), NO_TIME),
      bytes: count("bytes of its names and values"),
      groups: list(
        "where it stands with each group",
        object({
          group: GROUP,
          state: oneOf(
            "undelivered: still to come; passed: acked, or skipped when the group was set beyond it",
            ["undelivered", "pending", "passed"],
          ),
          consumer: orNull(text("who has it"), "it is not pending"),
          idleMs: orNull(
            milliseconds("since it was delivered or claimed"),
            "it is not pending, or waits for a retry",
          ),
          deliveries: orNull(DELIVERIES, "it is not pending"),
        }),
      ),
      fields: entryFields("its fields"),
    },
  },
  "pending-list": {
    title: "A pending entry",
    fields: {
      ...OF_GROUP,
      id: id("the entry's ID"),
      consumer: text("who has it"),
      idleMs: orNull(milliseconds("since it was delivered or claimed"), "it waits for a retry"),
      deliveries: DELIVERIES,
      missing: yesNo("its data is gone from the stream"),
      ageMs: orNull(milliseconds(`its age ${BY_CLOCK}`), NO_TIME),
      dueInMs: only(
        "with `--claim-idle`",
        orNull(milliseconds("in how long a worker may take it; 0: now"), "not known"),
      ),
      fields: only("with `--payload`", orNull(entryFields("its fields"), "its data is gone")),
    },
  },
  claim: {
    title: "A pending entry that was moved, acked because its data was gone, or would be",
    fields: {
      ...OF_GROUP,
      id: id("the entry's ID"),
      from: text("who had it"),
      to: orNull(text("who has it now"), "it was acked: its data was gone"),
      idleMs: orNull(milliseconds("how long it had been idle"), "it waited for a retry"),
      deliveries: DELIVERIES,
    },
  },
  ack: {
    title: "A pending entry that was acked by hand, or would be",
    fields: {
      ...OF_GROUP,
      id: id("the entry's ID"),
      consumer: text("who had it"),
      idleMs: orNull(milliseconds("how long it had been idle"), "it waited for a retry"),
      deliveries: DELIVERIES,
    },
  },
  release: {
    title: "A pending entry that any worker may take from now on, or would be",
    fields: {
      ...OF_GROUP,
      id: id("the entry's ID"),
      consumer: text("who has it"),
      idleMs: orNull(milliseconds("how long it had been idle"), "it waited for a retry"),
      deliveries: DELIVERIES,
    },
  },
  "dlq-add": {
    title: "A pending entry that was dead-lettered by hand, or would be",
    fields: {
      ...OF_GROUP,
      id: id("the entry's ID"),
      consumer: text("who had it"),
      idleMs: orNull(milliseconds("how long it had been idle"), "it waited for a retry"),
      deliveries: DELIVERIES,
      dlq: text("the dead-letter queue's key"),
    },
  },
  "dedupe-list": {
    title: "A key of --dedupe that has succeeded",
    fields: {
      ...OF_GROUP,
      key: text("the field's value, or sha256- and its hash where it is long or not plain"),
      id: orNull(id("the entry that succeeded"), "the mark does not say"),
      ageMs: orNull(milliseconds(`that entry's age ${BY_CLOCK}`), NO_TIME),
      ttlMs: orNull(milliseconds("for how long it is remembered"), "for ever"),
    },
  },
  "dlq-list": { title: "A dead letter", fields: { ...LETTER, fields: FIELDS } },
  "dlq-list-by": {
    title: "How many dead letters have one reason, group or consumer, or came in one hour",
    fields: {
      key: orNull(byteString("what they have in common"), "the letters do not say"),
      count: count("how many"),
      oldest: orNull(time("when the first of them failed"), "not known"),
      newest: orNull(time("when the last of them failed"), "not known"),
    },
  },
  "dlq-show": {
    title: "Everything that is known of a dead letter",
    fields: {
      ...LETTER,
      exit: orNull(text("the handler's exit code or signal"), "there was none"),
      stderr: orNull(byteString("the end of what the handler said on stderr"), "nothing, or not known"),
      enteredAt: orNull(time("when the entry was added, by its ID"), NO_TIME),
      deadLetteredAt: orNull(time("when the letter was added, by its ID"), NO_TIME),
      inStream: orNull(yesNo("the original is still in its stream"), "not known"),
      doubt: orNull(text("why it may be of another layout than it seems"), "it is not in doubt"),
      fields: FIELDS,
    },
  },
  trim: {
    title: "What came of trimming a stream",
    fields: {
      stream: STREAM,
      removed: count("entries that were removed"),
      length: count("entries that are left"),
      boundId: id("the first ID that is kept"),
      heldBy: orNull(text("the group that still needs what was to go"), "no group"),
      wouldRemove: orNull(count("at most so many would go"), "it was no dry run"),
    },
  },
  ls: {
    title: "A stream",
    fields: {
      stream: STREAM,
      length: count("its entries"),
      groups: count("its groups"),
      firstId: orNull(id("its first entry"), "it has none"),
      lastId: orNull(id("its last entry"), "it has none"),
      memoryBytes: orNull(
        count("what it takes by the server's estimate, in bytes"),
        "the server does not tell",
      ),
    },
  },
  info: {
    title: "A stream in full",
    fields: {
      stream: STREAM,
      length: count("its entries"),
      firstId: orNull(id("its first entry"), "it has none"),
      firstAgeMs: orNull(milliseconds("the age of its first entry"), "it has none, or its ID is no time"),
      lastId: orNull(id("its last entry"), "it has none"),
      lastAgeMs: orNull(milliseconds("the age of its last entry"), "it has none, or its ID is no time"),
      lastGeneratedId: id("the last ID given, also when that entry is gone"),
      memoryBytes: orNull(
        count("what it takes by the server's estimate, in bytes"),
        "the server does not tell",
      ),
      expiresInMs: orNull(milliseconds("until the key expires"), "it does not"),
      entriesAdded: orNull(count("entries that it ever got"), "the server does not tell (before 7.0)"),
      maxDeletedId: orNull(id("the largest ID that was deleted, 0-0 for none"), "the server does not tell"),
      recordedFirstId: orNull(id("the first ID as the server has it on record"), "the server does not tell"),
      radixKeys: count("blocks of entries"),
      radixNodes: count("nodes of the tree above them"),
      entriesPerBlock: orNull(number("how full blocks are on average"), "there are none"),
      consumers: count("consumers of all groups"),
      groups: list("its groups: rows of lag without the stream", object(LAG_OF_STREAM)),
    },
  },
  "group-create": {
    title: "A group that was created, or was there",
    fields: {
      ...OF_GROUP,
      lastDeliveredId: orNull(id("it gets what comes after this ID"), "this user may not look"),
      created: yesNo("false: it was there"),
    },
  },
  "group-set-id": {
    title: "A group's position that was set, or would be",
    fields: {
      ...OF_GROUP,
      from: id("the last ID given before"),
      to: id("the last ID given now"),
      effect: oneOf("what the group never gets, or gets once more", ["skip", "replay", "none"]),
      entries: orNull(count("how many entries lie between"), "only entriesAtLeast is known"),
      entriesAtLeast: orNull(count("at least so many lie between"), "entries is known"),
      pending: count("what the group has pending, which stays"),
    },
  },
  "group-pause": {
    title: "A group that was paused, or goes on",
    fields: { ...OF_GROUP, wasPaused: yesNo("whether it was paused before"), ...PAUSE },
  },
  "group-consumers": {
    title: "A consumer of a group",
    fields: {
      ...OF_GROUP,
      consumer: text("the consumer"),
      pending: count("entries that it was given and has not acked"),
      idleMs: milliseconds("since it last tried to read or claim"),
      inactiveMs: orNull(
        milliseconds("since it last got something"),
        "it never did, or the server does not tell",
      ),
      looksDead: yesNo("it holds entries and was not heard of for long"),
      host: orNull(text("where its worker runs"), NO_WORKER),
      pid: orNull(count("its worker's process"), NO_WORKER),
      version: orNull(text("of streamctl"), NO_WORKER),
      startedAt: orNull(time(`when its worker began, ${BY_CLOCK}`), NO_WORKER),
      running: orNull(count("entries of the stream that its handlers run"), NO_WORKER),
      runningSince: orNull(
        time("since when the first of them does"),
        "none runs, or there is no word of a worker",
      ),
      ratePerSecond: orNull(
        number("entries of the stream that were settled per second, in the last seconds"),
        NO_WORKER,
      ),
      lastError: orNull(
        text("why an entry failed last; cut where it ends with …"),
        "none has, or there is no word of a worker",
      ),
      lastErrorAt: orNull(time("when that was"), "none has, or there is no word of a worker"),
      workers: orNull(
        count("how many workers work by that name at one time: more than 1 is a mistake"),
        "this user may not see it",
      ),
    },
  },
  "group-forget-consumer": {
    title: "A consumer that was removed, or would be",
    fields: {
      ...OF_GROUP,
      consumer: text("the consumer"),
      claimedTo: orNull(text("who got what it had pending"), "it had nothing"),
      moved: count("entries that went there"),
      dropped: count("pending entries whose data was gone; they were acked"),
    },
  },
  doctor: {
    title: "A finding of doctor",
    fields: {
      severity: oneOf("error: entries are lost or stuck, or are about to be", ["error", "warning", "info"]),
      check: someOf("what was looked at, a name that stays the same", [
        "server",
        "persistence",
        "eviction",
        "memory",
        "clients",
        "replication",
        "cluster",
        "rights",
        "expiry",
        "future-id",
        "never-trimmed",
        "dead-letters",
        "schedule-overdue",
        "dead-consumer",
        "empty-consumers",
        "missing-data",
        "redelivered",
        "unread-group",
        "paused-group",
        "shared-consumer",
        "unseen",
      ]),
      stream: orNull(STREAM, "it is about the server"),
      group: orNull(GROUP, "it is about no group"),
      consumer: orNull(text("the consumer"), "it is about no consumer"),
      evidence: text("what was found, for people"),
      fix: orNull(text("what to do about it, for people"), "there is nothing to do"),
    },
  },
  "config-show": {
    title: "A setting and where it comes from",
    fields: {
      setting: text("its name in a file, or a command with its flag"),
      value: anyOf("its value; durations in milliseconds, secrets masked", "string", "number", "boolean"),
      source: text("where it was set"),
    },
  },
  sandbox: {
    title: "The server of a sandbox",
    fields: {
      url: text("where it is"),
      port: count("the port that it listens on"),
      pid: orNull(count("its process"), "it runs in a container"),
      server: text("its executable, or docker: and its image"),
    },
  },
};
