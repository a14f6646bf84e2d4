import { resolve } from "node:path";
import { errorText, UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import { readSmallFile, type SmallFile } from "../lib/small-file.ts";
import { type ConnectionSettings, describeTarget, type TlsSettings } from "../redis/settings.ts";

/** Where passwords and certificates are; they are read only when a connection is made. */
export interface Secrets {
  /** Where the password comes from, in words. */
  readonly passwordFrom: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  /** The name of an environment variable. */
  readonly passwordEnv: string | undefined;
  readonly ask: boolean;
  readonly sentinelPasswordFile: string | undefined;
  readonly cacert: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/**
 * The settings with passwords and certificates read from their files, the environment or the terminal.
 * Relative paths are relative to the working directory. `warn` hears of files that others can read. A signal
 * ends the wait for a password that comes through a pipe, and the question for one.
 */
export async function loadSecrets(
  connection: ConnectionSettings,
  secrets: Secrets,
  io: Io,
  warn: (message: string) => void,
  signal: AbortSignal = new AbortController().signal,
): Promise<ConnectionSettings> {
  const read: PasswordReader = async (flag, file) => {
    const path = resolve(io.cwd, file);
    const { text, worldReadable } = await readText(flag, path, signal);
    const password = text.split(/\r?\n/, 1)[0] ?? "";
    if (password === "") throw new UsageError(`${flag}: the first line of ${path} is empty`);
    if (worldReadable) warn(`${path} holds a password and everyone may read it: chmod 600 it`);
    return password;
  };
  const password = await findPassword(connection, secrets, io, read, signal);
  const { sentinelPasswordFile } = secrets;
  const sentinelPassword =
    sentinelPasswordFile === undefined
      ? undefined
      : await read("--sentinel-password-file", sentinelPasswordFile);
  return {
    ...connection,
    password,
    passwordFrom: password === undefined ? undefined : secrets.passwordFrom,
    sentinelPassword,
    tls: await withCertificates(connection.tls, secrets, io),
  };
}

/** The first line of the file that a flag names. */
type PasswordReader = (flag: string, file: string) => Promise<string>;

async function findPassword(
  connection: ConnectionSettings,
  secrets: Secrets,
  io: Io,
  read: PasswordReader,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (secrets.ask) {
    const { askForText } = await import("../output/prompt.ts");
    const user = connection.username ?? "default";
    const question = `Password of ${user} at ${describeTarget(connection)}`;
    return askForText(io, question, { hidden: true, signal });
  }
  if (secrets.passwordFile !== undefined) return read("--password-file", secrets.passwordFile);
  if (secrets.passwordEnv !== undefined) {
    const password = io.env[secrets.passwordEnv];
    if (!password) throw new UsageError(`${variableOf(secrets)} is not set: the password is to come from it`);
    return password;
  }
  return secrets.password;
}

/** What does not look like a variable's name may be the password itself, put into the wrong place. */
function variableOf({ passwordEnv = "", passwordFrom }: Secrets): string {
  return /^[A-Z_][A-Z0-9_]*$/.test(passwordEnv) ? passwordEnv : `the variable that ${passwordFrom} names`;
}

/** What --cacert names, for servers that are not Redis (PEM). */
export function postAuthority(
  { secrets }: { readonly secrets: Secrets },
  io: Io,
): Promise<string | undefined> {
  return readPem("--cacert", secrets.cacert, io);
}

async function readPem(flag: string, file: string | undefined, io: Io): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const { text: pem } = await readText(flag, resolve(io.cwd, file));
  if (!pem.includes("-----BEGIN")) throw new UsageError(`${flag}: ${file} is not a PEM file`);
  return pem;
}

async function withCertificates(
  tls: TlsSettings | undefined,
  { cacert, cert, key }: Secrets,
  io: Io,
): Promise<TlsSettings | undefined> {
  if (!tls) return undefined;
  return {
    ...tls,
    ca: await readPem("--cacert", cacert, io),
    cert: await readPem("--cert", cert, io),
    key: await readPem("--key", key, io),
  };
}

async function readText(flag: string, path: string, signal?: AbortSignal): Promise<SmallFile> {
  try {
    return await readSmallFile(path, signal);
  } catch (error) {
    throw new UsageError(`${flag}: can't read ${path}: ${errorText(error).replace(/, .*/, "")}`, {
      cause: error,
    });
  }
}
