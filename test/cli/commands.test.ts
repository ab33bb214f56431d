import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { parse } from "yaml";
import { adminOf, configMap, hubctl, startHubOfTwoNodes, type TestHub } from "./support.ts";

/** Every command against a real hub, with a connected node edge-1 and a known node edge-2 that is away. */
let hub: TestHub;

beforeAll(async () => {
  hub = await startHubOfTwoNodes();
});
afterAll(() => hub.close());

const acked = (...files: string[]) => [
  "publish",
  ...files.flatMap((file) => ["-f", file]),
  "--until",
  "acked",
];

describe("token", () => {
  it("creates a token and prints the command for the edge machine", async () => {
    const { code, out, err } = await hub.hubctl([
      "token",
      "create",
      "--ttl",
      "1h",
      "--uses",
      "2",
      "--label",
      "site=a",
    ]);
    expect(code).toBe(0);
    expect(out).toMatch(/^Join token [0-9a-f]{16} for 2 machines, good for 1h:\n\n[0-9a-f]{64}\.\S+\n\n/);
    expect(out).toMatch(
      / {2}EDGEHUB_HUB_TOKEN=\S+ edgehub --hub\.server wss:\/\/127\.0\.0\.1:\d+ --hub\.join https:\/\/127\.0\.0\.1:\d+\n/,
    );
    expect(err).toBe("");
  });

  it("lists tokens and revokes them", async () => {
    const made = (await hub.json(["token", "create", "--node", "edge-9"])) as { id: string; command: string };
    expect(made.command).toMatch(/ edgehub --node edge-9 /);
    expect((await hub.hubctl(["token", "revoke", made.id])).out).toBe(`token ${made.id} is revoked\n`);
    const listed = (await hub.json(["token", "list"])) as { id: string; revokedAt: string | null }[];
    expect(listed.find((one) => one.id === made.id)?.revokedAt).toMatch(/^\d{4}-.*Z$/);
    expect((await hub.hubctl(["token", "list"])).out).toMatch(new RegExp(`${made.id} +revoked`));
  });

  it("says so when there is no such token", async () => {
    const { code, err } = await hub.hubctl(["token", "revoke", "nonsense"]);
    expect([code, err]).toEqual([
      3,
      "hubctl: E_NOT_FOUND: no token has the id nonsense; see: hubctl token list\n",
    ]);
  });
});

describe("nodes", () => {
  it("shows who is connected, as a table, JSON and YAML", async () => {
    const { out } = await hub.hubctl(["nodes", "list"]);
    expect(out).toMatch(/^NODE +STATE +SINCE +DIALECT +TRANSPORT +BACKLOG/);
    expect(out).toMatch(/edge-1 +connected +\S.* native +wss /);
    expect(out).toMatch(/edge-2 +not joined .* site=b/);
    const plain = await hub.json(["nodes", "list"]);
    expect(plain).toContainEqual(
      expect.objectContaining({ node: "edge-2", connected: false, connectedAt: null }),
    );
    const yaml = parse((await hub.hubctl(["nodes", "list", "-o", "yaml"])).out);
    expect(yaml.map((one: { node: string }) => one.node)).toEqual(["edge-1", "edge-2"]);
  });

  it("fits the table to the terminal", async () => {
    const { out } = await hub.hubctl(["nodes", "list", "--no-color"], { columns: 70 });
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(70);
    expect(out).not.toContain("\u001b[");
  });

  it("adds a node and changes its labels", async () => {
    expect((await hub.hubctl(["nodes", "add", "edge-3", "--label", "a=b"])).out).toBe(
      "node edge-3 is known, with labels a=b\n",
    );
    expect(await hub.json(["nodes", "add", "edge-3", "--label", "c=d"])).toMatchObject({
      labels: { c: "d" },
    });
  });

  it("does not lose waiting messages without being forced to", async () => {
    await hub.hubctl(["nodes", "add", "edge-4"]);
    await hub.hubctl(["publish", "-f", hub.file("a.yaml", configMap("a")), "--node", "edge-4"]);
    const refused = await hub.hubctl(["nodes", "remove", "edge-4"]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringMatching(/1 message waiting: add --force/)]);
    expect((await hub.hubctl(["nodes", "remove", "edge-4", "--force"])).out).toMatch(
      /forgotten, and 1 message with it/,
    );
    const gone = await hub.hubctl(["nodes", "remove", "edge-4"]);
    expect([gone.code, gone.err]).toEqual([
      3,
      expect.stringMatching(/^hubctl: E_UNKNOWN_NODE: .*edge-4\n {2}see the nodes/),
    ]);
  });

  it("revokes certificates", async () => {
    expect((await hub.hubctl(["nodes", "revoke", "edge-2"])).out).toBe(
      "0 certificates of node edge-2 revoked\n",
    );
  });

  it("tells of every coming and going until it is interrupted", async () => {
    const interrupted = new AbortController();
    const watching = hub.hubctl(["nodes", "list", "-w", "-o", "json"], {
      signal: interrupted.signal,
      onOut: (out) => out.includes('"edge-5","connected":true') && interrupted.abort(),
    });
    await hub.edge("edge-5");
    const { code, out } = await watching;
    expect(code).toBe(130);
    const lines = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual(
      expect.objectContaining({ node: "edge-1", connected: true, dialect: "native", transport: "wss" }),
    );
  });
});

