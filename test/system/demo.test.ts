import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { beforeAll, expect, it, onTestFinished } from "vitest";

/** The demo end to end, as `npm run demo` runs it, without a terminal. */
const root = resolve(import.meta.dirname, "../..");

beforeAll(async () => {
  await promisify(execFile)(process.execPath, [join(root, "tools/build.ts")]);
});

function demo(argv: readonly string[]) {
  const parent = mkdtempSync(join(tmpdir(), "demo-test-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const directory = join(parent, "data");
  const child = spawn(process.execPath, [join(root, "examples/demo/main.ts"), "--dir", directory, ...argv]);
  const exit = once(child, "exit") as Promise<[number]>;
  onTestFinished(async () => {
    // On SIGINT it ends what it has started; harmless if it is over.
    child.kill("SIGINT");
    await exit;
  });
  return { child, directory, exit };
}

/** Empty if no such process runs; one that has ended but was not waited for yet has none either. */
function commandOf(pid: number): string {
  return existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/cmdline`, "utf8") : "";
}

it("loses nothing when the link is cut and hub and agent are killed, says so, and leaves nothing behind", async () => {
  const { child, directory, exit } = demo([]);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect([(await exit)[0], err]).toEqual([0, ""]);
  for (const word of ["CUTTING THE LINK", "KILLING THE HUB", "HEALING THE LINK"]) expect(out).toContain(word);
  expect(out).toMatch(/NOTHING LOST: all 205 objects are in the edge's database/);
  expect(out).toMatch(/burst of 200 ConfigMaps +- +200\/200 +200\/200 +200\/200 +200\/200/);
  expect(out).toMatch(/NOTHING STOPPED: the node worked on/);
  expect(out).toMatch(/60 reports confirmed without a link, 0 of them in the cloud; then 60 of 60, in order/);
  expect(out).toMatch(/process \d+ all the time: .* none missing/);
  expect(out).toMatch(/GET \/tools\/tool-2: 200 in .* the same 33 characters as on the node/);
  expect(out.split("\n").length).toBeLessThan(150);
  const [, pod] = /process (\d+) all the time/.exec(out) ?? [];
  expect(commandOf(Number(pod))).toBe("");
  expect(existsSync(directory)).toBe(false);
}, 60_000);

it("keeps all that runs when asked to, prints commands that work, and cleans up on Ctrl-C", async () => {
  const { child, directory, exit } = demo(["--keep"]);
  let out = "";
  for await (const part of child.stdout) {
    out += part;
    if (out.includes("Ctrl-C here")) break;
  }
  const commands = out
    .split("\n")
    .filter((line) => line.startsWith("  ") && /^ {2}(export|hubctl|\/)/.test(line));
  const { stdout } = await promisify(execFile)("bash", ["-ec", commands.join("\n")], { cwd: tmpdir() });
  expect(stdout).toMatch(/edge-1 +connected/);
  expect(stdout).toMatch(/factory\/pod\/vision-inspector .* current/);
  expect(stdout).toMatch(/line-7-limits +\d+ +acked by the node/);
  expect(stdout).toMatch(/factory\/device\/press-07/);
  expect(stdout).toMatch(/parts-counter .*Running/);
  expect(stdout).toMatch(/process \d+ part \d+/);
  child.kill("SIGINT");
  expect((await exit)[0]).toBe(0);
  expect(existsSync(directory)).toBe(false);
}, 60_000);
