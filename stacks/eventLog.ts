import * as fs from "node:fs";
import * as path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { EventsService } from "@pulumi/pulumi/proto/events_grpc_pb";
import type { EventRequest } from "@pulumi/pulumi/proto/events_pb";
import { stateDirectory } from "../lib/paths";

const directory = path.join(stateDirectory, "events");

/** One operation on one resource. */
export interface StepMetadata {
  /** Example: `create`, `same`, `update`, `create-replacement` */
  op: string;
  urn: string;
  /** `<urn>::<id>` of the provider. */
  provider?: string;
  /** Secrets in the inputs are masked. */
  new?: { inputs?: Record<string, unknown> } | null;
}

/**
 * The part of an engine event that is read:
 * https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#EngineEvent
 */
export interface EngineEvent {
  diagnosticEvent?: unknown;
  stdoutEvent?: unknown;
  resourcePreEvent?: { metadata: StepMetadata };
  resOutputsEvent?: { metadata: StepMetadata };
  resOpFailedEvent?: { metadata: StepMetadata };
}

/** The engine expects a google.protobuf.Empty in return. It serializes to zero bytes. */
const service = { streamEvents: { ...EventsService.streamEvents, responseSerialize: () => Buffer.alloc(0) } };

/**
 * Receives the events of one update from the engine. Keeps them in `.state/events/<stack>-<time>.json`, one per line.
 *
 * `--event-log <file>` is no alternative: it writes the SDK's debug messages, and they contain every private key in
 * plain text. The engine sends its events here instead, as it does to Pulumi's automation API. Values never reach the
 * disk.
 */
export class EventLog {
  private readonly server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  private readonly lines: string[] = [];

  /** @param onEvent is called with each event as it comes, with its values */
  constructor(private readonly onEvent: (event: EngineEvent) => void) {}

  /** Starts listening on a free port of the loopback and returns the value for `--event-log`. */
  async listen(): Promise<string> {
    this.server.addService(service, {
      streamEvents: (call: grpc.ServerReadableStream<EventRequest, undefined>, done: (error: null) => void) => {
        call.on("data", (request: EventRequest) => {
          const event = JSON.parse(request.getEvent()) as EngineEvent;
          const line = withoutValues(event, Date.now());
          if (line) this.lines.push(line);
          this.onEvent(event);
        });
        call.on("end", () => done(null));
      },
    });
    const credentials = grpc.ServerCredentials.createInsecure();
    const port = await new Promise<number>((resolve, reject) =>
      this.server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    return `tcp://127.0.0.1:${port}`;
  }

  /** Stops listening, writes the file, and deletes all but the stack's last ten files. */
  close(stack: string): void {
    this.server.forceShutdown();
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = `${stack}-${new Date().toISOString().replace(/[:.]/g, "-")}.json`;
    fs.writeFileSync(path.join(directory, file), this.lines.map((line) => `${line}\n`).join(""), { mode: 0o600 });
    const logs = fs.readdirSync(directory).filter((name) => name.startsWith(`${stack}-2`));
    for (const old of logs.sort().slice(0, -10)) fs.rmSync(path.join(directory, old));
  }
}

/**
 * Strips messages and property values from an event. Adds the time of arrival: the engine's own is in whole seconds.
 *
 * @param received milliseconds since 1970
 * @returns undefined when nothing is left
 */
export function withoutValues(event: EngineEvent, received: number): string | undefined {
  if (event.diagnosticEvent || event.stdoutEvent) return undefined;
  const valued = ["inputs", "outputs", "config"];
  return JSON.stringify({ received, ...event }, (key, value: unknown) => (valued.includes(key) ? undefined : value));
}
