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
  /** Secrets in the inputs are blinded. */
  new?: { inputs?: Record<string, unknown> } | null;
}

/** The part of an engine event that is looked at: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#EngineEvent */
export interface EngineEvent {
  diagnosticEvent?: unknown;
  stdoutEvent?: unknown;
  resourcePreEvent?: { metadata: StepMetadata };
  resOutputsEvent?: { metadata: StepMetadata };
  resOpFailedEvent?: { metadata: StepMetadata };
}

/** The engine expects google.protobuf.Empty in return, which has no bytes. */
const service = { streamEvents: { ...EventsService.streamEvents, responseSerialize: () => Buffer.alloc(0) } };

/**
 * Takes the events of one update from the engine and keeps them in `.state/events/<stack>-<time>.json`, one a line.
 *
 * Not by `--event-log <file>`: that one holds the SDK's debug messages, and in them every private key in plain. So the
 * engine sends its events here, as it does to Pulumi's automation API, and only what carries no value reaches the disk.
 */
export class EventLog {
  private readonly server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  private readonly lines: string[] = [];

  /** @param onEvent is told each event as it comes, with its values */
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

  /** Ends listening, writes the file and drops all but the stack's last ten. */
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
 * An event without messages and property values, and with the time it came at: the engine's own is in whole seconds.
 *
 * @param received milliseconds since 1970
 * @returns undefined when nothing is left of it
 */
export function withoutValues(event: EngineEvent, received: number): string | undefined {
  if (event.diagnosticEvent || event.stdoutEvent) return undefined;
  const valued = ["inputs", "outputs", "config"];
  return JSON.stringify({ received, ...event }, (key, value: unknown) => (valued.includes(key) ? undefined : value));
}
