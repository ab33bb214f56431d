import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/** @returns What a program writes that ends if it compiles WebAssembly; Node.js itself does, to read TypeScript. */
function outputWithoutWebAssembly(program: string, args: readonly string[] = []): string {
  const guard = `
    await import("./platform/long-stub.ts");
    WebAssembly.Module = class { constructor() { process.exit(3); } };`;
  const flags = ["--input-type=module", "--eval", `${guard}\n${program}`, "--", "program", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, flags, { cwd: root, encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

it("keeps WebAssembly out of a program that reads numbers of 64 bits", () => {
  const numbers = outputWithoutWebAssembly(`
    const { leaveOutLong } = await import("./platform/long-stub.ts");
    leaveOutLong();
    const { packWire, unpack } = await import("./protocol/packed-codec.ts");
    const texts = { id: "1", parentId: "", source: "a", group: "b", operation: "c", resource: "d" };
    const rest = { sync: false, resourceVersion: "", type: "", destination: "", content: new Uint8Array(0) };
    const read = [5, 2 ** 52, -1, -(2n ** 63n), 2n ** 63n - 1n].map((timestamp) => {
      const wire = { ...texts, ...rest, timestamp };
      return unpack(packWire(wire, { kind: "unknown", bytes: wire.content })).wire.timestamp;
    });
    process.stdout.write(read.join());`);
  expect(numbers).toBe([5, 2 ** 52, -1, -(2n ** 63n), 2n ** 63n - 1n].join());
});

it("keeps WebAssembly out of the agent", () => {
  expect(outputWithoutWebAssembly('await import("./edgehub/main.ts");', ["--version"])).toMatch(/^\d+\.\d+/);
});
