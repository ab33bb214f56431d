import { flag, section, text, whole } from "../../platform/config.ts";

export const metaServerSection = section("MetaServer: a Kubernetes API for programs of this node", {
  enable: flag(false, { description: "Run it" }),
  server: text("127.0.0.1", { description: "Address; whoever reaches it may read all objects of this node" }),
  port: whole(10_550, 0, 65_535, { description: "Port; 0: a free one" }),
  cloudTimeoutMs: whole(10_000, 100, 600_000, {
    description: "How long a call waits for the cloud before it is answered from this node, ms",
  }),
  maxBodyBytes: whole(3 << 20, 1_024, 64 << 20, { description: "Largest request body, bytes" }),
  maxWatches: whole(1_000, 1, 100_000, { description: "Watches open at once" }),
  watchStallMs: whole(60_000, 100, 3_600_000, {
    description: "A watch whose client takes nothing for so long is ended, ms",
  }),
  watchBytes: whole(4 << 20, 1_024, 1 << 30, {
    description: "Last states of deleted objects that wait for the client of one watch, bytes",
  }),
});
