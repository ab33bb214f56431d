import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";

/** The ceiling: `ws` that sends back what it gets, with the hub's TLS and nothing else. @param port To be shared with others. */
process.on("message", ({ port, ...tls }: { ca: string; cert: string; key: string; port?: number }) => {
  const server = createServer({
    ...tls,
    requestCert: true,
    rejectUnauthorized: true,
    ecdhCurve: "X25519",
    noDelay: true,
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  server.listen({ port: port ?? 0, host: "127.0.0.1", reusePort: port !== undefined }, () =>
    process.send?.({ port: (server.address() as AddressInfo).port }),
  );
});
process.on("disconnect", () => process.exit(0));
