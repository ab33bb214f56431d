import type { Probed, Transport } from "./transport.ts";

/**
 * QUIC (RFC 9000) with mutual TLS: a connection comes up in one round trip less than TCP with TLS, and what one lost
 * packet held up is less. Its code and its package are loaded on first use.
 */
export const quicTransport: Transport & Probed = {
  scheme: "quic",
  dial: async (url, options, signal) => (await import("./quic-dial.ts")).dialQuic(url, options, signal),
  probe: async (url, options) => (await import("./quic-dial.ts")).probeQuic(url, options),
  listen: async (options, parts) => (await import("./quic-listener.ts")).listenQuic(options, parts),
};
