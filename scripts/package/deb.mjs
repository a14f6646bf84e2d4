// The package for Debian and what comes from it: the program for any architecture, with the distribution's Node.
import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { run } from "../lib/cache.mjs";
import { epoch, manifest, put, replaceOne, root } from "./common.mjs";

/**
 * @param {string} tarball what npm packed
 * @param {string} out the folder that the package is put into
 */
export function buildDeb(tarball, out) {
  const work = mkdtempSync(join(tmpdir(), "streamctl-deb-"));
  try {
    run("tar", ["-xzf", tarball, "-C", work]);
    const tree = join(work, "tree");
    fill(tree, join(work, "package"));
    describe(tree);
    normalize(tree);
    const file = join(out, `streamctl_${manifest.version}_all.deb`);
    // xz, the default, has bytes that depend on how many processors there are.
    run("dpkg-deb", ["--root-owner-group", "-Zgzip", "-z9", "--build", tree, file], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
    });
  } finally {
    rmSync(work, { recursive: true });
  }
}

function fill(tree, unpacked) {
  const read = (path) => readFileSync(join(unpacked, path));
  const files = (path) =>
    readdirSync(join(unpacked, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(unpacked.length + 1));
  const library = `${tree}/usr/lib/streamctl`;
  for (const file of ["package.json", ...files("bin"), ...files("dist")])
    if (file !== "dist/LICENSES")
      put(`${library}/${file}`, read(file), file === "bin/streamctl.js" ? 0o755 : 0o644);
  mkdirSync(`${tree}/usr/bin`);
  symlinkSync("../lib/streamctl/bin/streamctl.js", `${tree}/usr/bin/streamctl`);
  for (const file of files("man")) {
    const name = file.slice("man/".length);
    put(`${tree}/usr/share/man/man${name.at(-1)}/${name}.gz`, gzipSync(read(file), { level: 9 }));
  }
  const share = `${tree}/usr/share`;
  put(`${share}/bash-completion/completions/streamctl`, read("completions/streamctl.bash"));
  put(`${share}/zsh/vendor-completions/_streamctl`, read("completions/_streamctl"));
  put(`${share}/fish/vendor_completions.d/streamctl.fish`, read("completions/streamctl.fish"));
  put(`${tree}/usr/lib/systemd/system/streamctl-worker@.service`, unit());
  const doc = `${share}/doc/streamctl`;
  put(`${doc}/copyright`, Buffer.concat([read("LICENSE"), Buffer.from("\n"), read("dist/LICENSES")]));
  put(`${doc}/changelog.gz`, gzipSync(read("CHANGELOG.md"), { level: 9 }));
  put(`${doc}/README.md`, read("README.md"));
  // npm's tarball leaves them out: there, the links of the README lead to the repository.
  for (const folder of ["docs", "examples"])
    for (const entry of readdirSync(`${root}${folder}`, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) {
        const path = join(entry.parentPath, entry.name);
        put(join(doc, path.slice(root.length)), readFileSync(path));
      }
}

/** The example, as a worker of any group: what it does is said in /etc/streamctl/INSTANCE.env. */
function unit() {
  const example = readFileSync(`${root}examples/systemd/streamctl-worker@.service`, "utf8");
  const start = /^ExecStart=(?:.*\\\n)*.*$/m.exec(example)?.[0] ?? "";
  let text = replaceOne(
    example,
    start,
    "ExecStart=/usr/bin/streamctl consume $STREAMS --create-group --log json --exec ${HANDLER}",
  );
  text = replaceOne(text, /^# A worker per instance.*\n/m, UNIT_HEAD);
  text = replaceOne(text, "streamctl worker %i: bill orders", "streamctl worker %i");
  text = replaceOne(text, "User=billing", "DynamicUser=yes");
  text = replaceOne(text, /^# STREAMCTL_URL=.*\n/m, "");
  return replaceOne(text, "/etc/streamctl/worker.env", "/etc/streamctl/%i.env");
}

const UNIT_HEAD = `# A worker per instance: systemctl enable --now streamctl-worker@billing reads /etc/streamctl/billing.env, readable by root
# alone (mode 0600). Every flag has its variable:
#
#   STREAMCTL_URL=redis://worker:password@redis.internal:6379
#   STREAMCTL_GROUP=billing
#   STREAMCTL_JOBS=4
#   STREAMS=orders
#   HANDLER=/usr/local/bin/bill-order
#
# systemctl edit streamctl-worker@billing changes the rest, such as User= or TimeoutStopSec=.
`;

function describe(tree) {
  const files = readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  const sums = files.map((file) => {
    const sum = createHash("md5").update(readFileSync(file)).digest("hex");
    return `${sum}  ${file.slice(tree.length + 1)}\n`;
  });
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  put(`${tree}/DEBIAN/md5sums`, sums.join(""));
  put(
    `${tree}/DEBIAN/control`,
    `Package: streamctl
Version: ${manifest.version}
Architecture: all
Maintainer: ${manifest.author} <${MAINTAINER}>
Installed-Size: ${Math.ceil(bytes / 1024)}
Depends: nodejs (>= ${manifest.engines.node.replace(/^>=(\d+\.\d+)\.0$/, "$1")})
Suggests: redis-server | valkey-server
Section: utils
Priority: optional
Homepage: ${manifest.homepage.replace("#readme", "")}
Description: command-line tool for Redis Streams
 Puts entries into streams, takes them out, runs a command for each of them, and
 shows and repairs what went wrong. One program, no server of its own: all state
 lives in Redis (or Valkey).
`,
  );
}

/** dpkg wants an address, and the project has none but this. */
const MAINTAINER = "streamctl@users.noreply.github.com";

/** Folders have no time and no mode of this machine. */
function normalize(tree) {
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    lutimesSync(path, epoch, epoch);
  }
  chmodSync(tree, 0o755);
  lutimesSync(tree, epoch, epoch);
}
