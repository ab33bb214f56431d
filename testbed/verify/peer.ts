import { type EdgeModule, startEdge } from "../../edgehub/index.ts";
import { type Logger, silentLogger } from "../../platform/logger.ts";
import { contentOf, type Message } from "../../protocol/index.ts";

/** The group of what is sent to and fro; no module of an agent has it. */
export const verifyGroup = "verify";
/** Of what the agent grants and is granted: what may come twice when a link ends. */
export const verifyWindow = 256;

export interface PeerOptions {
  readonly node: string;
  readonly dataDir: string;
  /** Where nodes connect: the weak link's near end. */
  readonly server: string;
  readonly join: string;
  readonly token: string;
}

/** Told what has arrived at the node, once it is on its disk. */
export interface PeerEars {
  event(number: number): void;
  update(resource: string, number: number): void;
}

/** The node of a test. */
export interface Peer {
  readonly connected: boolean;
  /** Why it is not connected, as it was said last. */
  readonly complaint: string | undefined;
  /** Resolves once the event is on the node's disk. */
  publish(number: number, padding: string): Promise<void>;
  close(): Promise<void>;
}

/** An agent as users run it, but for a module that only listens. */
export async function startPeer(options: PeerOptions, ears: PeerEars): Promise<Peer> {
  let complaint: string | undefined;
  const { node, dataDir, server, join, token } = options;
  const edge = await startEdge(
    {
      node,
      dataDir,
      // QUIC would go by the weak link: only TCP leads through it.
      hub: { server, join, token, transport: "wss", reconnectMaxMs: 5_000 },
      delivery: { windowMessages: verifyWindow, upstreamWindowMessages: verifyWindow },
      eventBus: { enable: false },
      deviceTwin: { enable: false },
    },
    { log: lastWords((words) => (complaint = words)), modules: [() => listener(ears)] },
  );
  edge.store.onChange(({ key, message }) => ears.update(key, numberIn(message)));
  return {
    get connected() {
      return edge.connected;
    },
    get complaint() {
      return complaint;
    },
    async publish(number, padding) {
      const draft = {
        source: verifyGroup,
        group: verifyGroup,
        operation: "upload",
        resource: "verify/events",
      };
      await edge.publish({ ...draft, content: { number, padding } });
    },
    close: () => edge.close(),
  };
}

/** The number a message of a test carries; `NaN`: it has none. */
export function numberIn(message: Message): number {
  const content = contentOf(message) as { number?: unknown; data?: { number?: unknown } } | null;
  return Number(content?.data?.number ?? content?.number ?? Number.NaN);
}

function listener(ears: PeerEars): EdgeModule {
  return {
    name: verifyGroup,
    groups: [verifyGroup],
    start: () => Promise.resolve(),
    handle: (message) => {
      ears.event(numberIn(message));
      return Promise.resolve();
    },
    stop: () => Promise.resolve(),
  };
}

/** Keeps the last thing that was complained about. */
function lastWords(keep: (words: string) => void): Logger {
  const heard: Logger["warn"] = (event, fields = {}) => {
    const { text, error } = fields;
    const why = text ?? (error instanceof Error ? error.message : undefined);
    keep(why === undefined ? event : `${event}: ${String(why)}`);
  };
  const logger: Logger = { ...silentLogger, warn: heard, error: heard, with: () => logger };
  return logger;
}
