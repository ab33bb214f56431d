import { test } from "vitest";
import { World } from "./simulation.ts";
test("debug", async () => {
  const w = new World(Number(process.env.ONE)) as any;
  const f = await w.run();
  console.log(w.dialect, f);
  const log = w.trace ?? [];
  console.log(log.slice(-80).join("\n"));
  for (const n of ["cloud","edge"]) { }
});
