import { InvalidArgumentError, Option } from "commander";
import { type SettingName, SETTINGS } from "./settings.ts";

/** What is listed by `streamctl help connection` alone. */
export const CONNECTION_GROUP = "Connection options:";

/** The flags that say where and how to connect: the same settings that the environment and files have. */
export function connectionOptions(): Option[] {
  return [
    option("url", "-u, --url <url>", "redis://[user:pass@]host:port/db, rediss:// (TLS), unix:///path?db=2"),
    option("host", "-H, --host <host>", "server (default 127.0.0.1)"),
    option("port", "-p, --port <port>", "port (default 6379)"),
    option("db", "-n, --db <number>", "database number"),
    option("user", "--user <name>", "ACL user"),
    option("passwordFile", "--password-file <file>", "file whose first line is the password"),
    option("askpass", "--askpass", "ask for the password on the terminal"),
    option("tls", "--tls", "use TLS"),
    option("cacert", "--cacert <file>", "CA certificates to trust (PEM)"),
    option("cert", "--cert <file>", "client certificate (PEM)"),
    option("key", "--key <file>", "its private key (PEM)"),
    option("sni", "--sni <host>", "host name to ask for and to check in TLS"),
    option("insecure", "--insecure", "do not check the server's certificate"),
    option("cluster", "--cluster", "the server is a Redis Cluster"),
    option("sentinel", "--sentinel <host:port,…>", "ask these Sentinels for the master"),
    option("master", "--master <name>", "the master's name there"),
    option("sentinelUser", "--sentinel-user <name>", "ACL user for the Sentinels themselves"),
    option("sentinelPasswordFile", "--sentinel-password-file <file>", "file with their password"),
    option(
      "connectTimeout",
      "--connect-timeout <duration>",
      "give up connecting after that long (default 5s)",
    ),
    option(
      "commandTimeout",
      "--command-timeout <duration>",
      "a silent server is dead after that long (default 10s)",
    ),
    option(
      "dlqTemplate",
      "--dlq-template <name>",
      "names dead-letter queues; {stream} stands for the stream",
    ),
    new Option("--profile <name>", "use this profile of the configuration"),
    new Option("--config <file>", "read this configuration file instead of the usual ones"),
  ];
}

function option(name: SettingName, flags: string, description: string): Option {
  const result = new Option(flags, description);
  if (!result.required) return result;
  const { parse, form } = SETTINGS[name];
  return result.argParser((text: string) => {
    const value = parse(text);
    if (value === undefined) throw new InvalidArgumentError(`Give ${form}.`);
    return value;
  });
}
