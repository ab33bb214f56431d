import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";
import { http } from "../../platform/http.ts";
import { HubError } from "../../protocol/index.ts";
import type { BrokerUrl } from "./broker-url.ts";

export interface MqttListenOptions {
  readonly url: BrokerUrl;
  readonly tls: { readonly cert: string | undefined; readonly key: string | undefined };
  /** Connections at once. */
  readonly maxClients: number;
  /** Of WebSockets: largest message. */
  readonly maxMessageBytes: number;
}

export interface MqttListening {
  readonly port: number;
  /** Ends all connections. */
  close(): Promise<void>;
}

export interface MqttListenParts {
  accept(stream: Duplex): void;
  /** The listening socket has broken. */
  failed(error: Error): void;
}

/** What MQTT is called among WebSocket subprotocols, the usual name first. */
const subprotocols = ["mqtt", "mqttv3.1"];

/** Listens for MQTT clients. Rejects with `E_PORT_TAKEN`, or `E_BAD_OPTION` for an address or certificate. */
export async function listenMqtt(options: MqttListenOptions, parts: MqttListenParts): Promise<MqttListening> {
  const server = serverOf(options, parts);
  const { url, maxClients } = options;
  const sockets = new Set<Socket>();
  server.maxConnections = maxClients;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    // Whoever has the stream hears of it too; a client that is gone before that must not end the process.
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, url)));
    server.listen({ host: url.host, port: url.port }, resolve);
  });
  server.removeAllListeners("error");
  server.on("error", parts.failed);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function serverOf({ url, tls, maxMessageBytes }: MqttListenOptions, { accept }: MqttListenParts): Server {
  try {
    switch (url.scheme) {
      case "tcp":
        return createServer(accept);
      case "tls":
        return createTlsServer({ ...tls, handshakeTimeout: 10_000 }, accept);
      case "ws":
      case "wss": {
        const server = url.scheme === "ws" ? http.createServer() : createHttpsServer({ ...tls });
        const sockets = new WebSocketServer({
          server,
          maxPayload: maxMessageBytes,
          perMessageDeflate: false,
          handleProtocols: (offered) => subprotocols.find((name) => offered.has(name)) ?? false,
        });
        sockets.on("connection", (socket) => accept(createWebSocketStream(socket)));
        // The server's own errors, which `ws` passes on; they are heard at the server.
        sockets.on("error", () => undefined);
        return server;
      }
    }
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : cause;
    throw new HubError("E_BAD_OPTION", `the internal broker's certificate cannot be used: ${text}`, {
      cause,
    });
  }
}

function listenError(error: NodeJS.ErrnoException, { host, port }: BrokerUrl): HubError {
  if (error.code === "EADDRINUSE") {
    return new HubError(
      "E_PORT_TAKEN",
      `${host}:${port} is taken by another process, perhaps an MQTT broker; stop it, set eventBus.mqttMode to external, or configure another port`,
      { cause: error },
    );
  }
  return new HubError("E_BAD_OPTION", `cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
}
