import { describe } from "vitest";
import { quicTransport } from "../../transport/index.ts";
import { conformance } from "./conformance.ts";

describe("QUIC", () => {
  conformance({ transport: quicTransport, url: (port) => `quic://127.0.0.1:${port}/p/edge-1/events` });
});
