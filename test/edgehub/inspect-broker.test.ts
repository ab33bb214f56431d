import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { certificateFiles } from "../support/mqtt-certificates.ts";
import { startWorld } from "../support/world.ts";
import { edgehub } from "./inspect-run.ts";

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly found: string;
  readonly advice?: string;
}

/** An agent with a broker at such an address, which then is looked at. */
async function brokerAt(scheme: "tcp" | "tls" | "ws" | "wss") {
  const world = await startWorld();
  const files = await certificateFiles(world.directory);
  const address = `${scheme}://127.0.0.1:${await freePort()}`;
  const isEncrypted = scheme === "tls" || scheme === "wss";
  const certificate = isEncrypted
    ? { internalCertFile: files.server.cert, internalPrivateKeyFile: files.server.key }
    : {};
  const credentials = { internalUsername: "press", internalPassword: "hush" };
  await world.agent("edge-1", {
    eventBus: { enable: true, mqttServerInternal: address, ...certificate, ...credentials },
  });
  /** @param mode How the agent is said to be configured. */
  const check = async (mode: "internal" | "external", more: Readonly<Record<string, string>> = {}) => {
    const options = {
      enable: "true",
      mqttMode: mode,
      mqttServerInternal: address,
      mqttServerExternal: address,
      ...certificate,
      internalUsername: "press",
      internalPassword: "hush",
      mqttUsername: "press",
      mqttPassword: "hush",
      ...more,
    };
    const words = Object.entries(options).flatMap(([name, value]) => [`--eventBus.${name}`, value]);
    const place = ["--data-dir", join(world.directory, "edge-1"), "--timeout", "2s"];
    const { out } = await edgehub(["check", "-o", "json", ...place, ...words]);
    const name = mode === "internal" ? "broker" : "external broker";
    return (JSON.parse(out) as Finding[]).find((one) => one.check === name);
  };
  return { address, files, check, ca: isEncrypted ? { tlsMqttCAFile: files.ca } : {}, isEncrypted };
}

describe.each(["tcp", "tls", "ws", "wss"] as const)("edgehub check of a broker at %s://", (scheme) => {
  it("looks at it as the agent does", async () => {
    const { address, check, ca } = await brokerAt(scheme);
    const fine = { state: "ok", found: `${address} lets the agent in` };
    expect([await check("internal"), await check("external", ca)]).toMatchObject([fine, fine]);
  });

  it("tells a wrong password, and a broker that is away", async () => {
    const { check, ca } = await brokerAt(scheme);
    expect(await check("external", { ...ca, mqttPassword: "wrong" })).toMatchObject({
      state: "failed",
      found: expect.stringMatching(/refuses the user name or the password/),
      advice: "set eventBus.mqttUsername and mqttPassword",
    });
    const away = { ...ca, mqttServerExternal: `${scheme}://127.0.0.1:1` };
    expect(await check("external", away)).toMatchObject({
      state: "failed",
      found: `nothing listens at ${scheme}://127.0.0.1:1`,
    });
  });
});

test.each(["tls", "wss"] as const)(
  "edgehub check tells that it does not trust a broker at %s://",
  async (scheme) => {
    const { check, files } = await brokerAt(scheme);
    expect(await check("external")).toMatchObject({
      state: "failed",
      found: expect.stringMatching(/has a certificate that is not trusted/),
      advice: expect.stringMatching(/set eventBus\.tlsMqttCAFile/),
    });
    const missing = join(files.ca, "../none.crt");
    expect(await check("external", { tlsMqttCAFile: missing })).toMatchObject({
      state: "failed",
      found: expect.stringContaining(missing),
      advice: expect.stringMatching(/eventBus\.tlsMqttCAFile/),
    });
  },
);

test("edgehub check tells a port that speaks no MQTT", async () => {
  const server = createServer((socket) =>
    socket
      .on("error", () => {})
      .resume()
      .end("SSH-2.0-somebody\r\n"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const { check } = await brokerAt("tcp");
  for (const scheme of ["tcp", "ws"])
    expect(await check("external", { mqttServerExternal: `${scheme}://127.0.0.1:${port}` })).toMatchObject({
      state: "failed",
      advice: expect.stringMatching(/eventBus\.mqttServerExternal/),
    });
  await new Promise((resolve) => server.close(resolve));
});
