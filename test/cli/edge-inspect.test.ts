import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { EdgeStore } from "../../edgehub/store/edge-store.ts";
import { systemClock } from "../../platform/clock.ts";
import { openSqlite } from "../../platform/native-sqlite.ts";
import { openDatabase } from "../../platform/sqlite.ts";
import { createMessage, event, type Message, type MessageDraft, state } from "../../protocol/index.ts";
import { edgehub } from "../edgehub/inspect-run.ts";
import { follow } from "../support/follow.ts";
import { temporaryDirectory } from "./support.ts";

let count = 0;

function message(draft: MessageDraft): Message {
  const stamp = { id: `m-${++count}`, timestamp: 0, delivery: () => state };
  return createMessage({ node: "edge-1", ...draft }, stamp);
}

/** An agent's directory with two resources, and its store, still open as while the agent runs. */
async function agent(): Promise<{ directory: string; store: EdgeStore }> {
  const directory = temporaryDirectory();
  const outbox = { maxMessages: 10, maxBytes: 1 << 20, whenFull: "rejectNew" as const };
  const file = join(directory, "edge.db");
  const options = {
    file,
    create: true,
    synchronous: "normal" as const,
    maxBytes: 0,
    tombstoneMs: 1_000,
    outbox,
  };
  const store = new EdgeStore(options, { clock: systemClock, onDrop: () => {} });
  onTestFinished(() => store.close());
  const put = (resource: string, content: unknown) =>
    store.apply(message({ resource, operation: "update", resourceVersion: "7", content }), "store");
  await put("default/configmap/limits", { data: { max: "80" } });
  await put("default/pod/app", { spec: {} });
  return { directory, store };
}

