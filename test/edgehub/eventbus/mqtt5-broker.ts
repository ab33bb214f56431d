import { createServer, type Socket } from "node:net";
import mqttPacket, { type IPublishPacket, type Packet } from "mqtt-packet";
import { onTestFinished } from "vitest";

/** An MQTT 5 broker that knows one client, and ends the connection of one that takes no heed of its limits. */
export interface Mqtt5Broker {
  readonly port: number;
  /** What was published, in the order in which it came. */
  readonly published: readonly IPublishPacket[];
  /** Connections so far. */
  readonly connections: number;
  /** Most messages that were unconfirmed at once. */
  readonly mostUnconfirmed: number;
}

export async function startMqtt5Broker(limits: {
  receiveMaximum: number;
  maximumPacketSize: number;
}): Promise<Mqtt5Broker> {
  const broker = { port: 0, published: [] as IPublishPacket[], connections: 0, mostUnconfirmed: 0 };
  const server = createServer((socket) => {
    broker.connections++;
    serve(socket, limits, broker);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  broker.port = (server.address() as { port: number }).port;
  return broker;
}

function serve(
  socket: Socket,
  limits: { receiveMaximum: number; maximumPacketSize: number },
  seen: { published: IPublishPacket[]; mostUnconfirmed: number },
): void {
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  const send = (packet: Packet): void =>
    void socket.write(mqttPacket.generate(packet, { protocolVersion: 5 }));
  const unconfirmed = new Set<number>();
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined).on("data", (chunk) => void parser.parse(chunk));
  parser.on("packet", (packet) => {
    switch (packet.cmd) {
      case "connect":
        return send({ cmd: "connack", reasonCode: 0, sessionPresent: false, properties: limits });
      case "subscribe":
        return send({
          cmd: "suback",
          messageId: packet.messageId ?? 0,
          granted: packet.subscriptions.map(() => 1),
        });
      case "publish": {
        const messageId = packet.messageId ?? 0;
        unconfirmed.add(messageId);
        seen.mostUnconfirmed = Math.max(seen.mostUnconfirmed, unconfirmed.size);
        if (unconfirmed.size > limits.receiveMaximum || (packet.length ?? 0) + 5 > limits.maximumPacketSize)
          return void socket.destroy();
        seen.published.push(packet);
        // Late, so that others may come before it.
        return void setTimeout(() => {
          unconfirmed.delete(messageId);
          send({ cmd: "puback", messageId, reasonCode: 0 });
        }, 1);
      }
      default:
        return;
    }
  });
}
