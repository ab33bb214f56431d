import { describe } from "vitest";
import { webSocketTransport } from "../../transport/index.ts";
import { conformance } from "./conformance.ts";

describe("WebSocket", () => {
  conformance({ transport: webSocketTransport, url: (port) => `wss://127.0.0.1:${port}/p/edge-1/events` });
});
