/**
 * A REST service as it runs on a node, reachable on this machine only. Prints its port.
 *
 *   node service.ts
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const tools = {
  "tool-1": { strokes: 48_211, state: "sharp" },
  "tool-2": { strokes: 301_702, state: "worn" },
};

const server = createServer(({ url = "" }, response) => {
  const tool = (tools as Readonly<Record<string, unknown>>)[url.replace("/tools/", "")];
  response.writeHead(tool ? 200 : 404, { "content-type": "application/json" });
  response.end(JSON.stringify(tool ?? { error: "there is no such tool" }));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
