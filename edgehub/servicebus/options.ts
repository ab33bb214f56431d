import { flag, section, text, whole } from "../../platform/config.ts";

export const serviceBusSection = section("ServiceBus: HTTP between the cloud and services of this node", {
  enable: flag(false, { description: "Run it" }),
  server: text("127.0.0.1", { description: "Address of the API for local programs" }),
  port: whole(9060, 0, 65_535, { description: "Its port; 0: a free one" }),
  timeoutMs: whole(60_000, 100, 3_600_000, {
    description: "How long a local program's call waits for the cloud, ms",
  }),
  callTimeoutMs: whole(10_000, 100, 3_600_000, {
    description: "How long a local service may take to answer, ms",
  }),
  maxBodyBytes: whole(5_000_000, 1_024, 256 << 20, { description: "Largest body, either way, bytes" }),
  callsPerService: whole(32, 1, 10_000, {
    description: "Calls to one local service at once; the next ones wait for their turn",
  }),
  answersKeptMs: whole(3_600_000, 1_000, 7 * 86_400_000, {
    description: "A repeated request is answered from the store for so long, not executed again; ms",
  }),
  answersKeptBytes: whole(64 << 20, 0, 2 ** 40, {
    description: "Bytes of answers kept for that; the oldest go first",
  }),
});