describe("publish, get and where", () => {
  it("publishes files, folders and standard input, and shows where they are", async () => {
    hub.file("p1.yaml", `${configMap("one")}\n---\n${configMap("two")}`);
    const published = await hub.hubctl(
      [
        ...acked(hub.file("p1.yaml", `${configMap("one")}\n---\n${configMap("two")}`), "-"),
        "--node",
        "edge-1",
      ],
      {
        stdin: JSON.stringify({ kind: "List", apiVersion: "v1", items: [JSON.parse(configMap("three"))] }),
      },
    );
    expect(published.err).toBe("");
    expect(published.out).toMatch(
      /edge-1 +default\/configmap\/three +\d+ +acked by the node\n3 of 3 messages to 1 node accepted, 3 acked by the node, in /,
    );
    expect((await hub.hubctl(["get", "edge-1", "configmaps"])).out).toMatch(
      /default\/configmap\/one +\d+ +\S.* current\n/,
    );
    const one = (await hub.json(["get", "edge-1", "default/configmap/one"])) as {
      state: string;
      messages: { stage: string }[];
    };
    expect([one.state, one.messages[0]?.stage]).toEqual(["current", "checkpointed"]);
    expect((await hub.hubctl(["get", "edge-1", "default/configmap/one"])).out).toMatch(
      /node has +\d+, since .*\n(.*\n)+.* checkpointed /,
    );
    expect((await hub.hubctl(["where", "edge-1", "default/configmap/two"])).out).toMatch(
      /stage +checkpointed\naccepted +\d{4}-.*\nsent .*\npersisted .*\ncheckpointed /,
    );
    const [entry] = (await hub.json(["where", "edge-1", "--limit", "1"])) as { id: string }[];
    expect((await hub.hubctl(["where", "edge-1", entry?.id ?? ""])).code).toBe(0);
  });

  it("publishes to the nodes of a selector, and deletes", async () => {
    const file = hub.file("c.yaml", configMap("c"));
    expect((await hub.hubctl(["publish", "-f", file, "-l", "site=b"])).out).toMatch(
      /edge-2 +default\/configmap\/c/,
    );
    await hub.hubctl([...acked(file), "--node", "edge-1"]);
    expect((await hub.hubctl([...acked(file), "--node", "edge-1", "--delete"])).code).toBe(0);
    expect((await hub.hubctl(["get", "edge-1", "default/configmap/c"])).out).toMatch(/state +deleted/);
  });

  it("says that a version is known already", async () => {
    const file = hub.file("v.yaml", configMap("v"));
    const at = (version: string) =>
      hub.json([...acked(file), "--node", "edge-1", "--resource-version", version]);
    expect(await at("9000")).toMatchObject([{ version: "9000", stale: false, state: "acked" }]);
    expect(await at("8999")).toMatchObject([{ version: "9000", stale: true, state: "acked" }]);
  });

  it("gives the code, the text and what to do for everything that failed, and goes on with the rest", async () => {
    const argv = ["publish", "-f", hub.file("d.yaml", configMap("d")), "--node", "edge-1", "--node", "ghost"];
    const { code, out, err } = await hub.hubctl(argv);
    expect(code).toBe(1);
    expect(out).toMatch(
      /edge-1 .* accepted by the hub\nghost +default\/configmap\/d +- +failed: E_UNKNOWN_NODE\n1 of 2 messages/,
    );
    expect(err).toMatch(
      /^hubctl: E_UNKNOWN_NODE: no node is called ghost; .*\n {2}default\/configmap\/d to ghost \(.*d\.yaml:1\)\n/,
    );
  });

  it("waits for the ack no longer than it is told to", async () => {
    const argv = [...acked(hub.file("e.yaml", configMap("e"))), "--node", "edge-2", "--timeout", "300ms"];
    const { code, out, err } = await hub.hubctl(argv);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/E_TIMEOUT: edge-2 has not acknowledged it within \d+ ms/),
    ]);
    expect(out).toMatch(/accepted, then E_TIMEOUT\n1 of 1 message/);
  });

  it("does not wait for the ack of what is sent once only", async () => {
    const argv = [
      "publish",
      "--resource",
      "twin/x",
      "--operation",
      "update",
      "--group",
      "user",
      "--node",
      "edge-1",
    ];
    expect((await hub.hubctl([...argv, "--content", "1", "--until", "acked"])).code).toBe(0);
  });

  it("follows messages until they are done", async () => {
    await hub.hubctl(["publish", "-f", hub.file("f.yaml", configMap("f")), "--node", "edge-1"]);
    const { code, out } = await hub.hubctl(["where", "edge-1", "default/configmap/f", "-w"]);
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/Z {2}default\/configmap\/f version \d+ {2}checkpointed\n$/),
    ]);
    const late = await hub.hubctl(["where", "edge-2", "-w", "--timeout", "300ms"]);
    expect([late.code, late.err]).toEqual([
      4,
      expect.stringMatching(/still on the way; is the node connected\?/),
    ]);
  });

  it("helps on when nothing is found", async () => {
    const kinds = await hub.hubctl(["get", "edge-1", "pods"]);
    expect([kinds.code, kinds.err]).toEqual([0, "Nothing of edge-1 matches pods. Kinds there: configmap\n"]);
    expect((await hub.hubctl(["get", "edge-1", "default/pod/x"])).code).toBe(3);
    expect((await hub.hubctl(["where", "edge-1", "default/pod/x"])).code).toBe(3);
    expect((await hub.hubctl(["where", "ghost"])).code).toBe(3);
    expect(
      (await hub.hubctl(["publish", "-f", hub.file("g.yaml", configMap("g")), "-l", "site=x"])).err,
    ).toMatch(/there are: site=b/);
  });
});

