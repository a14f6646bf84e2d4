// The formula for Homebrew, of the tarball as a release has it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { manifest, put } from "./common.mjs";

export function writeFormula(tarball, out) {
  const home = manifest.homepage.replace("#readme", "");
  const sum = createHash("sha256")
    .update(readFileSync(join(out, tarball)))
    .digest("hex");
  put(
    join(out, "streamctl.rb"),
    `class Streamctl < Formula
  desc "Command-line tool for Redis Streams"
  homepage "${home}"
  url "${home}/releases/download/v${manifest.version}/${tarball}"
  sha256 "${sum}"
  license "${manifest.license}"

  depends_on "node"

  def install
    system "npm", "install", *std_npm_args
    bin.install_symlink libexec.glob("bin/*")
    man1.install Dir["man/*.1"]
    man7.install Dir["man/*.7"]
    bash_completion.install "completions/streamctl.bash" => "streamctl"
    zsh_completion.install "completions/_streamctl"
    fish_completion.install "completions/streamctl.fish"
  end

  test do
    assert_equal version.to_s, shell_output("#{bin}/streamctl --version").strip
    assert_match "could not connect", shell_output("#{bin}/streamctl lag -u redis://127.0.0.1:1 2>&1", 3)
  end
end
`,
  );
}
