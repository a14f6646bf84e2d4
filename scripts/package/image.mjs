// A Dockerfile that makes an image of the tarball beside it.
import { join } from "node:path";
import { manifest, put } from "./common.mjs";

export function writeDockerfile(tarball, out) {
  put(
    join(out, "Dockerfile"),
    `# docker build -t streamctl:${manifest.version} .
# docker run --rm --read-only --tmpfs /tmp streamctl:${manifest.version} lag -u redis://redis.internal:6379
#
# streamctl hears signals as the first process of a container, too: docker stop lets a worker's handlers finish.
# Handlers that leave processes behind when they end want docker run --init, which reaps them.
FROM node:26-slim AS package
COPY ${tarball} /tmp/
RUN npm install --global --prefix /opt/streamctl --offline --ignore-scripts --no-audit --no-fund /tmp/${tarball}

FROM node:26-slim
LABEL org.opencontainers.image.title="streamctl" \\
      org.opencontainers.image.version="${manifest.version}" \\
      org.opencontainers.image.licenses="${manifest.license}" \\
      org.opencontainers.image.source="${manifest.homepage.replace("#readme", "")}"
COPY --from=package /opt/streamctl /opt/streamctl
ENV PATH=/opt/streamctl/bin:$PATH
# The user "node" by number, so that runAsNonRoot can be checked. Nothing is written but temporary files in /tmp.
USER 1000:1000
WORKDIR /tmp
STOPSIGNAL SIGTERM
ENTRYPOINT ["streamctl"]
CMD ["--help"]
`,
  );
}
