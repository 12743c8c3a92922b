import type { ExportedService, MeshStatus, Mirror } from "../../status/model";
import { parts } from "../rows";

/** The selected part of the picture in words, with commands to copy. */
export function Details({ status, selected }: { status: MeshStatus; selected?: string }) {
  const { clusters, links, services } = status;
  if (selected === undefined) return <p>Select a cluster, a link, a service or a pod.</p>;
  const cluster = clusters.find(({ name }) => parts.cluster(name) === selected);
  if (cluster) {
    const { name, context, domain, gateway, down, isSimulated, linkerd, requests, certificates } = cluster;
    return (
      <>
        <h2>Cluster {name}</h2>
        {down !== undefined && <p class="bad">It does not answer: {down}</p>}
        <Facts
          of={{
            context: <code>{context}</code>,
            domain,
            gateway,
            Linkerd: linkerd ?? "unknown",
            requests: isSimulated ? "simulated" : (requests ?? "unknown"),
            ...Object.fromEntries(
              certificates.map(({ what, expires, days }) => [what, `${days} days left, until ${expires.slice(0, 10)}`]),
            ),
          }}
        />
      </>
    );
  }
  const link = links.find((one) => parts.link(one) === selected);
  if (link) {
    const { source, target, state, why, latency, mirrors } = link;
    return (
      <>
        <h2>
          Link {source} to {target}
        </h2>
        <p class={state === "alive" ? "good" : state === "simulated" ? "" : "bad"}>
          {state}
          {why && `: ${why}`}
        </p>
        <Facts
          of={{
            "last probe": latency === undefined ? "none" : `${latency} ms`,
            [`mirrors in ${source}`]: mirrors ?? "unknown",
          }}
        />
      </>
    );
  }
  for (const service of services) {
    if (parts.service(service) === selected) return <Service service={service} />;
    const pod = service.pods.find(({ name }) => parts.pod(service, name) === selected);
    if (pod) return <Pod service={service} pod={pod} />;
  }
  return <p>It is gone.</p>;
}

function Facts({ of }: { of: Record<string, preact.ComponentChildren> }) {
  return (
    <dl>
      {Object.entries(of).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Service({ service }: { service: ExportedService }) {
  const { cluster, namespace, name, mode, ports, mirrors } = service;
  return (
    <>
      <h2>
        Service {namespace}/{name}
      </h2>
      <Facts of={{ "exported by": cluster, mode, ports: ports.join(", ") || "none" }} />
      <Mirrors mirrors={mirrors.filter(({ pod }) => pod === undefined)} />
    </>
  );
}

function Pod({ service, pod }: { service: ExportedService; pod: { name: string; isReady: boolean } }) {
  return (
    <>
      <h2>Pod {pod.name}</h2>
      <Facts
        of={{ of: `${service.cluster}, ${service.namespace}/${service.name}`, ready: pod.isReady ? "yes" : "no" }}
      />
      <Mirrors mirrors={service.mirrors.filter((mirror) => mirror.pod === pod.name)} />
    </>
  );
}

function Mirrors({ mirrors }: { mirrors: Mirror[] }) {
  if (mirrors.length === 0) return <p>No link leads here.</p>;
  return (
    <>
      {mirrors.map(({ source, name, state, why, host, curl }) => (
        <div key={`${source} ${name}`} class="mirror">
          <h3>
            In {source}: {name}
          </h3>
          {state === "exists" ? (
            <>
              <p>
                Call <code>{host}</code>
              </p>
              {curl && <pre tabindex={0}>{curl}</pre>}
            </>
          ) : (
            <p class={state === "missing" ? "bad" : ""}>
              {state}: {why}
            </p>
          )}
        </div>
      ))}
    </>
  );
}
