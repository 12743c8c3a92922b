import { portOf, type Upstream } from "./upstreams";

/** Where the container keeps everything. A volume. */
export const contents = "/var/lib/registry";

/** Further certificates that the cache trusts. Clearing the cache keeps them. */
export const certificates = `${contents}/certificates`;

/** A credential helper that knows no credentials. */
const anonymous = "/tmp/anonymous";

/** Configuration of distribution's registry for one upstream. https://distribution.github.io/distribution/about/configuration */
export function registryConfiguration({ url, hosts: [name] }: Upstream, port: number) {
  return {
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: `${contents}/${name}` } },
    http: { addr: `:${port}` },
    proxy: {
      remoteurl: url,
      // Never expires: `npm run cache -- clear` empties the cache.
      ttl: "0s",
      // Without a helper the registry asks the upstream for its token server when it starts, and ends when there is no
      // answer. So it would not serve its content offline (registry/proxy/proxyauth.go).
      exec: { command: anonymous },
    },
  };
}

/**
 * The shell script that the container runs: one registry per upstream, because a registry has one upstream only. A registry
 * that ends is started again after five seconds.
 */
export function serverScript(upstreams: Upstream[]): string {
  const serve = upstreams.map((upstream, place) => {
    const configuration = JSON.stringify(registryConfiguration(upstream, portOf(place)));
    return `serve ${upstream.hosts[0]} '${configuration}' &`;
  });
  return [
    // The first process of a container ignores signals that it does not handle.
    "trap 'exit 0' TERM",
    `printf '#!/bin/sh\\necho {}\\n' > ${anonymous} && chmod +x ${anonymous}`,
    'serve() { echo "$2" > "/tmp/$1.yml"; while :; do registry serve "/tmp/$1.yml"; sleep 5; done; }',
    ...serve,
    "wait",
  ].join("\n");
}
