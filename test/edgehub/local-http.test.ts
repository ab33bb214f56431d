import { request } from "node:http";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { listenLocally, strangeCaller } from "../../edgehub/local-http.ts";

describe("who may call a server for the programs of this node", () => {
  test.each([
    "127.0.0.1:10550",
    "[::1]:10550",
    "169.254.30.10",
    "localhost:9060",
    "LOCALHOST.",
    "app.localhost",
    "kubernetes",
    "edge-1.factory.example:10550",
    "",
  ])("who calls it %s", (host) => {
    expect(strangeCaller({ host }, ["edge-1.factory.example"])).toBeUndefined();
  });

  test.each(["attacker.example", "127.0.0.1.attacker.example:10550", "localhost.attacker.example", "1.2.3"])(
    "not who calls it %s, as a page whose name was made to point here does",
    (host) => {
      expect(strangeCaller({ host }, ["edge-1"])).toMatch(/Host/);
    },
  );

  test.each(["http://attacker.example", "https://127.0.0.1:10550", "http://127.0.0.1:8080", "null", ""])(
    "not a page from %j",
    (origin) => {
      expect(strangeCaller({ host: "127.0.0.1:10550", origin }, [])).toMatch(/pages/);
    },
  );

  it("a page of its own", () => {
    const own = { host: "127.0.0.1:10550", origin: "http://127.0.0.1:10550" };
    expect(strangeCaller(own, [])).toBe(undefined);
  });
});

it("a strange caller gets 403, and nothing of what it sent is looked at", async () => {
  let asked = 0;
  const server = await listenLocally(
    { host: "127.0.0.1", port: 0, maxConnections: 10 },
    async (_, response) => {
      asked++;
      response.end("secret");
    },
    () => undefined,
  );
  onTestFinished(() => server.close());
  const statusFor = (headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port: server.port, method: "POST", headers, agent: false };
      request(options, (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end("{}");
    });
  expect(await statusFor({ host: "attacker.example" })).toBe(403);
  expect(await statusFor({ origin: "http://attacker.example" })).toBe(403);
  expect(asked).toBe(0);
  expect(await statusFor({})).toBe(200);
});
