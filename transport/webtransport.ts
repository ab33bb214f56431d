import type { Transport } from "./transport.ts";

/**
 * WebTransport over HTTP/2, for networks that let nothing else through than HTTPS to one port. It has no client
 * certificates: the client proves the key of its certificate in a handshake of ours. Its code and its package are loaded on
 * first use.
 */
export const webTransport: Transport = {
  scheme: "wt",
  dial: async (url, options, signal) =>
    (await import("./webtransport-dial.ts")).dialWebTransport(url, options, signal),
  listen: async (options, parts) =>
    (await import("./webtransport-listener.ts")).listenWebTransport(options, parts),
};
