# Moonpost in a container. docs/install.md says how to build and run it; examples/container has a compose file.

# Everything that is needed to compile stays in this stage.
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package that the product needs has an install script; `node` has one, and this image is Node already.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
# Process 1 is tini: it passes signals on, also those that come before the server listens to any, and reaps what
# `docker exec` leaves behind. Moonpost itself starts no other process.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends tini \
  && rm -rf /var/lib/apt/lists/*
RUN useradd --system --user-group --uid 2525 --home-dir /var/lib/moonpost --create-home moonpost \
  && install -d -o moonpost -g moonpost /var/spool/moonpost /var/log/moonpost /etc/moonpost/policy
WORKDIR /opt/moonpost
COPY package.json README.md CHANGELOG.md LICENSE ./
COPY bin bin
COPY helpers helpers
COPY policy policy
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY examples/container/init.lua /etc/moonpost/policy/init.lua
RUN ln -s /opt/moonpost/bin/moonpost.js /usr/local/bin/moonpost

ENV NODE_ENV=production
USER moonpost
WORKDIR /var/lib/moonpost
VOLUME ["/var/spool/moonpost", "/var/log/moonpost"]
EXPOSE 2525 8000
STOPSIGNAL SIGTERM
# Unhealthy while no mail is taken: a full disk, memory, a drain. The slim image has no curl, and needs none.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["node", "-e", "fetch(new URL('/api/check-liveness/v1', process.env.KUMO_KCLI_ENDPOINT ?? 'http://127.0.0.1:8000'), { signal: AbortSignal.timeout(4000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "moonpost"]
CMD ["--policy", "/etc/moonpost/policy/init.lua"]
