import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type IdentityParts, loadIdentity, renewAt, saveIdentity } from "../../edgehub/identity.ts";
import { createKey, readCertificate, readKey } from "../../platform/certificate.ts";
import { edge1, errorOf, temporaryDirectory } from "./support.ts";
import { vectors } from "./vectors.ts";

const [legacy, later] = vectors.edge;
const parts: IdentityParts = {
  node: edge1,
  ca: readCertificate(vectors.ca.certPem),
  certificate: readCertificate(later?.certPem ?? ""),
  key: readKey(later?.keyPem ?? ""),
};

describe("an identity", () => {
  let directory: string;
  beforeEach(() => {
    directory = join(temporaryDirectory(), "edge");
  });

  it("is nothing on a machine that never joined", () => {
    expect(loadIdentity(directory)).toBeUndefined();
    mkdirSync(directory);
    writeFileSync(join(directory, "ca.crt"), vectors.ca.certPem);
    expect(loadIdentity(directory)).toBeUndefined();
  });

  it("is read as it was saved", () => {
    const saved = saveIdentity(parts, directory);
    expect(loadIdentity(directory)).toEqual(saved);
    expect(saved).toEqual({
      node: edge1,
      caPem: vectors.ca.certPem,
      caHash: vectors.ca.sha256,
      certPem: later?.certPem,
      keyPem: later?.keyPem,
      notBefore: Date.parse(later?.info.notBefore ?? ""),
      notAfter: Date.parse(later?.info.notAfter ?? ""),
    });
  });

  it("lies where only its owner can read it, key and certificate in one file", () => {
    saveIdentity(parts, directory);
    expect(readdirSync(directory).sort()).toEqual(["ca.crt", "identity.pem"]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, "identity.pem")).mode & 0o777).toBe(0o600);
  });

  it("remembers its node whatever name the certificate has", () => {
    const certificate = readCertificate(legacy?.certPem ?? "");
    saveIdentity({ ...parts, certificate, key: readKey(legacy?.keyPem ?? "") }, directory);
    expect(certificate.commonName).toBe("kubeedge.io");
    expect(loadIdentity(directory)?.node).toBe(edge1);
  });

  it.each<[string, (identity: string, ca: string) => void, RegExp]>([
    ["identity.pem is empty", (identity) => truncateSync(identity, 0), /identity\.pem cannot be used/],
    [
      "identity.pem is cut in the key",
      (identity) => truncateSync(identity, 100),
      /identity\.pem cannot be used/,
    ],
    [
      "identity.pem is cut in the certificate",
      (identity) => truncateSync(identity, 500),
      /certificate cannot be read/,
    ],
    [
      "identity.pem is a directory",
      (identity) => {
        rmSync(identity);
        mkdirSync(identity);
      },
      /identity\.pem cannot be used/,
    ],
    ["identity.pem names no node", (identity) => edit(identity, /^node: .*/, ""), /it names no node/],
    [
      "identity.pem names a node that cannot be",
      (identity) => edit(identity, "edge-1", "Edge 1"),
      /it names no node/,
    ],
    ["ca.crt is missing", (_identity, ca) => rmSync(ca), /ca\.crt cannot be used: it is missing/],
    [
      "ca.crt is cut",
      (_identity, ca) => truncateSync(ca, 100),
      /ca\.crt cannot be used: the certificate cannot be read/,
    ],
    [
      "ca.crt is another hub's",
      (_identity, ca) => writeFileSync(ca, vectors.capturedDeployment.caPem),
      /ca\.crt cannot be used: it is not the CA that issued .*identity\.pem/,
    ],
  ])("is refused with the way out if %s", async (_name, damage, text) => {
    saveIdentity(parts, directory);
    damage(join(directory, "identity.pem"), join(directory, "ca.crt"));
    const error = await errorOf(() => loadIdentity(directory));
    expect(error.code).toBe("E_STORE_CORRUPT");
    expect(error.message).toMatch(text);
    expect(error.message).toMatch(/delete it and join again with a token made for this node/);
  });

  it("is refused if its key is another's", async () => {
    saveIdentity({ ...parts, key: await createKey() }, directory);
    const error = await errorOf(() => loadIdentity(directory));
    expect(error.message).toMatch(/its key is not that of its certificate/);
  });

  it("is whole at every moment, the old one or the new one", () => {
    saveIdentity(parts, directory);
    // What a machine that stopped before the last step of saving leaves behind.
    writeFileSync(join(directory, "identity.pem.new"), "node: edge-1\n-----BEGIN EC PRI");
    expect(loadIdentity(directory)?.certPem).toBe(later?.certPem);
    saveIdentity(parts, directory);
    expect(readdirSync(directory).sort()).toEqual(["ca.crt", "identity.pem"]);
  });

  it("is to be renewed after 80 % of its time", () => {
    expect(renewAt({ notBefore: 1_000, notAfter: 2_000 })).toBe(1_800);
  });

  function edit(file: string, search: string | RegExp, replacement: string): void {
    writeFileSync(file, readFileSync(file, "utf8").replace(search, replacement));
  }
});
