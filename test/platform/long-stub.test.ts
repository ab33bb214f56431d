import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");

it("keeps WebAssembly out of a program, which reads numbers of 64 bits all the same", () => {
  const program = `
    import { leaveOutLong } from "./platform/long-stub.ts";
    leaveOutLong();
    const compiled = [];
    WebAssembly.Module = class { constructor() { compiled.push("a module"); } };
    const { packWire, unpack } = await import("./protocol/packed-codec.ts");
    const texts = { id: "1", parentId: "", source: "a", group: "b", operation: "c", resource: "d" };
    const rest = { sync: false, resourceVersion: "", type: "", destination: "", content: new Uint8Array(0) };
    const read = [5, 2 ** 52, -1, -(2n ** 63n), 2n ** 63n - 1n].map((timestamp) => {
      const wire = { ...texts, ...rest, timestamp };
      return unpack(packWire(wire, { kind: "unknown", bytes: wire.content })).wire.timestamp;
    });
    process.stdout.write(JSON.stringify({ compiled, read: read.map(String) }));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    cwd: root,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({
    compiled: [],
    read: ["5", `${2 ** 52}`, "-1", `${-(2n ** 63n)}`, `${2n ** 63n - 1n}`],
  });
});
