import { createRequire } from "node:module";
import { describe } from "vitest";
import { webTransport } from "../../transport/index.ts";
import { conformance, conformanceSkipped } from "./conformance.ts";

const nativePart = "@fails-components/webtransport-transport-http3-quiche";

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

describe("WebTransport", () => {
  conformance({ transport: webTransport, url: (port) => `https://127.0.0.1:${port}/p/edge-1/events` });
});

describe("WebTransport over HTTP/3", () => {
  conformanceSkipped(
    `it is not supported, see docs/decisions/0015-webtransport.md (${nativePart} is ${isInstalled(nativePart) ? "" : "not "}installed)`,
  );
});
