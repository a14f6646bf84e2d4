import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { errorText, UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import type { ConnectionSettings, TlsSettings } from "../redis/settings.ts";

/** Where passwords and certificates are; they are read only when a connection is made. */
export interface Secrets {
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
 * Relative paths are relative to the working directory. `warn` hears of files that others can read.
 */
export async function loadSecrets(
  connection: ConnectionSettings,
  secrets: Secrets,
  io: Io,
  warn: (message: string) => void,
): Promise<ConnectionSettings> {
  const password = await findPassword(secrets, io, warn);
  const sentinelPassword =
    secrets.sentinelPasswordFile === undefined
      ? undefined
      : await readPassword("--sentinel-password-file", secrets.sentinelPasswordFile, io, warn);
  return {
    ...connection,
    password,
    sentinelPassword,
    tls: await withCertificates(connection.tls, secrets, io),
  };
}

async function findPassword(
  secrets: Secrets,
  io: Io,
  warn: (message: string) => void,
): Promise<string | undefined> {
  if (secrets.ask) {
    const { askForText } = await import("../output/prompt.ts");
    return askForText(io, "Password", { hidden: true });
  }
  if (secrets.passwordFile !== undefined)
    return readPassword("--password-file", secrets.passwordFile, io, warn);
  if (secrets.passwordEnv !== undefined) {
    const password = io.env[secrets.passwordEnv];
    if (!password)
      throw new UsageError(
        `the password is to come from ${secrets.passwordEnv}, and that variable is not set`,
      );
    return password;
  }
  return secrets.password;
}

/** The file's first line. */
async function readPassword(
  flag: string,
  file: string,
  io: Io,
  warn: (message: string) => void,
): Promise<string> {
  const path = resolve(io.cwd, file);
  const text = await readText(flag, path);
  const password = text.split(/\r?\n/, 1)[0] ?? "";
  if (password === "") throw new UsageError(`${flag}: the first line of ${path} is empty`);
  const mode = await stat(path).then((found) => (found.isFile() ? found.mode : 0));
  if ((mode & 0o004) !== 0) warn(`${path} holds a password and everyone may read it: chmod 600 it`);
  return password;
}

async function withCertificates(
  tls: TlsSettings | undefined,
  { cacert, cert, key }: Secrets,
  io: Io,
): Promise<TlsSettings | undefined> {
  if (!tls) return undefined;
  const read = async (flag: string, file: string | undefined): Promise<string | undefined> => {
    if (file === undefined) return undefined;
    const pem = await readText(flag, resolve(io.cwd, file));
    if (!pem.includes("-----BEGIN")) throw new UsageError(`${flag}: ${file} is not a PEM file`);
    return pem;
  };
  return {
    ...tls,
    ca: await read("--cacert", cacert),
    cert: await read("--cert", cert),
    key: await read("--key", key),
  };
}

async function readText(flag: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`${flag}: can't read ${path}: ${errorText(error).replace(/, .*/, "")}`, {
      cause: error,
    });
  }
}