describe("queue", () => {
  it("shows what waits, with content", async () => {
    await hub.hubctl([
      "publish",
      "-f",
      hub.file("q.yaml", configMap("q", { key: "value" })),
      "--node",
      "edge-2",
    ]);
    const list = await hub.hubctl(["queue", "list", "edge-2"]);
    expect(list.out).toMatch(/\d+ +default\/configmap\/q +\d+ +update +\d+ B +\S.* 0 +accepted/);
    expect(list.err).toMatch(/waiting \(.*\), 0 in flight, 0 refused; edge-2 is away/);
    const entries = (await hub.json(["queue", "list", "edge-2"])) as { position: number; resource: string }[];
    const position = String(entries.find((one) => one.resource.endsWith("/q"))?.position);
    expect(await hub.json(["queue", "show", "edge-2", position])).toMatchObject({
      content: { data: { key: "value" } },
    });
    expect((await hub.hubctl(["queue", "show", "edge-2", position])).out).toMatch(
      /resource +default\/configmap\/q\n\napiVersion: v1\n/,
    );
    expect((await hub.hubctl(["queue", "show", "edge-2", "999999"])).code).toBe(3);
    expect((await hub.hubctl(["queue", "show", "edge-2", "x"])).code).toBe(2);
  });

  it("shows why a node refused something, and sends it again", async () => {
    const bad = [
      "publish",
      "--node",
      "edge-1",
      "--resource",
      "default/configmap/bad",
      "--operation",
      "patch",
      "--content",
      "{}",
    ];
    const refused = await hub.hubctl([...bad, "--until", "acked"]);
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringMatching(
        /^hubctl: E_REFUSED: .*MetaManager takes.*\n(.*\n)* {2}see why with: hubctl queue list/,
      ),
    ]);
    expect((await hub.hubctl(["queue", "list", "edge-1"])).out).toMatch(
      /default\/configmap\/bad .* refused +E_BAD_OPERATION: /,
    );
    expect((await hub.hubctl(["where", "edge-1", "--state", "refused", "-w"])).code).toBe(1);
    expect(await hub.json(["queue", "requeue", "edge-1"])).toEqual({ node: "edge-1", requeued: 1 });
    expect((await hub.hubctl(["queue", "requeue", "edge-1", "999999"])).code).toBe(3);
    expect((await hub.hubctl(["queue", "requeue", "edge-2"])).out).toBe("edge-2 has refused nothing\n");
  });
});

