import type { Probed, Transport } from "./transport.ts";

/**
 * WebTransport over HTTP/2, for networks that let nothing else through than HTTPS to one port. It has no client
 * certificates: the client proves the key of its certificate in a handshake of ours. Its code and its package are loaded on
 * first use.
 */
export const webTransport: Transport & Probed = {
  scheme: "wt",
  dial: async (url, options, signal) =>
    (await import("./webtransport-dial.ts")).dialWebTransport(url, options, signal),
  probe: async (url, options) => (await import("./webtransport-dial.ts")).probeWebTransport(url, options),
  listen: async (options, parts) =>
    (await import("./webtransport-listener.ts")).listenWebTransport(options, parts),
};
