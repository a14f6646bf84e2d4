import type { Context } from "../context.ts";
import {
  findStreams,
  noneFound,
  queuesHint,
  type StreamsFound,
  type StreamsWanted,
} from "../engine/find-streams.ts";
import type { Roster } from "../engine/roster.ts";
import { type StreamKey, streamKey } from "../entry/names.ts";
import type { Connection } from "../redis/connection.ts";
import { isPattern } from "../redis/ops/scan.ts";
import { formatCount } from "../units.ts";

/** So many names of what is left out are told. */
const TOLD = 5;

/** The streams of STREAM arguments. */
export interface ChosenStreams {
  readonly streams: readonly StreamKey[];
  /** Those that were named and not matched: they must be there, any other one may vanish meanwhile. */
  readonly named: ReadonlySet<StreamKey>;
}

/**
 * What a command's STREAM arguments mean, now and each time it is asked again. Says what patterns leave out: dead-letter
 * queues once, where patterns were typed; names that are no UTF-8 each once.
 */
export class StreamArguments {
  readonly named: ReadonlySet<StreamKey>;
  readonly hasPatterns: boolean;
  readonly #context: Context;
  readonly #connection: Connection;
  readonly #wanted: StreamsWanted;
  readonly #typed: boolean;
  readonly #told = new Set<string>();
  #first = true;

  /** Without names: every stream. `except`: see StreamsWanted. */
  constructor(
    context: Context,
    connection: Connection,
    names: readonly string[],
    { except }: { readonly except?: ReadonlySet<string> } = {},
  ) {
    this.#context = context;
    this.#connection = connection;
    this.#typed = names.length > 0;
    this.#wanted = {
      names: this.#typed ? names : ["*"],
      dlqTemplate: context.config.dlqTemplate,
      except,
    };
    this.named = new Set(names.filter((name) => !isPattern(name)).map(streamKey));
    this.hasPatterns = this.#wanted.names.some(isPattern);
  }

  /** The streams there are; none is no error. */
  async find(): Promise<readonly StreamKey[]> {
    const found = await this.#look();
    this.#tell(found);
    return found.streams;
  }

  /** The same for arguments that must match something: none is exit 4, unless nothing was named at all. */
  async findSome(): Promise<readonly StreamKey[]> {
    const found = await this.#look();
    if (found.streams.length === 0 && this.#typed) throw noneFound(this.#wanted, found);
    this.#tell(found);
    return found.streams;
  }

  /** The streams of a long run. `waits`: patterns may match nothing at first; otherwise that is exit 4. */
  async roster(waits: boolean): Promise<Roster> {
    const { log } = this.#context;
    const [first, { Roster }] = await Promise.all([
      waits ? this.find() : this.findSome(),
      import("../engine/roster.ts"),
    ]);
    if (first.length === 0) log.info(`no stream matches ${this.#patterns} yet: waiting for one`);
    const roster = new Roster({
      connection: this.#connection,
      first,
      named: this.named,
      find: this.hasPatterns ? () => this.find() : undefined,
      notice: (level, message) => log[level](message),
    });
    this.#context.defer(() => roster.stop());
    return roster;
  }

  get #patterns(): string {
    return this.#wanted.names.filter(isPattern).join(", ");
  }

  async #look(): Promise<StreamsFound> {
    const [found, oneNode] = await Promise.all([
      findStreams(this.#connection, this.#wanted),
      // In one round trip with the first SCAN; who may not ask goes without.
      this.#first && this.hasPatterns && this.#connection.isOneNode().catch(() => false),
    ]);
    if (oneNode)
      this.#context.log.warn(
        "this server is one node of a cluster: what the others hold is not seen (add --cluster)",
      );
    return found;
  }

  #tell({ queues, excepted, unreadable }: StreamsFound): void {
    const { log } = this.#context;
    const { dlqTemplate } = this.#wanted;
    const of = `left out of ${this.#patterns}:`;
    if (this.#first && this.#typed && queues.length > 0)
      log.info(`${of} ${formatCount(queues.length, "dead-letter queue")}; ${queuesHint(dlqTemplate)}`);
    if (this.#first && excepted.length > 0)
      log.info(`${of} ${excepted.join(", ")}, where this run writes to`);
    this.#first = false;
    // A server full of such names is told of once; the set stays small.
    const news = unreadable.filter((name) => !this.#told.has(name)).slice(0, TOLD);
    if (news.length === 0 || this.#told.size >= TOLD * TOLD) return;
    for (const name of news) this.#told.add(name);
    const more = unreadable.length > news.length ? ", …" : "";
    log.warn(
      `${of} ${formatCount(unreadable.length, "stream")} with a name that is no UTF-8: ${news.join(", ")}${more}`,
    );
  }
}

/** What the arguments mean at this moment; see StreamArguments.findSome. */
export async function chooseStreams(
  context: Context,
  connection: Connection,
  names: readonly string[],
): Promise<ChosenStreams> {
  const args = new StreamArguments(context, connection, names);
  return { streams: await args.findSome(), named: args.named };
}
