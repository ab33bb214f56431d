import { request } from "node:http";
import { createInterface, type Interface } from "node:readline";
import { onTestFinished } from "vitest";
import { MetaServer, type MetaServerOptions } from "../../../edgehub/metaserver/meta-server.ts";
import { openLog } from "../../../edgehub/podlogs/open-log.ts";
import { createMessage, type MessageDraft, state } from "../../../protocol/index.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { TestAgent } from "../test-agent.ts";

const options: MetaServerOptions = {
  server: "127.0.0.1",
  port: 0,
  cloudTimeoutMs: 10_000,
  maxBodyBytes: 100_000,
  maxWatches: 10,
  watchStallMs: 60_000,
  watchBytes: 1 << 20,
};

/** MetaServer in an agent without a link, unless the test says otherwise. */
export async function startServer(more: Partial<MetaServerOptions> = {}, agent = new TestAgent()) {
  agent.connected = false;
  const failures: unknown[] = [];
  const { path: logs, remove } = temporaryDirectory();
  onTestFinished(remove);
  const server = new MetaServer(
    agent,
    (error) => failures.push(error),
    { ...options, ...more },
    async (place, wish, life) => openLog(logs, place, wish, life),
  );
  await server.start();
  onTestFinished(() => server.stop());
  return { server, agent, failures, logs, client: new Client(server.port as number) };
}

/** The cloud puts or deletes a resource. */
export async function fromCloud(agent: TestAgent, draft: Partial<MessageDraft> & { resource: string }) {
  const message = createMessage(
    { node: "edge-1", operation: "update", delivery: state, ...draft },
    { id: crypto.randomUUID(), timestamp: 1_700_000_000_000, delivery: () => state },
  );
  return await agent.store.apply(message, "cloud");
}

/** A ConfigMap as an API server has it. */
export function configMap(name: string, version: number, more: { labels?: object; namespace?: string } = {}) {
  const { labels, namespace = "default" } = more;
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace, resourceVersion: String(version), ...(labels ? { labels } : {}) },
    data: { version: String(version) },
  };
}

export async function putConfigMap(
  agent: TestAgent,
  name: string,
  version: number,
  more: { labels?: object; namespace?: string; operation?: string } = {},
) {
  const { operation = "insert" } = more;
  const content = configMap(name, version, more);
  const resource = `${more.namespace ?? "default"}/configmap/${name}`;
  await fromCloud(agent, { resource, operation, resourceVersion: String(version), content });
}

export interface Received {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: documents are looked into field by field.
  readonly body: any;
}

export interface WatchEvent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly object: any;
}

/** A program of this node. */
export class Client {
  readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Received> {
    return await this.send("GET", path, "", headers);
  }

  async send(
    method: string,
    path: string,
    body = "",
    headers: Record<string, string> = {},
  ): Promise<Received> {
    const length = body === "" ? {} : { "content-length": Buffer.byteLength(body) };
    return await new Promise((resolve, reject) => {
      const sent = request(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path,
          headers: { ...length, ...headers },
          agent: false,
        },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("end", () =>
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: readable(text) }),
          );
          response.on("error", reject);
        },
      );
      sent.on("error", reject).end(body);
    });
  }

  /** Opens a watch; resolves when its head is there. */
  async watch(path: string, headers: Record<string, string> = {}): Promise<WatchClient> {
    return await new Promise((resolve, reject) => {
      const sent = request(
        { host: "127.0.0.1", port: this.port, path, headers, agent: false },
        (response) => {
          if (response.statusCode === 200)
            resolve(new WatchClient(createInterface(response), () => sent.destroy()));
          else reject(new Error(`status ${response.statusCode}`));
        },
      );
      sent.on("error", reject).end();
    });
  }
}

export class WatchClient {
  readonly events: WatchEvent[] = [];
  readonly close: () => void;
  ended = false;

  constructor(lines: Interface, close: () => void) {
    this.close = close;
    onTestFinished(close);
    lines.on("line", (line) => this.events.push(JSON.parse(line)));
    lines.on("close", () => {
      this.ended = true;
    });
    lines.on("error", () => undefined);
  }

  /** `ADDED a 1`: type, name and version of each event. */
  get told(): string[] {
    return this.events.map(
      ({ type, object }) =>
        `${type} ${object.metadata?.name ?? ""} ${object.metadata?.resourceVersion ?? ""}`,
    );
  }
}

function readable(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
