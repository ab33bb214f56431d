import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { tailOf } from "../../../edgehub/edged/log-tail.ts";
import { podOf, TestNode } from "./node.ts";

const line = (words: string, tag = "F"): string => `2026-01-01T00:00:00.000000001Z stderr ${tag} ${words}\n`;

describe("the end of a log", () => {
  it("is its words, without times, and with long lines whole", () => {
    expect(tailOf(`ut F cut off\n${line("one")}${line("tw", "P")}${line("o")}`)).toBe("one\ntwo\n");
  });

  it("has 80 lines and 2048 bytes at most", () => {
    const lines = Array.from({ length: 100 }, (_, n) => line(`${n}`)).join("");
    expect(tailOf(lines).split("\n").slice(0, 2)).toEqual(["20", "21"]);
    expect(tailOf(line("x".repeat(5_000)))).toBe(`${"x".repeat(2_047)}\n`);
  });
});

it("the end of the log stands for last words, if the container asks for that and failed without any", async () => {
  const node = new TestNode();
  await node.start();
  const containers = ["asks", "does-not"].map((name) => ({
    name,
    image: "app:1",
    ...(name === "asks" ? { terminationMessagePolicy: "FallbackToLogsOnError" } : {}),
  }));
  await node.put("default/pod/web", podOf("web", { restartPolicy: "Never", containers }));
  await node.pass(1_000);
  for (const { name } of containers) {
    const container = node.runtime.container(name);
    container.logPath = join(node.directory, "logs", name);
    mkdirSync(dirname(container.logPath), { recursive: true });
    writeFileSync(container.logPath, line("out of paper"));
    node.runtime.end(name, 1);
  }
  await node.pass(1_000);
  const states = (await node.status("web")).containerStatuses.map((one) => one.state.terminated?.message);
  expect(states).toEqual(["out of paper\n", undefined]);
});
