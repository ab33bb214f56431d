import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { type ConnectOptions, connectHub } from "../../sdk/index.ts";
import { adminOf, configMap, hubctl, startHubOfTwoNodes, type TestHub } from "./support.ts";

/** `hubctl controller` against a real hub, with a connected node edge-1 and a known node edge-2 that is away. */
let hub: TestHub;

beforeAll(async () => {
  hub = await startHubOfTwoNodes();
});
afterAll(() => hub.close());

describe("controller", () => {
  it("gives rights and writes a file that only its owner can read", async () => {
    const file = join(hub.directory, "planner.json");
    const argv = [
      "controller",
      "create",
      "planner",
      "--nodes",
      "edge-1",
      "--groups",
      "resource",
      "--verbs",
      "publish,read",
    ];
    const { code, out } = await hub.hubctl([...argv, "--out", file]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^Controller planner may publish, read for edge-1; its token, without end:\n\nplanner\.\S+\n/,
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await hubctl(["--config", file, "nodes", "list", "-o", "json"])).code).toBe(0);
    const forbidden = await hubctl(["--config", file, "token", "list"]);
    expect([forbidden.code, forbidden.err]).toEqual([
      5,
      expect.stringMatching(/^hubctl: E_FORBIDDEN: needs the verb admin\n/),
    ]);
    const other = await hubctl([
      "--config",
      file,
      "publish",
      "-f",
      hub.file("b.yaml", configMap("b")),
      "--node",
      "edge-2",
    ]);
    expect([other.code, other.err]).toEqual([
      1,
      expect.stringMatching(/E_FORBIDDEN: not allowed for node edge-2/),
    ]);
    // Neither the controller's token nor the file is replaced by accident.
    expect((await hub.hubctl([...argv, "--out", file])).code).toBe(2);
    expect((await hub.hubctl(argv)).err).toMatch(/exists, and a new token ends the old one; add --replace/);
    expect((await hub.hubctl([...argv, "--replace"])).code).toBe(0);
    const old = await hubctl(["--config", file, "nodes", "list"]);
    expect([old.code, old.err]).toEqual([5, expect.stringMatching(/^hubctl: E_BAD_TOKEN: /)]);
  });

  it("gets a certificate whose key was made here, good for this program and the SDK", async () => {
    const file = join(hub.directory, "watcher.json");
    const argv = ["controller", "certificate", "watcher", "--out", file];
    const early = await hub.hubctl(argv);
    expect([early.code, early.err]).toEqual([
      3,
      expect.stringMatching(/E_NOT_FOUND: no controller is called/),
    ]);
    expect(existsSync(file)).toBe(false);
    await hub.hubctl(["controller", "create", "watcher", "--nodes", "*", "--verbs", "read"]);
    const { code, out, err } = await hub.hubctl([...argv, "--days", "30"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(
      /^Certificate [0-9a-f]+ of controller watcher, good until \d{4}-.*Z, is in .*watcher\.json, with its key and the hub's CA\.\n/,
    );
    expect(out).toContain("connectHub(JSON.parse(readFileSync(");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    // As it stands there.
    const client = await connectHub(JSON.parse(readFileSync(file, "utf8")) as ConnectOptions);
    expect((await client.nodes()).length).toBeGreaterThan(0);
    await client.close();
    expect((await hubctl(["--config", file, "nodes", "list", "-o", "json"])).code).toBe(0);
    expect((await hubctl(["--config", file, "token", "list"])).err).toMatch(/^hubctl: E_FORBIDDEN: /);
    // A token that is given counts before the certificate of the file.
    const { token } = adminOf(hub);
    expect((await hubctl(["--config", file, "--token", token, "token", "list"])).code).toBe(0);
  });

  it("does not overwrite a key by accident", async () => {
    await hub.hubctl(["controller", "create", "careful", "--nodes", "*", "--verbs", "read"]);
    const file = hub.file("careful.json", "precious");
    const argv = ["controller", "certificate", "careful", "--out", file];
    const refused = await hub.hubctl(argv);
    expect([refused.code, refused.err]).toEqual([
      2,
      expect.stringMatching(/careful\.json exists; name another file, or add --replace/),
    ]);
    expect(readFileSync(file, "utf8")).toBe("precious");
    expect(await hub.json([...argv, "--replace"])).toEqual({
      name: "careful",
      serial: expect.stringMatching(/^[0-9a-f]+$/),
      file,
      endsAt: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test.each([
    [["watcher"], /say where key and certificate go: --out/],
    [["watcher", "--out", "x.json", "--days", "0"], /--days: must be a whole number 1\.\.36500/],
    [[], /missing required argument/],
  ])("gets no certificate for %j", async (given, problem) => {
    const { code, err } = await hub.hubctl(["controller", "certificate", ...given]);
    expect([code, err]).toEqual([2, expect.stringMatching(problem)]);
  });

  it("is not locked out by its own certificate unless it insists, and is told when its certificate ends with it", async () => {
    const file = join(hub.directory, "root.json");
    await hub.hubctl(["controller", "create", "root", "--nodes", "*", "--verbs", "admin"]);
    await hub.hubctl(["controller", "certificate", "root", "--out", file]);
    const careful = await hubctl(["--config", file, "controller", "revoke", "root"]);
    expect([careful.code, careful.err]).toEqual([
      2,
      expect.stringMatching(/would lock itself out; add --force/),
    ]);
    expect((await hub.hubctl(["controller", "revoke", "root"])).code).toBe(0);
    const late = await hubctl(["--config", file, "nodes", "list"]);
    expect([late.code, late.err]).toEqual([5, expect.stringMatching(/^hubctl: E_REVOKED: /)]);
  });

  it("lists and revokes", async () => {
    await hub.hubctl(["controller", "create", "reader", "--nodes", "*", "--verbs", "read", "--ttl", "1d"]);
    expect((await hub.hubctl(["controller", "revoke", "reader"])).out).toBe("controller reader is revoked\n");
    expect((await hub.hubctl(["controller", "list"])).out).toMatch(/reader +revoked .* read +\* /);
    expect(await hub.json(["controller", "list"])).toContainEqual(
      expect.objectContaining({ name: "admin", revokedAt: null }),
    );
    expect((await hub.hubctl(["controller", "revoke", "nobody"])).code).toBe(3);
    expect((await hub.hubctl(["controller", "revoke", "admin"])).err).toMatch(
      /would lock itself out; add --force/,
    );
  });

  test.each([
    [[], /say what it may do/],
    [["--nodes", "*", "--verbs", "publish"], /these verbs need --groups/],
    [["--nodes", "*", "--verbs", "dance"], /--verbs: must be publish, subscribe/],
  ])("is refused with rights %j", async (rights, problem) => {
    const { code, err } = await hub.hubctl(["controller", "create", "x", ...rights]);
    expect([code, err]).toEqual([2, expect.stringMatching(problem)]);
  });
});
