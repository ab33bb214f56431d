import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Io } from "../../cli/io.ts";
import { run } from "../../cli/program.ts";
import { type HubOptionsInput, type RunningHub, startHub } from "../../cloudhub/index.ts";
import { type EdgeHub, startEdge } from "../../edgehub/index.ts";
import { silentLogger } from "../../platform/logger.ts";

/** An empty directory that is gone after the test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "hubctl-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What a command line left behind. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly stdin?: string;
  /** Columns of the terminal; left out: no terminal. */
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Told of everything that is written to standard output. */
  readonly onOut?: (text: string) => void;
}

/** Runs `hubctl` in this process, with streams of its own. */
export async function hubctl(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  let out = "";
  let err = "";
  const isTerminal = options.columns !== undefined;
  const io: Io = {
    stdin: (async function* () {
      yield options.stdin ?? "";
    })(),
    stdinIsTerminal: false,
    out: {
      write: (text) => {
        out += text;
        options.onOut?.(out);
      },
      isTerminal,
      columns: options.columns,
    },
    err: {
      write: (text) => {
        err += text;
      },
      isTerminal: false,
    },
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
    now: () => Date.now(),
  };
  const code = await run(argv, io);
  return { code, out, err };
}

/** A hub in this process, and command lines that reach it. */
export interface TestHub {
  readonly hub: RunningHub;
  readonly directory: string;
  /** The admin's file. */
  readonly config: string;
  hubctl(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** As {@link hubctl} with `-o json`; the result parsed. */
  json(argv: readonly string[]): Promise<unknown>;
  /** Starts an agent of this name and waits until it is connected. */
  edge(node: string): Promise<EdgeHub>;
  file(name: string, content: string): string;
  close(): Promise<void>;
}

/** @param nodes Options of its port for nodes. */
export async function startTestHub(nodes: HubOptionsInput["nodes"] = {}): Promise<TestHub> {
  const directory = mkdtempSync(join(tmpdir(), "hubctl-"));
  const hub = await startHub(
    {
      dataDir: join(directory, "hub"),
      nodes: { host: "127.0.0.1", port: 0, ...nodes },
      join: { host: "127.0.0.1", port: 0 },
      api: { host: "127.0.0.1", port: 0 },
      store: { synchronous: "normal" },
    },
    { log: silentLogger },
  );
  const edges: EdgeHub[] = [];
  const config = hub.adminFile;
  const run = (argv: readonly string[], options?: RunOptions) =>
    hubctl(["--config", config, ...argv], options);
  return {
    hub,
    directory,
    config,
    hubctl: run,
    json: async (argv) => JSON.parse((await run([...argv, "-o", "json"])).out),
    edge: async (node) => {
      const { token } = await hub.admin.createJoinToken({ ttlMs: 60_000, node });
      const connected = hub.subscribe({ nodes: [node], presence: true });
      const edge = await startEdge(
        {
          node,
          dataDir: join(directory, node),
          hub: {
            server: `wss://127.0.0.1:${hub.ports.nodes}`,
            join: `https://127.0.0.1:${hub.ports.join}`,
            token,
          },
          store: { synchronous: "normal" },
          eventBus: { enable: false },
        },
        { log: silentLogger },
      );
      edges.push(edge);
      for await (const { message, ack } of connected) {
        ack();
        if (message.operation === "connected") break;
      }
      return edge;
    },
    file: (name, content) => {
      const path = join(directory, name);
      writeFileSync(path, content);
      return path;
    },
    close: async () => {
      for (const edge of edges) await edge.close();
      await hub.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The admin's address, token and CA. */
export function adminOf(hub: TestHub): { url: string; token: string; ca: string } {
  return JSON.parse(readFileSync(hub.config, "utf8"));
}

/** A ConfigMap as YAML. */
export function configMap(name: string, data: Readonly<Record<string, string>> = { a: "1" }): string {
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data });
}

/** A hub with a connected node edge-1 and a known node edge-2 that is away. */
export async function startHubOfTwoNodes(): Promise<TestHub> {
  const hub = await startTestHub();
  await hub.edge("edge-1");
  await hub.hub.admin.addNode("edge-2", { site: "b" });
  return hub;
}