describe("bad input", () => {
  test.each([
    [["frobnicate"], 2, /unknown command 'frobnicate' \(see: hubctl --help\)/],
    [["tokn"], 2, /did you mean token\?/],
    [["token", "create", "--ttl", "5"], 2, /--ttl: a duration is a number with a unit/],
    [["token", "create", "--uses", "0"], 2, /--uses: must be a whole number 1\.\./],
    [
      ["token", "create", "--nope"],
      2,
      /unknown option '--nope'; did you mean --node\? \(see: hubctl token create --help\)/,
    ],
    [["get"], 2, /missing required argument 'NODE'/],
    [["nodes", "list", "extra"], 2, /too many arguments/],
    [["nodes", "list", "-o", "xml"], 2, /--output: must be table, json, yaml/],
    [["nodes", "add", "UPPER"], 2, /E_NO_NODE: a node name must be a DNS subdomain/],
    [["publish", "--node", "edge-1"], 2, /say what to publish: -f FILE/],
    [["publish", "-f", "/nowhere.yaml", "--node", "edge-1"], 2, /there is no file \/nowhere\.yaml/],
    [["publish", "--resource", "a/b/c", "--content", "{", "--node", "edge-1"], 2, /--content is not JSON/],
    [["publish", "--resource", "a/b/c", "-f", "x", "--node", "edge-1"], 2, /either -f or --resource/],
    [["publish", "--resource", "a/b/c", "--content", "1"], 2, /say to which nodes/],
    [["where", "edge-1", "--state", "lost"], 2, /--state: must be accepted/],
    [["where", "edge-1", "--limit", "0"], 2, /--limit: must be a whole number 1\.\.1000/],
  ])("%j ends with %i", async (argv, expected, problem) => {
    const { code, out, err } = await hub.hubctl(argv);
    expect([code, out, err]).toEqual([expected, "", expect.stringMatching(problem)]);
  });

  it("prints the help of a group without a command, and fails", async () => {
    const { code, out, err } = await hub.hubctl(["queue"]);
    expect([code, out, err]).toEqual([
      2,
      "",
      expect.stringMatching(/^Usage: hubctl queue .*requeue <NODE> \[POSITION\]/s),
    ]);
  });

  it("names file and line of a bad manifest, and publishes nothing", async () => {
    const file = hub.file("bad.yaml", `${configMap("fine")}\n---\nkind: Pod\n`);
    const { code, err } = await hub.hubctl(["publish", "-f", file, "--node", "edge-1"]);
    expect([code, err]).toEqual([2, expect.stringMatching(/bad\.yaml:3: apiVersion must be a text/)]);
    expect((await hub.hubctl(["get", "edge-1", "default/configmap/fine"])).code).toBe(3);
  });
});

describe("reaching the hub", () => {
  it("goes by address, token and CA as well", async () => {
    const { url, token, ca } = adminOf(hub);
    const flags = ["--url", url, "--token", token, "--ca", hub.file("ca.pem", ca)];
    expect((await hubctl([...flags, "nodes", "list"])).code).toBe(0);
    expect((await hubctl(["nodes", "list"], { env: { HUBCTL_CONFIG: hub.config } })).code).toBe(0);
  });

  it("tells an unreachable hub from a wrong token and a wrong certificate", async () => {
    const { url, token, ca } = adminOf(hub);
    const file = (name: string, words: object) =>
      hub.file(name, JSON.stringify({ url, token, ca, ...words }));
    const list = (config: string) => hubctl(["--config", config, "--timeout", "300ms", "nodes", "list"]);
    const dead = await list(file("dead.json", { url: "https://127.0.0.1:1" }));
    expect([dead.code, dead.err]).toEqual([
      4,
      expect.stringMatching(
        /^hubctl: E_TIMEOUT: cannot connect to https:\/\/127\.0\.0\.1:1: .*ECONNREFUSED.*\n {2}is the hub running/,
      ),
    ]);
    const wrong = await list(file("wrong.json", { token: "admin.wrong" }));
    expect([wrong.code, wrong.err]).toEqual([5, expect.stringMatching(/^hubctl: E_BAD_TOKEN: /)]);
    const stranger = await list(file("stranger.json", { ca: undefined }));
    expect([stranger.code, stranger.err]).toEqual([
      5,
      expect.stringMatching(/^hubctl: E_IDENTITY: .*\n {2}.*give the right --ca/),
    ]);
  });
});
