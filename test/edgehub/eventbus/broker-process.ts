import { createServer } from "node:net";
import { Aedes } from "aedes";

/**
 * An MQTT 3.1.1 broker in a process of its own. It keeps sessions as long as it lives.
 *
 * Arguments: port, 0 for a free one; the password it asks for, if any. Nobody may subscribe to `forbidden`.
 */
const [port = "0", password] = process.argv.slice(2);
const broker = await Aedes.createBroker({
  authenticate: (_client, _username, given, done) =>
    done(null, password === undefined || given?.toString() === password),
  authorizeSubscribe: (_client, subscription, done) =>
    done(null, subscription.topic === "forbidden" ? null : subscription),
});
const server = createServer(broker.handle);
server.listen(Number(port), "127.0.0.1", () => {
  const address = server.address() as { port: number };
  process.stderr.write(`${JSON.stringify({ event: "listening", port: address.port })}\n`);
});
process.on("disconnect", () => process.exit(0));