describe("edgehub get", () => {
  it("shows what the node has", async () => {
    const { directory } = await agent();
    const { code, out, err } = await edgehub(["get", "--data-dir", directory]);
    expect([code, err]).toEqual([0, "2 resources on this node\n"]);
    expect(out).toMatch(
      /^RESOURCE +VERSION +SIZE +CHANGED +SOURCE\ndefault\/configmap\/limits +7 +21 B +\S.* +edgecontroller\n/,
    );
  });

  test.each([
    ["configmap", ["default/configmap/limits"]],
    ["pods", ["default/pod/app"]],
    ["default/*/app", ["default/pod/app"]],
    ["secret", []],
  ])("finds %s", async (pattern, found) => {
    const { directory } = await agent();
    const { code, out } = await edgehub(["get", pattern, "--data-dir", directory, "-o", "json"]);
    expect([code, JSON.parse(out).map((one: { resource: string }) => one.resource)]).toEqual([0, found]);
  });

  it("shows a kind with the columns of kubectl, and more of them when asked", async () => {
    const { directory, store } = await agent();
    const metadata = { name: "modes", namespace: "plant", creationTimestamp: "2026-01-01T00:00:00Z" };
    const content = { metadata, data: { a: "1", b: "2" } };
    await store.apply(
      message({ resource: "plant/configmap/modes", operation: "update", resourceVersion: "8", content }),
      "store",
    );
    const inPlant = ["get", "cm", "-n", "plant", "--data-dir", directory];
    const now = Date.parse("2026-01-01T00:05:00Z");
    // One in another namespace has no metadata, so all are shown by their paths.
    expect((await edgehub(inPlant, { now })).out).toMatch(/^RESOURCE[\s\S]*\nplant\/configmap\/modes +8 /);
    await store.apply(
      message({ resource: "default/configmap/limits", operation: "delete", resourceVersion: "9" }),
      "store",
    );
    expect((await edgehub(inPlant, { now })).out).toMatch(
      /^NAMESPACE +NAME +DATA +AGE\nplant +modes +2 +5m\n$/,
    );
    expect((await edgehub([...inPlant, "-o", "wide"], { now })).out).toMatch(
      /^NAMESPACE +NAME +DATA +AGE +VERSION +SIZE +CHANGED +SOURCE +UID\n/,
    );
  });

  test.each([
    [["configmap", "limits"]],
    [["cm/limits"]],
    [["configmaps", "default/limits"]],
    [["cm", "limits", "-n", "default"]],
    [["default/configmap/limits"]],
  ])("gives the one that %j names, not a list", async (words) => {
    const { directory } = await agent();
    const { code, out } = await edgehub(["get", ...words, "--data-dir", directory, "-o", "json"]);
    expect([code, JSON.parse(out)]).toMatchObject([0, { resource: "default/configmap/limits" }]);
    expect((await edgehub(["get", ...words, "--data-dir", directory])).err).toBe("");
  });

  test.each([
    [["configmap", "limit"], 3, /no configmap limit on this node; did you mean default\/limits\?/],
    [["configmap", "limits", "-n", "plant"], 3, /no configmap plant\/limits .*did you mean default\/limits/],
    [["secret", "x"], 3, /no secret x on this node; there is none at all/],
    [["confgmap"], 3, /no kind confgmap on this node; did you mean configmap\?/],
    [["widgets"], 3, /no kind widgets on this node; kinds here: configmap, pod/],
    [["default/configmap/none"], 3, /no resource default\/configmap\/none on this node; kinds here/],
    [["configmap", "a", "b"], 2, /too many words/],
  ])("%j ends with %i", async (words, code, problem) => {
    const { directory } = await agent();
    const { out, ...ran } = await edgehub(["get", ...words, "--data-dir", directory]);
    expect([out, ran]).toEqual(["", { code, err: expect.stringMatching(problem) }]);
  });

  it("gives contents as YAML", async () => {
    const { directory } = await agent();
    const { out } = await edgehub(["get", "configmap", "-o", "yaml"], {
      environment: { EDGEHUB_DATA_DIR: directory },
    });
    expect(parse(out)).toMatchObject([{ version: "7", content: { data: { max: "80" } } }]);
  });

  it("names the kinds there are when none fits", async () => {
    const { directory } = await agent();
    expect(await edgehub(["get", "secret", "--data-dir", directory])).toEqual({
      code: 0,
      out: "",
      err: "no secret on this node; kinds here: configmap, pod\n",
    });
  });
});

describe("edgehub outbox", () => {
  it("shows what waits to go up, and what the hub refused", async () => {
    const { directory, store } = await agent();
    const up = { resource: "device/temperature", operation: "upload", group: "user", source: "bus" };
    const refused = message({ ...up, content: { celsius: 20 }, delivery: event() });
    await store.outbox.put(refused);
    await store.outbox.put(message({ ...up, content: { celsius: 21 }, delivery: event({ ttlMs: 60_000 }) }));
    const [[first] = []] = await firstPage(store);
    await store.outbox.refuse({ item: first, sends: 1 } as never, "E_FORBIDDEN", "no consumer may see it");
    const { code, out, err } = await edgehub(["outbox", "--data-dir", directory]);
    expect([code, err]).toEqual([
      0,
      expect.stringMatching(/^1 message waiting \(\d+ B\), the oldest accepted .*; 1 refused by the hub\n$/),
    ]);
    expect(out).toMatch(
      /device\/temperature +upload +user +bus .* refused: E_FORBIDDEN: no consumer may see it\n/,
    );
    expect(out).toMatch(/device\/temperature +upload +user +bus .* in \S+ +waiting\n/);
    expect(JSON.parse((await edgehub(["outbox", "--data-dir", directory, "-o", "json"])).out)).toMatchObject([
      { state: "refused", content: { celsius: 20 }, refusal: { code: "E_FORBIDDEN" } },
      { state: "waiting", content: { celsius: 21 }, delivery: "event" },
    ]);
  });
});

async function firstPage(store: EdgeStore) {
  const abort = new AbortController();
  for await (const batch of follow(store.outbox, abort.signal)) return [batch];
  return [];
}

