import { startImpairer } from "../testbed/impairer/index.ts";

/** An impaired link in a process of its own; the parent says where to and how bad. */
process.on("message", ({ target, profile, seed }: { target: number; profile: string; seed: number }) => {
  const host = "127.0.0.1";
  void startImpairer({
    listen: { host, port: 0 },
    target: { host, port: target },
    profile: profile as "lan",
    seed,
  }).then(({ port }) => process.send?.({ port }));
});
process.on("disconnect", () => process.exit(0));
