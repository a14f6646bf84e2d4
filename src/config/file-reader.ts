import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Pair, parseDocument } from "yaml";
import { UsageError } from "../errors.ts";
import { parseSwitch, SETTING_NAMES, type SettingName, SETTINGS, type SettingValue } from "./settings.ts";
import { didYouMean } from "./suggest.ts";
import { hasPassword } from "./url.ts";

/** Values of one mapping of a file, each with the line it stands on. */
export interface FileSettings {
  readonly values: ReadonlyMap<SettingName, SettingValue>;
  readonly lines: ReadonlyMap<SettingName, number>;
  /**
   * Per command (`dlq list`), per flag (`claim-idle`): the text the flag's parser gets; a list for several.
   */
  readonly defaults: ReadonlyMap<string, ReadonlyMap<string, FileDefault>>;
}

export interface FileDefault {
  readonly texts: readonly string[];
  readonly line: number;
}

export interface FileProfile extends FileSettings {
  readonly readOnly: boolean;
  readonly protected: boolean;
}

export interface FileContents extends FileSettings {
  readonly path: string;
  /** `./.streamctl.yaml`: whoever wrote it may not be the person who runs streamctl here. */
  readonly project: boolean;
  readonly profiles: ReadonlyMap<string, FileProfile>;
  /** The profile to use when none is named. */
  readonly profile: string | undefined;
}

const TOP_KEYS = [...SETTING_NAMES, "profile", "profiles", "defaults"];
const PROFILE_KEYS = [...SETTING_NAMES, "readOnly", "protected", "defaults"];

/** What a project file may not say: it could hand out the reader's own secrets. */
const NOT_IN_PROJECT = new Set([
  "password",
  "passwordFile",
  "passwordEnv",
  "askpass",
  "sentinelPasswordFile",
]);

/** Reads and checks the text of one file. Fails with a UsageError that names `path` and the line. */
export function readConfig(text: string, path: string, project: boolean): FileContents {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [problem] = document.errors;
  if (problem) {
    // What stands behind a colon is the text at fault, which may be a password.
    const reason = problem.message.split("\n")[0]?.replace(/(: .*)? at line \d+.*$/, "");
    throw new UsageError(`${path}:${lines.linePos(problem.pos[0]).line}: ${reason}`);
  }
  return new FileReader(document, lines, path, project).read();
}

/** Walks the document of one file and refuses, with the line, whatever it does not know. */
class FileReader {
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #path: string;
  readonly #project: boolean;

  constructor(document: Document, lines: LineCounter, path: string, project: boolean) {
    this.#document = document;
    this.#lines = lines;
    this.#path = path;
    this.#project = project;
  }

  read(): FileContents {
    const { contents } = this.#document;
    const pairs = contents === null || this.#isNull(contents) ? [] : this.#pairsOf(contents, "the file");
    const profiles = new Map<string, FileProfile>();
    let profile: string | undefined;
    for (const pair of pairs) {
      const key = this.#known(pair, TOP_KEYS);
      if (key === "profile") profile = this.#text(pair);
      if (key !== "profiles") continue;
      for (const one of this.#pairsOf(pair.value, key)) profiles.set(this.#key(one), this.#profile(one));
    }
    const settings = this.#settings(pairs);
    return { path: this.#path, project: this.#project, profiles, profile, ...settings };
  }

  #profile(pair: Pair): FileProfile {
    const pairs = this.#pairsOf(pair.value, `profile ${this.#key(pair)}`);
    const marks = { readOnly: false, protected: false };
    for (const one of pairs) {
      const key = this.#known(one, PROFILE_KEYS);
      if (key === "readOnly" || key === "protected") marks[key] = this.#switch(one);
    }
    return { ...this.#settings(pairs), ...marks };
  }

  #settings(pairs: readonly Pair[]): FileSettings {
    const values = new Map<SettingName, SettingValue>();
    const lines = new Map<SettingName, number>();
    let defaults: FileSettings["defaults"] = new Map();
    for (const pair of pairs) {
      const key = this.#key(pair);
      if (key === "defaults") defaults = this.#defaults(pair);
      if (!(key in SETTINGS)) continue;
      if (this.#project && NOT_IN_PROJECT.has(key))
        throw this.#error(pair, `${key} may not stand in a project's file`, "put it into your own file");
      const name = key as SettingName;
      const value = SETTINGS[name].parse(this.#list(pair).join(","));
      if (value === undefined) throw this.#error(pair, `${key}: give ${SETTINGS[name].form}`);
      if (this.#project && hasPassword(value))
        throw this.#error(pair, `a password may not stand in a project's file`, "put it into your own file");
      values.set(name, value);
      lines.set(name, this.#line(pair));
    }
    return { values, lines, defaults };
  }

  #defaults(pair: Pair): FileSettings["defaults"] {
    const commands = new Map<string, Map<string, FileDefault>>();
    for (const command of this.#pairsOf(pair.value, "defaults")) {
      const flags = new Map<string, FileDefault>();
      for (const flag of this.#pairsOf(command.value, this.#key(command))) {
        const name = this.#key(flag);
        flags.set(name, { texts: this.#list(flag), line: this.#line(flag) });
      }
      commands.set(this.#key(command), flags);
    }
    return commands;
  }

  #known(pair: Pair, keys: readonly string[]): string {
    const key = this.#key(pair);
    if (keys.includes(key)) return key;
    throw this.#error(pair, `unknown key "${key}"${didYouMean(key, keys)}`);
  }

  #pairsOf(node: unknown, what: string): Pair[] {
    if (isMap(node)) return node.items;
    const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    throw new UsageError(
      `${this.#path}:${this.#lines.linePos(offset).line}: ${what} must be a list of "key: value" lines`,
    );
  }

  #key(pair: Pair): string {
    return String(isScalar(pair.key) ? pair.key.value : pair.key);
  }

  #text(pair: Pair): string {
    const [text, ...more] = this.#list(pair);
    if (text === undefined || more.length > 0) throw this.#error(pair, `${this.#key(pair)}: give one value`);
    return text;
  }

  #switch(pair: Pair): boolean {
    const value = parseSwitch(this.#text(pair));
    if (value === undefined) throw this.#error(pair, `${this.#key(pair)}: give true or false`);
    return value;
  }

  /** The source text of a scalar, so that 007 or 1e3 mean what they would as a flag; a list's items. */
  #list(pair: Pair): string[] {
    const { value } = pair;
    const items: unknown[] = isSeq(value) ? value.items : [value];
    return items.map((item) => {
      if (!isScalar(item) || item.value === null)
        throw this.#error(pair, `${this.#key(pair)}: give a value, or a list of values`);
      return typeof item.value === "string" ? item.value : (item.source ?? "");
    });
  }

  #isNull(node: unknown): boolean {
    return isScalar(node) && node.value === null;
  }

  #line(pair: Pair): number {
    const range = isNode(pair.key) ? pair.key.range : undefined;
    return this.#lines.linePos(range?.[0] ?? 0).line;
  }

  #error(pair: Pair, message: string, hint?: string): UsageError {
    return new UsageError(
      `${this.#path}:${this.#line(pair)}: ${message}`,
      hint === undefined ? {} : { hint },
    );
  }
}
