import { randomUUID } from "node:crypto";
import { systemClock } from "../platform/clock.ts";
import { NativeCodec, type NodeId, nativeKeepalive } from "../protocol/index.ts";
import {
  controllerChannel,
  type DialOptions,
  MemoryOutbox,
  MessageChannel,
  newCounters,
  quicTransport,
  webSocketTransport,
} from "../transport/index.ts";

/** A node that connects, takes one message, acks it and goes: how long that takes. The parent says when. */
export interface Visit {
  readonly transport: "wss" | "quic";
  readonly url: string;
  readonly node: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
}

export interface Visited {
  readonly connectMs: number;
  readonly firstMessageMs: number;
}

const maxMessageBytes = 1 << 20;
/** A WebSocket resumes the TLS session of its last visit, as the agent's does. */
let session: Buffer | undefined;

async function visit({ transport, url, node, tls }: Visit): Promise<Visited> {
  const limits = { maxMessageBytes };
  const hello = {
    software: "bench",
    storeId: randomUUID(),
    windowMessages: 64,
    windowBytes: 1 << 20,
    maxMessageBytes,
  };
  // As the agent: the first words go with the request.
  const said = { type: "hello" as const, hello: { ...hello, wallTime: systemClock.wallTime() } };
  const [greeting] = new NativeCodec(node as NodeId, limits).control(said);
  const options: DialOptions = {
    greeting,
    headers: { Node_id: node, Project_id: "bench", ConnectionUse: "msg" },
    tls: { ...tls, session },
    offerNative: true,
    handshakeTimeoutMs: 30_000,
    maxMessageBytes,
    early: true,
    probeEveryMs: 0,
    onSession: (ticket) => {
      session = ticket;
    },
  };
  const startedAt = performance.now();
  const way = transport === "quic" ? quicTransport : webSocketTransport;
  const { connection, greeted } = await way.dial(url, options, new AbortController().signal);
  const connectMs = performance.now() - startedAt;
  return await new Promise((resolve, reject) => {
    let firstMessageMs = 0;
    const channel: MessageChannel = new MessageChannel(
      {
        connection,
        codec: new NativeCodec(node as NodeId, limits),
        clock: systemClock,
        counters: newCounters(),
        owner: {
          received: () => {
            firstMessageMs ||= performance.now() - startedAt;
            // Time for the ack; a message that comes once more next time is as good as another.
            setTimeout(() => {
              resolve({ connectMs, firstMessageMs });
              channel.close({ code: "E_CLOSED", text: "the visit is over" });
            }, 200);
            return Promise.resolve(undefined);
          },
          control: () => undefined,
          fault: reject,
          closed: ({ code, text }) => reject(new Error(`${code}: ${text}`)),
        },
      },
      { ...controllerChannel(hello), keepalive: nativeKeepalive },
    );
    channel.start(new MemoryOutbox({ maxMessages: 1, maxBytes: 1 }), { greeted });
  });
}

process.on("message", (wanted: Visit) => {
  void visit(wanted).then(
    (visited) => process.send?.(visited),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });
