// The provider protocol over gRPC, as far as resources without Read-time discovery need it. One Node.js process is an
// offline stand-in for a provider plugin. The program never imports it.
// `main` of @pulumi/pulumi/provider cannot be used: it hides whether a call is a preview, the old inputs, the timeout,
// the secrets a provider may accept and the engine's log.
// Not supported: Construct, Call, Invoke, import by id, provider configuration (accepted, but ignored).
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";
import { type Change, type Properties, differences } from "./properties";

/** The context of one create, update or delete. `name` is the resource's name, not its URN. */
export interface Operation {
  name: string;
  preview: boolean;
  /** Aborted by the engine's Cancel, by a cancelled call, and at the resource's custom timeout. */
  signal: AbortSignal;
  /** Writes a line to the engine's log. As in the real providers, `status` shows only in the progress display. */
  log: (severity: "status" | "warning", line: string) => Promise<void>;
}

/** One resource type. Inputs and state keep their secret and unknown marks (properties.ts). */
export interface ResourceType {
  /** Reasons to refuse the inputs, by property. Empty when they are valid. */
  check(inputs: Properties): { property: string; reason: string }[];
  diff(state: Properties, oldInputs: Properties, inputs: Properties): Change[];
  create(inputs: Properties, operation: Operation): Promise<{ id: string; state: Properties }>;
  update(state: Properties, inputs: Properties, operation: Operation): Promise<Properties>;
  delete(state: Properties, operation: Operation): Promise<void>;
  read(state: Properties): Properties;
}

export interface Provider {
  name: string;
  /** Version of the real provider. */
  version: string;
  types: Record<string, ResourceType>;
}

// The same limit as in the SDK's servers, because a message may contain a whole rendered chart.
const CHANNEL = { "grpc.max_receive_message_length": 400 * 1024 * 1024 };
const KINDS = {
  add: pb.PropertyDiff.Kind.ADD,
  delete: pb.PropertyDiff.Kind.DELETE,
  update: pb.PropertyDiff.Kind.UPDATE,
};

const properties = (values: Struct | undefined): Properties => values?.toJavaScript() ?? {};
const struct = (values: Properties) => Struct.fromJavaScript(values);

/** The dotted and bracketed form of a property path: `environment.PATH`, `triggers[0]`, `labels["a.b"]`. */
const pathText = (path: Change["path"]) =>
  path
    .map((part) => {
      if (typeof part === "number") return `[${part}]`;
      return /^[\w-]+$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
    })
    .join("")
    .replace(/^\./, "");

function diffResponse(changes: Change[]): pb.DiffResponse {
  const response = new pb.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = pb.DiffResponse.DiffChanges;
  response.setChanges(changes.length > 0 ? DIFF_SOME : DIFF_NONE);
  response.setHasdetaileddiff(true);
  const roots = (some: Change[]) => [...new Set(some.map((change) => String(change.path[0])))];
  response.setDiffsList(roots(changes));
  response.setReplacesList(roots(changes.filter((change) => change.replace)));
  for (const change of changes) {
    // In the protocol, the number after each kind is its replacement variant.
    const kind = (KINDS[change.kind] + (change.replace ? 1 : 0)) as pb.PropertyDiff.Kind;
    response.getDetaileddiffMap().set(pathText(change.path), new pb.PropertyDiff().setKind(kind));
  }
  return response;
}

/** Node.js 20 can garbage-collect an AbortSignal.timeout inside AbortSignal.any, and it then never fires. */
function after(seconds: number): AbortSignal {
  const over = new AbortController();
  setTimeout(() => over.abort(), seconds * 1000).unref();
  return over.signal;
}

/** Wraps a handler that may throw. Its signal is aborted when the call is cancelled. */
const unary =
  <Request, Response>(
    handle: (request: Request, signal: AbortSignal) => Response | Promise<Response>,
  ): grpc.handleUnaryCall<Request, Response> =>
  (call, callback) => {
    const cancelled = new AbortController();
    call.on("cancelled", () => cancelled.abort());
    void (async () => handle(call.request, cancelled.signal))().then(
      (response) => callback(null, response),
      (error: unknown) =>
        callback({ code: grpc.status.UNKNOWN, details: error instanceof Error ? error.message : String(error) }),
    );
  };

