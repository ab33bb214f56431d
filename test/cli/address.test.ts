import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { type AddressFlags, findAddress, nodeAddresses } from "../../cli/address.ts";
import { temporaryDirectory } from "./support.ts";

const none: AddressFlags = { config: undefined, url: undefined, token: undefined, ca: undefined };
const words = { url: "https://hub:10005", token: "admin.x", ca: "PEM" };
const read = { url: words.url, credential: { token: words.token }, ca: "PEM" };

function fileWith(content: unknown): string {
  const file = join(temporaryDirectory(), "admin.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

describe("the hub's address", () => {
  it("comes from --config, else from HUBCTL_CONFIG", () => {
    const file = fileWith(words);
    expect(findAddress({ ...none, config: file }, { HUBCTL_CONFIG: "/nowhere" })).toMatchObject(read);
    expect(findAddress(none, { HUBCTL_CONFIG: file })).toMatchObject(read);
  });

  it("is changed by flags over the file", () => {
    const flags = { ...none, config: fileWith(words), url: "https://other:1", token: "t" };
    expect(findAddress(flags, {})).toMatchObject({
      url: "https://other:1",
      credential: { token: "t" },
      ca: "PEM",
    });
  });

  it("does not show the token of one hub to another", () => {
    const env = { HUBCTL_CONFIG: fileWith(words) };
    expect(() => findAddress({ ...none, url: "https://other:1" }, env)).toThrow(/--url needs --token/);
    expect(findAddress({ ...none, url: "https://other:1", token: "t" }, env).ca).toBeUndefined();
  });

  test.each([
    ["{", /is not JSON/],
    [{ url: "https://hub:1" }, /needs the fields url and token/],
    [{ ...words, token: 7 }, /token must be a text/],
    [{ ...words, url: "http://hub:1" }, /must be written as https:/],
    [{ url: words.url, certificate: "PEM" }, /certificate must have the texts cert and key/],
    [{ url: words.url, certificate: { cert: "PEM", key: "PEM" } }, /certificate: .* cannot be read/],
  ])("is refused from a file with %j", (content, problem) => {
    expect(() => findAddress({ ...none, config: fileWith(content) }, {})).toThrow(problem);
  });

  it("says what to do when there is no file, or it may not be read", () => {
    expect(() => findAddress({ ...none, config: "/nowhere/admin.json" }, {})).toThrow(
      /there is no \/nowhere\/admin\.json.*run hubctl where the hub runs, or give --config/,
    );
    if (process.getuid?.() === 0) return;
    const file = fileWith(words);
    chmodSync(file, 0o000);
    expect(() => findAddress({ ...none, config: file }, {})).toThrow(
      expect.objectContaining({ code: "E_FORBIDDEN" }),
    );
  });
});

describe("where nodes connect", () => {
  const address = { ...read, nodes: undefined, join: undefined };

  it("is what the file says", () => {
    const given = { ...address, nodes: "wss://hub:1", join: "https://hub:2" };
    expect(nodeAddresses(given)).toEqual({ server: "wss://hub:1", join: "https://hub:2", guessed: false });
  });

  it("is guessed from the API's address with the usual ports", () => {
    expect(nodeAddresses(address)).toEqual({
      server: "wss://hub:10000",
      join: "https://hub:10002",
      guessed: true,
    });
    expect(nodeAddresses({ ...address, url: "https://127.0.0.1:10005" }).server).not.toContain(
      "127.0.0.1:10005",
    );
  });
});
