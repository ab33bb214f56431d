import { type Impairer, startImpairer } from "../testbed/impairer/index.ts";

/** An impaired link in a process of its own; the parent says where to and how bad, then `freeze` and `thaw`. */
let link: Impairer | undefined;
process.on("message", (message: "freeze" | "thaw" | { target: number; profile: string; seed: number }) => {
  if (typeof message === "string") {
    if (message === "freeze") link?.freeze();
    else link?.thaw();
    return;
  }
  const { target, profile, seed } = message;
  const host = "127.0.0.1";
  void startImpairer({
    listen: { host, port: 0 },
    target: { host, port: target },
    profile: profile as "lan",
    seed,
  }).then((started) => {
    link = started;
    process.send?.({ port: started.port });
  });
});
process.on("disconnect", () => process.exit(0));