/** The gRPC methods of a provider. `engine` is the address of the engine's log, absent when run without an engine. */
export function methods(provider: Provider, engine?: string): grpc.UntypedServiceImplementation {
  const client = engine ? new EngineClient(engine, grpc.credentials.createInsecure(), CHANNEL) : undefined;
  const cancel = new AbortController();

  const typeOf = (urn: string): ResourceType => {
    const token = urn.split("::")[2]?.split("$").pop() ?? "";
    const type = provider.types[token];
    if (type) return type;
    throw new Error(
      `${token} is not served by this stand-in for the ${provider.name} provider; it serves ` +
        `${Object.keys(provider.types).join(", ")}. Use the real plugin: pulumi plugin install resource ${provider.name}`,
    );
  };
  const log = (urn: string): Operation["log"] => {
    return (severity, line) =>
      new Promise((resolve) => {
        if (!client) return resolve();
        const request = new LogRequest()
          .setUrn(urn)
          .setMessage(line)
          .setEphemeral(severity === "status");
        request.setSeverity(severity === "warning" ? LogSeverity.WARNING : LogSeverity.INFO);
        // A log line that the engine refuses must not fail the resource. The engine shows a plugin's stderr instead.
        client.log(request, (error) => {
          if (error) console.error(line);
          resolve();
        });
      });
  };
  const operation = (urn: string, timeout: number, preview: boolean, signal: AbortSignal): Operation => ({
    name: urn.split("::").slice(3).join("::"),
    preview,
    signal: AbortSignal.any([signal, cancel.signal, ...(timeout > 0 ? [after(timeout)] : [])]),
    log: log(urn),
  });

  return {
    getPluginInfo: unary<Empty, PluginInfo>(() => new PluginInfo().setVersion(provider.version)),
    cancel: unary<Empty, Empty>(() => {
      cancel.abort();
      return new Empty();
    }),
    checkConfig: unary<pb.CheckRequest, pb.CheckResponse>((request) =>
      new pb.CheckResponse().setInputs(request.getNews()),
    ),
    diffConfig: unary<pb.DiffRequest, pb.DiffResponse>((request) =>
      diffResponse(differences(properties(request.getOldInputs()), properties(request.getNews()), () => false)),
    ),
    configure: unary<pb.ConfigureRequest, pb.ConfigureResponse>(() =>
      new pb.ConfigureResponse().setAcceptsecrets(true).setAcceptresources(true).setSupportspreview(true),
    ),
    check: unary<pb.CheckRequest, pb.CheckResponse>((request) => {
      const failures = typeOf(request.getUrn()).check(properties(request.getNews()));
      return new pb.CheckResponse()
        .setInputs(request.getNews())
        .setFailuresList(failures.map((it) => new pb.CheckFailure().setProperty(it.property).setReason(it.reason)));
    }),
    diff: unary<pb.DiffRequest, pb.DiffResponse>((request) => {
      const [state, olds, news] = [request.getOlds(), request.getOldInputs(), request.getNews()].map(properties);
      return diffResponse(typeOf(request.getUrn()).diff(state ?? {}, olds ?? {}, news ?? {}));
    }),
    create: unary<pb.CreateRequest, pb.CreateResponse>(async (request, signal) => {
      const context = operation(request.getUrn(), request.getTimeout(), request.getPreview(), signal);
      const created = await typeOf(request.getUrn()).create(properties(request.getProperties()), context);
      return new pb.CreateResponse().setId(created.id).setProperties(struct(created.state));
    }),
    update: unary<pb.UpdateRequest, pb.UpdateResponse>(async (request, signal) => {
      const context = operation(request.getUrn(), request.getTimeout(), request.getPreview(), signal);
      const type = typeOf(request.getUrn());
      const state = await type.update(properties(request.getOlds()), properties(request.getNews()), context);
      return new pb.UpdateResponse().setProperties(struct(state));
    }),
    delete: unary<pb.DeleteRequest, Empty>(async (request, signal) => {
      const context = operation(request.getUrn(), request.getTimeout(), false, signal);
      await typeOf(request.getUrn()).delete(properties(request.getProperties()), context);
      return new Empty();
    }),
    read: unary<pb.ReadRequest, pb.ReadResponse>((request) =>
      new pb.ReadResponse()
        .setId(request.getId())
        .setProperties(struct(typeOf(request.getUrn()).read(properties(request.getProperties()))))
        .setInputs(request.getInputs()),
    ),
  };
}

/** Serves the provider to the engine that started this process. The engine reads the port from the first line. */
export async function serve(provider: Provider): Promise<void> {
  const server = new grpc.Server(CHANNEL);
  server.addService(ResourceProviderService, methods(provider, process.argv[2]));
  const credentials = grpc.ServerCredentials.createInsecure();
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  console.log(String(port));
  // A killed engine cannot end its plugins, so they watch for its end. Real plugins ask the engine for its health.
  const engine = process.ppid;
  setInterval(() => process.ppid !== engine && process.exit(0), 5_000).unref();
}
