import { describe } from "vitest";
import { webTransport } from "../../transport/index.ts";
import { conformance } from "./conformance.ts";

describe("WebTransport", () => {
  conformance({ transport: webTransport, url: (port) => `https://127.0.0.1:${port}/p/edge-1/events` });
});
