import { appendFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { ProcessRuntime } from "../../edgehub/edged/process-runtime.ts";
import { LineCutter, type LogLine, LogPrinter, parseLogLine, Tail } from "../../edgehub/inspect/log-lines.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { temporaryDirectory, until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";
import { podOf } from "./edged/node.ts";
import { edgehub } from "./inspect-run.ts";

const time = "2026-01-01T00:00:00.000000000Z";
const line = (text: string, tag = "F", stream = "stdout"): string => `${time} ${stream} ${tag} ${text}\n`;

/** A directory with logs of one container, of which the test writes files. */
function logged(files: Readonly<Record<string, string>>, pod = "default_ticker_u1/main") {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const folder = join(path, "edged/logs", pod);
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string): void => appendFileSync(join(folder, name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  return { path, folder, write, argv: (...words: string[]) => ["logs", ...words, "--data-dir", path] };
}

describe("edgehub logs", () => {
  const files = {
    "0.log": line("before"),
    "1.log.20260101-000001": line("one") + line("two, ", "P"),
    "1.log.20260101-000002": line("whole") + line("three", "F", "stderr"),
    "1.log": line("four"),
  };

  test.each([
    [[], "one\ntwo, whole\nthree\nfour\n"],
    [["--tail", "3"], "two, whole\nthree\nfour\n"],
    [["--tail", "0"], ""],
    [["--tail", "2", "--timestamps"], `${time} three\n${time} four\n`],
    [["--previous"], "before\n"],
    [["-c", "main", "-n", "default", "--tail", "1"], "four\n"],
  ])("with %j", async (options, shown) => {
    const { argv } = logged(files);
    expect(await edgehub(argv("ticker", ...options))).toEqual({ code: 0, out: shown, err: "" });
  });

  test.each([
    [["tickr"], 3, /did you mean default\/ticker\?/],
    [["ticker", "-c", "mian"], 3, /no container of pod ticker called mian .*did you mean main\?/],
    [["ticker", "-p", "-f"], 2, /leave out -f/],
    [["ticker", "--tail", "some"], 2, /--tail must be a whole number, got "some"/],
  ])("%j ends with %i", async (words, code, problem) => {
    const { argv } = logged({ "0.log": line("x") });
    expect(await edgehub(argv(...words))).toEqual({ code, out: "", err: expect.stringMatching(problem) });
  });

  it("asks for the container if there are several, and says when there was one start only", async () => {
    const { argv, folder } = logged({ "0.log": line("x") });
    expect((await edgehub(argv("ticker", "-p"))).err).toMatch(/main has no log of an earlier start/);
    mkdirSync(join(folder, "../side"));
    expect((await edgehub(argv("ticker"))).err).toMatch(/several containers: main, side; name one with -c/);
  });

  it("says that no pod has run", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const { code, err } = await edgehub(["logs", "x", "--data-dir", path]);
    expect([code, err]).toEqual([3, expect.stringMatching(/no pod has run on this node/)]);
  });

  it("follows through rotation, a restart and the end, and shows each line once", async () => {
    const { argv, folder, write } = logged({ "0.log": line("1") + line("2") });
    let shown = "";
    const following = edgehub(argv("ticker", "-f", "--tail", "1"), { onOut: (out) => (shown = out) });
    await until("what is there is shown", () => shown === "2\n");
    write("0.log", "2026-01-01T00:00:00.0Z stdout F in two ");
    write("0.log", "writes\n");
    await until("it goes on", () => shown === "2\nin two writes\n");
    write("0.log", line("3"));
    renameSync(join(folder, "0.log"), join(folder, "0.log.20260101-000001"));
    appendFileSync(join(folder, "0.log.20260101-000001"), line("4"));
    write("0.log", line("5"));
    await until("it turns to the new file", () => shown.endsWith("3\n4\n5\n"));
    write("0.log", line("6"));
    write("1.log", line("7"));
    await until("it turns to the next start", () => shown.endsWith("6\n7\n"));
    rmSync(folder, { recursive: true });
    const { code, err } = await following;
    expect([code, err]).toEqual([0, "edgehub: the container was started again (start 1)\n"]);
    expect(shown).toBe("2\nin two writes\n3\n4\n5\n6\n7\n");
  });

  it("stops following when it is told to", async () => {
    const { argv } = logged({ "0.log": line("1") });
    const stop = new AbortController();
    const following = edgehub(argv("ticker", "-f"), { signal: stop.signal, onOut: () => stop.abort() });
    expect(await following).toEqual({ code: 0, out: "1\n", err: "" });
  });
});

describe("log lines", () => {
  it("are the same however the file is read in pieces", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z é]{0,9}$/)), fc.array(fc.nat(20)), (texts, cuts) => {
        const bytes = Buffer.from(texts.map((text) => line(text)).join(""));
        const cutter = new LineCutter();
        const found: Uint8Array[] = [];
        let from = 0;
        for (const cut of [...cuts, bytes.length]) {
          // A reader uses its buffer again.
          const chunk = Buffer.from(bytes.subarray(from, from + cut));
          found.push(...cutter.add(chunk).map((one) => Buffer.from(one)));
          chunk.fill(0);
          from += cut;
        }
        expect(cutter.end()).toEqual([]);
        expect(found.map((one) => Buffer.from(parseLogLine(one).text).toString())).toEqual(texts);
      }),
    );
  });

  test.each(["", "no log line", `${time} stdout X text`, `${"x".repeat(300)} stdout F text`])(
    "of no known form are shown whole: %j",
    (text) => {
      expect(Buffer.from(parseLogLine(Buffer.from(text)).text).toString()).toBe(text);
    },
  );

  it("keep their last ones, however many parts each has", () => {
    const parts = fc.record({
      isPart: fc.boolean(),
      text: fc.constant(Buffer.from("x")),
      time: fc.constant(""),
    });
    fc.assert(
      fc.property(fc.array(parts), fc.nat(10), (lines, most) => {
        const [kept, all] = [new Tail(most), new LogPrinter(false)];
        for (const one of lines) kept.add(one);
        const print = (shown: readonly LogLine[]): string =>
          shown.map((one) => all.print(one).toString()).join("");
        const whole = print(lines)
          .split(/(?<=\n)/)
          .filter(Boolean);
        expect(print(kept.lines())).toBe(whole.slice(most === 0 ? whole.length : -most).join(""));
      }),
    );
  });
});

