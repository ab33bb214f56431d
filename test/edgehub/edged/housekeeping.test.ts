import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { imagesToRemove, logsToRemove, rotatedName } from "../../../edgehub/edged/garbage.ts";
import { criLines, OutputLog } from "../../../edgehub/edged/output-log.ts";
import type { RuntimeImage } from "../../../edgehub/edged/runtime.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { podOf, TestNode } from "./node.ts";

describe("images", () => {
  const image = (id: string, sizeBytes: number, more: Partial<RuntimeImage> = {}): RuntimeImage => ({
    id,
    tags: [`${id}:1`],
    pinned: false,
    sizeBytes,
    ...more,
  });
  const images = [
    image("old", 10),
    image("used", 10),
    image("pause", 10, { pinned: true }),
    image("new", 10),
    image("young", 10),
  ];
  const lastUse = new Map([
    ["old", 1],
    ["used", 2],
    ["pause", 1],
    ["new", 5],
    ["young", 90],
  ]);
  const removed = (usedBytes: number): string[] => {
    const disk = { usedBytes, capacityBytes: 100, highPercent: 85, lowPercent: 80 };
    return imagesToRemove(images, new Set(["used:1"]), lastUse, disk, 50).map(({ id }) => id);
  };

  it("go when the disk is full, those used longest ago first, and only as many as needed", () => {
    expect(removed(84)).toEqual([]);
    expect(removed(85)).toEqual(["old"]);
    expect(removed(95)).toEqual(["old", "new"]);
  });

  it("that are used, pinned or young stay however full it is", () => {
    expect(removed(100)).toEqual(["old", "new"]);
  });
});

describe("a disk that is too full", () => {
  it("is freed of images that no container uses", async () => {
    const node = new TestNode({ imageGCHighPercent: 1, imageGCLowPercent: 1 });
    node.runtime.present.add("unused:1");
    node.runtime.imagePath = "/";
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(700_000);
    expect(node.runtime.calls.filter((call) => call.startsWith("removeImage"))).toEqual([
      "removeImage sha256:unused:1",
    ]);
    expect(node.runtime.present).toEqual(new Set(["app:1"]));
  });
});

describe("logs", () => {
  it("have names in the order of their time, and the oldest go", () => {
    const name = rotatedName("0.log", Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(name).toBe("0.log.20260102-030405");
    const names = ["0.log", name, "0.log.20250102-030405", "1.log", "1.log.20200101-000000"];
    expect(logsToRemove(names, "0.log", 2)).toEqual(["0.log.20250102-030405"]);
    expect(logsToRemove(names, "0.log", 3)).toEqual([]);
  });

  it("that are too large are turned away from, and the runtime is told", async () => {
    const node = new TestNode();
    const log = join(node.directory, "logs/x/0.log");
    mkdirSync(join(node.directory, "logs/x"), { recursive: true });
    await node.start();
    await node.put("default/pod/web", podOf("web"));
    await node.pass(1_000);
    node.runtime.container("main").logPath = log;
    for (let i = 0; i < 7; i++) {
      writeFileSync(log, Buffer.alloc((10 << 20) + 1, "x"));
      await node.pass(11_000);
    }
    expect(node.runtime.calls.filter((call) => call === "reopenLog main")).toHaveLength(7);
    expect(readdirSync(join(node.directory, "logs/x"))).toHaveLength(4);
  });
});

it("a log whose runtime does not turn away from it keeps its name, and is tried again", async () => {
  const node = new TestNode();
  const folder = join(node.directory, "logs/x");
  mkdirSync(folder, { recursive: true });
  await node.start();
  await node.put("default/pod/web", podOf("web"));
  await node.pass(1_000);
  node.runtime.container("main").logPath = join(folder, "0.log");
  node.runtime.keepsLogs = true;
  writeFileSync(join(folder, "0.log"), Buffer.alloc((10 << 20) + 1, "x"));
  await node.pass(21_000);
  expect(readdirSync(folder)).toEqual(["0.log"]);
  node.runtime.keepsLogs = false;
  await node.pass(11_000);
  expect(readdirSync(folder)).toEqual([expect.stringMatching(/^0\.log\.\d{8}-\d{6}$/)]);
});

describe("folders of pods that are no more", () => {
  it("are removed", async () => {
    const node = new TestNode();
    const uid = { uid: "uid_with_lines" };
    const volume = join(node.directory, "pods/uid-old/volumes/v");
    const logs = join(node.directory, "logs/default_old_uid-old/main");
    for (const folder of [volume, logs]) mkdirSync(folder, { recursive: true });
    await node.start();
    await node.put("default/pod/web", podOf("web", { volumes: [{ name: "v", emptyDir: {} }] }, uid));
    const kept = join(node.directory, `logs/default_web_${uid.uid}`);
    mkdirSync(kept, { recursive: true });
    await node.pass(61_000);
    await node.until(
      "they are gone",
      () =>
        !existsSync(join(node.directory, "pods/uid-old")) &&
        !existsSync(join(node.directory, "logs/default_old_uid-old")),
    );
    expect(existsSync(join(node.directory, "pods", uid.uid))).toBe(true);
    expect(existsSync(kept)).toBe(true);
  });
});

describe("the output of a process", () => {
  const options = { stream: "stdout", time: "T", last: false };

  it("is cut into lines, and long lines into parts", () => {
    expect(criLines(Buffer.from("a\n\nb"), options)).toEqual({
      lines: "T stdout F a\nT stdout F \n",
      consumed: 3,
    });
    expect(criLines(Buffer.from("a\nb"), { ...options, last: true }).lines).toBe(
      "T stdout F a\nT stdout F b\n",
    );
    const long = "x".repeat((16 << 10) + 1);
    const lines = criLines(Buffer.from(`${long}\n`), options).lines.split("\n");
    expect(lines.map((line) => line.length)).toEqual([
      "T stdout P ".length + (16 << 10),
      "T stdout F x".length,
      0,
    ]);
  });

  function output() {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const log = join(path, "0.log");
    const write = (text: string): void => writeFileSync(join(path, "stdout"), text, { flag: "a" });
    const texts = (): string[] =>
      readFileSync(log, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => line.split(" ").slice(3).join(" "));
    return { path, log, write, texts, open: () => new OutputLog(path, log) };
  }

  it("is read on from where another agent stopped", () => {
    const o = output();
    o.write("one\ntw");
    o.open().pump(false);
    o.write("o\nthree");
    const second = o.open();
    second.pump(false);
    expect(o.texts()).toEqual(["one", "two"]);
    expect(second.drained).toBe(false);
    second.pump(true);
    expect(o.texts()).toEqual(["one", "two", "three"]);
    expect(second.drained).toBe(true);
  });

  it("waits while the disk is full, and is all there afterwards", () => {
    const o = output();
    o.write("one\ntwo\n");
    symlinkSync("/dev/full", o.log);
    const log = o.open();
    expect(() => log.pump(false)).toThrow(expect.objectContaining({ code: "E_STORAGE_FULL" }));
    unlinkSync(o.log);
    log.pump(false);
    expect(o.texts()).toEqual(["one", "two"]);
  });

  it("of many bytes is all there, in order", () => {
    const o = output();
    const lines = Array.from({ length: 60_000 }, (_, i) => `line ${i}`);
    o.write(`${lines.join("\n")}\n`);
    const log = o.open();
    for (let i = 0; i < 10 && !log.drained; i++) log.pump(true);
    expect(o.texts()).toEqual(lines);
  });
});
