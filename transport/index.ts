/** Bytes between two processes, and the channel that carries messages over them. */

export * from "./channel-parts.ts";
export * from "./connection.ts";
export { KnownPaths } from "./known-paths.ts";
export * from "./memory.ts";
export * from "./memory-outbox.ts";
export { MessageChannel } from "./message-channel.ts";
export * from "./outbox-feed.ts";
export { PacedWork } from "./paced-work.ts";
export { quicTransport } from "./quic.ts";
export * from "./redial.ts";
export * from "./subscription.ts";
export * from "./transport.ts";
export { Turnstile } from "./turnstile.ts";
export { dialWebSocket, parsePort, quicPortHeader } from "./websocket.ts";
export * from "./websocket-listener.ts";
export { webTransport } from "./webtransport.ts";
