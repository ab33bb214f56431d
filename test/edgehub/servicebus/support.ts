import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { ServiceBus, type ServiceBusOptions } from "../../../edgehub/servicebus/service-bus.ts";
import {
  contentOf,
  createMessage,
  type Message,
  type MessageDraft,
  volatile,
} from "../../../protocol/index.ts";
import { TestAgent } from "../test-agent.ts";

const options: ServiceBusOptions = {
  server: "127.0.0.1",
  port: 0,
  timeoutMs: 60_000,
  callTimeoutMs: 10_000,
  maxBodyBytes: 5_000_000,
  callsPerService: 4,
  answersKeptMs: 3_600_000,
  answersKeptBytes: 1 << 20,
};

/** ServiceBus in an agent of its own. */
export async function startBus(more: Partial<ServiceBusOptions> = {}, agent = new TestAgent()) {
  const bus = new ServiceBus(agent, { ...options, ...more });
  await bus.start();
  onTestFinished(async () => {
    const over = AbortSignal.abort();
    await bus.stop(over);
  });
  return { bus, agent };
}

/** A service on this machine. @returns Its port. */
export async function service(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

let count = 0;

/** A message of the router, as in the recorded session. */
export function fromRouter(draft: Partial<MessageDraft>): Message {
  return createMessage(
    { node: "edge-1", source: "router_servicebus", group: "user", operation: "POST", resource: "", ...draft },
    { id: `call-${++count}`, timestamp: 1_700_000_000_000, delivery: () => volatile },
  );
}

export function callOf(
  port: number,
  method = "GET",
  more: { body?: string; path?: string; id?: string } = {},
) {
  const { body, path = "/target", id } = more;
  const content = {
    header: { "Content-Type": ["text/plain"] },
    body: body === undefined ? null : Buffer.from(body).toString("base64"),
    method,
    url: "",
  };
  return fromRouter({ operation: method, resource: `${port}:${path}`, content, ...(id ? { id } : {}) });
}

export interface Answer {
  readonly header: Readonly<Record<string, readonly string[]>>;
  readonly status_code: number;
  readonly body: string;
}

/** What the cloud will read in an answer. */
export function answerOf(message: Message | undefined): Answer & { text: string } {
  const content = contentOf(message as Message) as Answer;
  return { ...content, text: Buffer.from(content.body, "base64").toString() };
}
