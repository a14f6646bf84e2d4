import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A throw-away certificate authority with a server's certificate (127.0.0.1, localhost) and a client's. */
export interface TestCertificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  /** The server's, over since yesterday; undefined where openssl does not make one. */
  readonly expiredCert: string | undefined;
  readonly clientCert: string;
  readonly clientKey: string;
  remove(): Promise<void>;
}

/** Makes them with the openssl command; about a tenth of a second. */
export async function makeCertificates(): Promise<TestCertificates> {
  const folder = await mkdtemp(join(tmpdir(), "streamctl-tls-"));
  const at = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): Promise<unknown> => run("openssl", args, { cwd: folder });
  let expired = false;
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  try {
    await openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test CA");
    await writeFile(at("names.cnf"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
    for (const name of ["server", "client"]) {
      await openssl(
        "req",
        ...newKey,
        "-keyout",
        `${name}.key`,
        "-out",
        `${name}.csr`,
        "-subj",
        `/CN=${name}`,
      );
      const issuer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
      const files = ["-in", `${name}.csr`, "-out", `${name}.crt`, "-extfile", "names.cnf"];
      await openssl("x509", "-req", ...issuer, ...files);
    }
    const issuer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "-1"];
    const files = ["-in", "server.csr", "-out", "expired.crt", "-extfile", "names.cnf"];
    expired = await openssl("x509", "-req", ...issuer, ...files).then(
      () => true,
      () => false,
    );
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    ca: at("ca.crt"),
    serverCert: at("server.crt"),
    serverKey: at("server.key"),
    expiredCert: expired ? at("expired.crt") : undefined,
    clientCert: at("client.crt"),
    clientKey: at("client.key"),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