describe("with a real agent and a pod of plain processes", () => {
  it("lists, describes, reads and enters it", async () => {
    const world = await startWorld();
    const dataDir = join(world.directory, "edge-1");
    onTestFinished(async () => {
      const runtime = new ProcessRuntime(
        { clock: systemClock, log: silentLogger },
        join(dataDir, "edged/process"),
      );
      for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
      await runtime.close();
    });
    const agent = await world.agent("edge-1", { edged: { enable: true, runtime: "process", syncMs: 50 } });
    await until("it is connected", () => agent.connected);
    const main = {
      name: "main",
      image: "none",
      env: [{ name: "WORD", value: "tick" }],
      command: ["/bin/sh", "-c", 'echo "first $WORD"; echo second >&2; exec sleep 600'],
    };
    const pod = podOf("ticker", { containers: [main], terminationGracePeriodSeconds: 1 });
    const draft = {
      node: "edge-1",
      resource: "default/pod/ticker",
      operation: "insert",
      content: pod,
      resourceVersion: "next",
    };
    expect((await world.hub.publishBatch([draft]))[0]).toMatchObject({ ok: true });
    const log = join(dataDir, "edged/logs/default_ticker_uid-ticker/main/0.log");
    await until("it has written", () => existsSync(log));

    const run = (...words: string[]) => {
      const [name = "", ...rest] = words;
      return edgehub([name, "--data-dir", dataDir, "--edged.runtime", "process", ...rest]);
    };
    const running = /^default +ticker +1\/1 +Running +0 /m;
    await until("it is shown as running", async () => running.test((await run("get", "pods")).out));
    expect((await run("describe", "pod", "ticker")).out).toMatch(/^ {2}State +running since/m);
    expect((await run("logs", "ticker")).out.split("\n").sort()).toEqual(["", "first tick", "second"]);

    const script = 'echo "out $WORD"; echo err >&2; exit 7';
    expect(await run("exec", "ticker", "--", "sh", "-c", script)).toEqual({
      code: 7,
      out: "out tick\n",
      err: "err\n",
    });
    expect(await run("exec", "default/ticker", "-c", "main", "--", "printf", "%s", "--help")).toMatchObject({
      code: 0,
      out: "--help",
    });
    expect(await run("exec", "ticker", "--timeout", "50ms", "--", "sleep", "9")).toMatchObject({
      code: 4,
      err: expect.stringMatching(/E_TIMEOUT: sleep did not end within 50 ms/),
    });
    expect(await run("exec", "tick", "--", "true")).toMatchObject({
      code: 3,
      err: expect.stringMatching(/did you mean default\/ticker\?/),
    });
    expect(await run("exec", "ticker", "-c", "other", "--", "true")).toMatchObject({ code: 3 });
    expect(await run("exec", "ticker")).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no command given/),
    });
  });

  it("says that a container runtime is not there", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    writeFileSync(join(path, "edge.db"), "");
    const { code, err } = await edgehub([
      "exec",
      "x",
      "--data-dir",
      path,
      "--edged.remoteRuntimeEndpoint",
      `unix://${join(path, "none.sock")}`,
      "--",
      "true",
    ]);
    expect([code, err]).toEqual([4, expect.stringMatching(/E_NO_MODULE: no container runtime at/)]);
  });
});