describe("bad input", () => {
  test.each([
    [["get", "--nope"], 2, /E_BAD_OPTION: .*--nope.*see edgehub get --help/],
    [["get", "a", "b", "c"], 2, /too many words: a b c/],
    [["outbox", "a"], 2, /too many words: a/],
    [["get", "-o", "xml"], 2, /-o must be table \| json \| yaml \| wide, got "xml"/],
    [["get", "-c", "/nowhere.yaml"], 2, /cannot read \/nowhere\.yaml/],
  ])("%j ends with %i", async (argv, code, problem) => {
    expect(await edgehub(argv)).toEqual({ code, out: "", err: expect.stringMatching(problem) });
  });

  it("says where to look when there is no database", async () => {
    expect(await edgehub(["get", "--data-dir", "/nowhere/at-all"])).toMatchObject({
      code: 3,
      err: expect.stringMatching(
        /E_NOT_FOUND: there is no directory .*name the agent's directory with --data-dir/,
      ),
    });
  });

  it("does not read the database of another program", async () => {
    const directory = temporaryDirectory();
    openDatabase({
      file: join(directory, "edge.db"),
      migrations: ["CREATE TABLE t (x)"],
      applicationId: 7,
      synchronous: "normal",
      maxBytes: 0,
      cacheBytes: 1 << 16,
      checkpointPages: 10,
      create: true,
    }).close();
    const { code, err } = await edgehub(["get", "--data-dir", directory]);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/E_STORE_CORRUPT: .*edge\.db is the database of another program/),
    ]);
  });

  test.each([
    [99, 1, /E_STORE_CORRUPT: .*was written by a newer version of edgehub \(schema 99, .*read it with that/],
    [
      1,
      1,
      /E_STORAGE: .*was written by an older version of edgehub \(schema 1, .*start this version of it once/,
    ],
  ])("says so of a database of schema %i", async (schema, code, problem) => {
    const { directory, store } = await agent();
    store.database.pragma(`user_version = ${schema}`);
    store.close();
    expect(await edgehub(["get", "--data-dir", directory])).toEqual({
      code,
      out: "",
      err: expect.stringMatching(problem),
    });
  });

  it("says so of a database that is empty, or locked", async () => {
    const { directory, store } = await agent();
    const empty = temporaryDirectory();
    writeFileSync(join(empty, "edge.db"), "");
    expect(await edgehub(["get", "--data-dir", empty])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/edge\.db is empty: edgehub has not set it up yet/),
    });
    expect(statSync(join(empty, "edge.db")).size).toBe(0);
    store.close();
    const holder = openSqlite(join(directory, "edge.db"), {});
    holder.pragma("locking_mode = EXCLUSIVE");
    holder.exec("BEGIN EXCLUSIVE");
    onTestFinished(() => void holder.close());
    expect(await edgehub(["get", "--data-dir", directory])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/E_STORE_IN_USE: .*edge\.db is in use by another process/),
    });
  });

  it("changes nothing of the database, whether an agent has it open or not", async () => {
    const { directory, store } = await agent();
    const file = join(directory, "edge.db");
    const looks = [["get"], ["get", "pods"], ["get", "messages"], ["describe", "pod", "app"], ["check"]];
    const lookAround = async (): Promise<void> => {
      for (const words of looks) await edgehub([...words, "--data-dir", directory]);
    };
    const before = [readFileSync(file), readFileSync(`${file}-wal`)];
    await lookAround();
    expect([readFileSync(file), readFileSync(`${file}-wal`)]).toEqual(before);
    store.close();
    const closed = readFileSync(file);
    await lookAround();
    expect(readFileSync(file)).toEqual(closed);
  });

  it("names the subcommands there are", async () => {
    expect(await edgehub(["gte"])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/no subcommand "gte"; there are get, describe, /),
    });
  });
});
