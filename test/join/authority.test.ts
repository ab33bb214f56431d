import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, test } from "vitest";
import { type Authority, type AuthorityOptions, openAuthority } from "../../cloudhub/join/authority.ts";
import { createKey, isIssuedBy, readCertificate, readKey, sha256Hex } from "../../platform/certificate.ts";
import { issueCertificate } from "../../platform/x509.ts";
import type { NodeId } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { dayMs, edge1, errorOf, hourMs, keyAndRequest, temporaryDirectory } from "./support.ts";
import { bytesOf, type EdgeVector, vectors, vectorTime } from "./vectors.ts";

const names = ["hub.example", "10.0.0.1"];
const pkiFiles = ["ca.crt", "ca.key", "server.crt", "server.key"];

let dataDir: string;
let clock: FakeClock;
beforeEach(() => {
  dataDir = temporaryDirectory();
  clock = new FakeClock(vectorTime);
});

function open(change: Partial<AuthorityOptions> = {}): Promise<Authority> {
  return openAuthority({ dataDir, create: false, serverNames: names, ...change }, clock);
}

function pki(name: string): string {
  return join(dataDir, "pki", name);
}

function contents(): Record<string, string> {
  const directory = join(dataDir, "pki");
  return Object.fromEntries(
    readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), "utf8")]),
  );
}

describe("a first start", () => {
  it("writes a CA and a server certificate, keys readable by the owner only", async () => {
    const authority = await open({ create: true });
    expect(readdirSync(join(dataDir, "pki")).sort()).toEqual(pkiFiles);
    expect(statSync(join(dataDir, "pki")).mode & 0o777).toBe(0o700);
    expect(statSync(pki("ca.key")).mode & 0o777).toBe(0o600);
    expect(statSync(pki("server.key")).mode & 0o777).toBe(0o600);
    expect(readFileSync(pki("ca.crt"), "utf8")).toBe(authority.caCertificatePem);
    expect(authority.caHash).toBe(sha256Hex(authority.caCertificateDer));
    expect(Buffer.from(authority.tokenKey)).toEqual(
      Buffer.from(readKey(readFileSync(pki("ca.key"), "utf8")).sec1),
    );
  });

  it("makes a CA for a hundred years that a machine a day behind accepts", async () => {
    const ca = readCertificate((await open({ create: true })).caCertificateDer);
    expect(ca).toMatchObject({
      commonName: "KubeEdge",
      organization: undefined,
      isAuthority: true,
      serial: "0400",
    });
    expect(ca.notBefore).toBe(clock.wallTime() - dayMs);
    expect(ca.notAfter).toBe(clock.wallTime() + 36_500 * dayMs);
  });

  it("makes a server certificate for ten years under the names given", async () => {
    const authority = await open({
      create: true,
      serverNames: ["Hub.Example", "", "10.0.0.1", "0:0:0:0:0:0:0:1"],
    });
    const server = readCertificate(authority.serverTls().cert);
    expect(server).toMatchObject({
      organization: "KubeEdge",
      commonName: "KubeEdge",
      dnsNames: ["hub.example"],
      ipAddresses: ["10.0.0.1", "::1"],
      notBefore: clock.wallTime() - 2 * hourMs,
      notAfter: clock.wallTime() + 3_650 * dayMs,
    });
    expect(isIssuedBy(server, readCertificate(authority.caCertificateDer))).toBe(true);
  });

  it.each([[[]], [[" "]], [["no name"]], [["fe80::1%eth0"]]])(
    "refuses the server names %j",
    async (serverNames) => {
      expect((await errorOf(() => open({ create: true, serverNames }))).code).toBe("E_BAD_OPTION");
      expect(readdirSync(dataDir)).toEqual([]);
    },
  );

  it("begins anew if it was cut short before the CA was written", async () => {
    await open({ create: true });
    rmSync(pki("ca.key"));
    rmSync(pki("ca.crt"));
    rmSync(pki("server.crt"));
    const authority = await open({ create: true });
    const server = readCertificate(authority.serverTls().cert);
    expect(isIssuedBy(server, readCertificate(authority.caCertificateDer))).toBe(true);
    expect((await open()).caHash).toBe(authority.caHash);
  });

  it.each(["ca.crt", "ca.key"])("refuses a CA of which %s is missing, and writes nothing", async (name) => {
    await open({ create: true });
    rmSync(pki(name));
    const before = contents();
    const error = await errorOf(() => open({ create: true }));
    expect(error.code).toBe("E_STORE_CORRUPT");
    expect(error.message).toMatch(`${pki(name)} is missing`);
    expect(error.message).toMatch(`delete ${join(dataDir, "pki")} and start again`);
    expect(contents()).toEqual(before);
  });

  it("replaces temporary files that a crash left behind", async () => {
    mkdirSync(join(dataDir, "pki"));
    writeFileSync(pki("ca.key.new"), "half a key", { mode: 0o644 });
    await open({ create: true });
    expect(readdirSync(join(dataDir, "pki")).sort()).toEqual(pkiFiles);
  });
});

describe("a later start", () => {
  it("uses what is there and writes nothing", async () => {
    const first = await open({ create: true });
    const before = contents();
    const again = await open();
    expect(again.caHash).toBe(first.caHash);
    expect(again.tokenKey).toEqual(first.tokenKey);
    expect(again.serverTls()).toEqual(first.serverTls());
    expect(contents()).toEqual(before);
  });

  it("never makes a new CA in place of one that is missing", async () => {
    const error = await errorOf(() => open());
    expect(error.code).toBe("E_STORE_CORRUPT");
    expect(error.message).toMatch(/ca\.crt and .*ca\.key are missing.*Restore .*pki from a backup/);
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it.each(pkiFiles)("refuses to start without %s, and writes nothing", async (name) => {
    await open({ create: true });
    rmSync(pki(name));
    await expectRefusal(name, /is missing/);
  });

  it.each(pkiFiles)("refuses to start with %s cut short, and writes nothing", async (name) => {
    await open({ create: true });
    truncateSync(pki(name), 120);
    await expectRefusal(name, /is damaged/);
  });

  it.each(pkiFiles)("refuses to start with %s empty, and writes nothing", async (name) => {
    await open({ create: true });
    truncateSync(pki(name), 0);
    await expectRefusal(name, /is damaged/);
  });

  it.each(pkiFiles)("refuses to start with a directory in place of %s", async (name) => {
    await open({ create: true });
    rmSync(pki(name));
    mkdirSync(pki(name));
    const error = await errorOf(() => open());
    expect(error.code).toBe("E_STORE_CORRUPT");
    expect(error.message).toMatch(pki(name));
  });

  it.each(["ca.key", "server.key"])("refuses to start with another key in %s", async (name) => {
    await open({ create: true });
    writeFileSync(pki(name), (await createKey()).pem);
    await expectRefusal(name, /is not the key of/);
  });

  it("refuses a CA certificate with one bit changed in its signature", async () => {
    const authority = await open({ create: true });
    const der = Buffer.from(authority.caCertificateDer);
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1;
    writeFileSync(pki("ca.crt"), new X509Certificate(der).toString());
    await expectRefusal("ca.crt", /its signature is wrong/);
  });

  it("refuses a CA that is none", async () => {
    const authority = await open({ create: true });
    writeFileSync(pki("ca.crt"), authority.serverTls().cert);
    writeFileSync(pki("ca.key"), authority.serverTls().key);
    await expectRefusal("ca.crt", /not the certificate of an authority/);
  });

  it("makes a new server pair if both its files are gone, as its error advises", async () => {
    const first = await open({ create: true });
    rmSync(pki("server.key"));
    const error = await errorOf(() => open());
    expect(error.message).toMatch(`Delete ${pki("server.crt")} and ${pki("server.key")}, and start again`);
    rmSync(pki("server.crt"));
    const again = await open();
    expect(again.caHash).toBe(first.caHash);
    expect(again.serverTls()).not.toEqual(first.serverTls());
  });

  async function expectRefusal(name: string, text: RegExp): Promise<void> {
    const before = contents();
    const error = await errorOf(() => open());
    expect(error.code).toBe("E_STORE_CORRUPT");
    expect(error.message).toMatch(pki(name));
    expect(error.message).toMatch(text);
    expect(contents()).toEqual(before);
  }
});

describe("the server certificate", () => {
  it("is issued anew, with its key, when the names change", async () => {
    const first = await open({ create: true });
    const again = await open({ serverNames: [...names, "10.0.0.2"] });
    expect(again.serverTls().key).toBe(first.serverTls().key);
    expect(readCertificate(again.serverTls().cert).ipAddresses).toEqual(["10.0.0.1", "10.0.0.2"]);
    expect(readFileSync(pki("server.crt"), "utf8")).toBe(again.serverTls().cert);
  });

  it("stays when the same names come in another order and form", async () => {
    const first = await open({ create: true });
    const again = await open({ serverNames: ["10.0.0.1", "HUB.example", "hub.example", ""] });
    expect(again.serverTls()).toEqual(first.serverTls());
  });

  it("is issued anew when fewer than 30 days are left, at a start or while running", async () => {
    const running = await open({ create: true });
    await clock.advance(3_619 * dayMs);
    expect(await running.refreshServer()).toBe(false);
    await clock.advance(2 * dayMs);
    expect(await running.refreshServer()).toBe(true);
    const server = readCertificate(running.serverTls().cert);
    expect(server.notAfter).toBe(clock.wallTime() + 3_650 * dayMs);
    expect((await open()).serverTls()).toEqual(running.serverTls());
    expect(await running.refreshServer()).toBe(false);
  });

  it("stays while the clock is far behind", async () => {
    const first = await open({ create: true });
    clock = new FakeClock(0);
    expect((await open()).serverTls()).toEqual(first.serverTls());
  });
});

describe("an imported CA", () => {
  function importing(certificate: string, key: string): Partial<AuthorityOptions> {
    writeFileSync(join(dataDir, "rootCA.crt"), certificate);
    writeFileSync(join(dataDir, "rootCA.key"), key);
    return {
      certificateFile: join(dataDir, "rootCA.crt"),
      keyFile: join(dataDir, "rootCA.key"),
      create: true,
    };
  }

  it("is used as it is: KubeEdge's hash, and the key of its tokens", async () => {
    const authority = await open(importing(vectors.ca.certPem, vectors.ca.keyPem));
    expect(authority.caHash).toBe(vectors.ca.sha256);
    expect(Buffer.from(authority.caCertificateDer).toString("hex")).toBe(vectors.ca.certDerHex);
    expect(Buffer.from(authority.tokenKey).toString("hex")).toBe(vectors.ca.keyDerHex);
    expect(readdirSync(join(dataDir, "pki")).sort()).toEqual(["server.crt", "server.key"]);
    expect(isIssuedBy(readCertificate(authority.serverTls().cert), readCertificate(vectors.ca.certPem))).toBe(
      true,
    );
  });

  it("takes the place of one of our own, whose server certificate is then issued anew", async () => {
    await open({ create: true });
    const authority = await open({ ...importing(vectors.ca.certPem, vectors.ca.keyPem), create: false });
    expect(isIssuedBy(readCertificate(authority.serverTls().cert), readCertificate(vectors.ca.certPem))).toBe(
      true,
    );
  });

  it("may have its key in PKCS#8", async () => {
    const own = await open({ create: true });
    const foreign = temporaryDirectory();
    const pkcs8 = createPrivateKey(readFileSync(pki("ca.key"), "utf8")).export({
      type: "pkcs8",
      format: "pem",
    });
    writeFileSync(join(foreign, "ca.crt"), own.caCertificatePem);
    writeFileSync(join(foreign, "ca.key"), pkcs8);
    const authority = await open({
      certificateFile: join(foreign, "ca.crt"),
      keyFile: join(foreign, "ca.key"),
    });
    expect(authority.tokenKey).toEqual(own.tokenKey);
  });

  it.each([
    { certificateFile: "/ca.crt" },
    { keyFile: "/ca.key" },
    { certificateFile: "/ca.crt", keyFile: "" },
  ])("needs both files, got %j", async (half) => {
    const error = await errorOf(() => open({ create: true, ...half }));
    expect(error.code).toBe("E_BAD_OPTION");
    expect(error.message).toMatch(/give both or neither/);
  });

  it("counts empty file names as none", async () => {
    const authority = await open({ create: true, certificateFile: "", keyFile: "" });
    expect(readFileSync(pki("ca.crt"), "utf8")).toBe(authority.caCertificatePem);
  });

  it("is refused if its files do not exist", async () => {
    const error = await errorOf(() =>
      open({ create: true, certificateFile: "/no/ca.crt", keyFile: "/no/ca.key" }),
    );
    expect(error.code).toBe("E_BAD_OPTION");
    expect(error.message).toMatch("/no/ca.crt and /no/ca.key do not exist");
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it("is refused with an RSA key", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
    const error = await errorOf(() => open(importing(vectors.ca.certPem, pem)));
    expect(error.code).toBe("E_BAD_OPTION");
    expect(error.message).toMatch(/rootCA\.key .*only EC keys/);
  });

  it("is refused with the key of another", async () => {
    const error = await errorOf(async () => open(importing(vectors.ca.certPem, (await createKey()).pem)));
    expect(error.code).toBe("E_BAD_OPTION");
    expect(error.message).toMatch(/is not the key of/);
  });
});

describe("issuing", () => {
  it("writes the subject itself and takes nothing but the key from a request", async () => {
    const authority = await open({ create: true });
    const { key, request } = await keyAndRequest();
    const terms = { days: 365, extendedKeyUsages: ["clientAuth"] as const };
    const issued = await authority.issueNodeCertificate(edge1, { request }, terms);
    const certificate = readCertificate(issued.certificate);
    expect(certificate).toMatchObject({
      organization: "system:nodes",
      commonName: "system:node:edge-1",
      serial: issued.serial,
      notBefore: clock.wallTime() - 2 * hourMs,
      notAfter: clock.wallTime() + 365 * dayMs,
      dnsNames: [],
      ipAddresses: [],
    });
    expect(issued.notAfter).toBe(certificate.notAfter);
    expect(Buffer.from(certificate.publicKey)).toEqual(Buffer.from(key.publicKey));
  });

  it("drops the names that a request asks for", async () => {
    const authority = await open({ create: true });
    const request = bytesOf(vectors.capturedDeployment.edgeCsrDerHex);
    const terms = { days: 1, extendedKeyUsages: ["clientAuth", "serverAuth"] as const };
    const issued = await authority.issueNodeCertificate(edge1, { request }, terms);
    expect(new X509Certificate(issued.certificate).subjectAltName).toBeUndefined();
    expect(readCertificate(issued.certificate).extendedKeyUsages).toHaveLength(2);
  });

  it("cuts a certificate at the end of the CA", async () => {
    const authority = await open({ create: true });
    await clock.advance(36_400 * dayMs);
    const { publicKey } = await createKey();
    const terms = { days: 365, extendedKeyUsages: ["clientAuth"] as const };
    const { notAfter } = await authority.issueNodeCertificate(edge1, { publicKey }, terms);
    expect(notAfter).toBe(readCertificate(authority.caCertificateDer).notAfter);
  });

  it("issues nothing while the clock is outside the CA's time", async () => {
    const { publicKey } = await createKey();
    await open({ create: true });
    clock = new FakeClock(0);
    const authority = await open();
    const terms = { days: 365, extendedKeyUsages: ["clientAuth"] as const };
    const error = await errorOf(() => authority.issueNodeCertificate(edge1, { publicKey }, terms));
    expect(error.message).toMatch(/set this machine's clock/);
  });

  it.each(["", "Big", "a\nb", "#05", "a".repeat(64)])("refuses the controller name %j", async (name) => {
    const authority = await open({ create: true });
    const { publicKey } = await createKey();
    const error = await errorOf(() => authority.issueControllerCertificate(name, { publicKey }, 1));
    expect(error.code).toBe("E_BAD_MESSAGE");
  });
});

describe("identifying", () => {
  async function leafOf(
    authority: Authority,
    subject: { organization?: string; commonName: string },
  ): Promise<Uint8Array> {
    const key = readKey(readFileSync(pki("ca.key"), "utf8"));
    const { publicKey } = await createKey();
    const time = { notBefore: clock.wallTime(), notAfter: clock.wallTime() + dayMs };
    const issuer = { certificate: authority.caCertificateDer, key };
    return await issueCertificate(issuer, { subject, publicKey, usages: ["clientAuth"], ...time });
  }

  it("knows a node by its certificate", async () => {
    const authority = await open({ create: true });
    const { publicKey } = await createKey();
    const node = "n".repeat(253) as NodeId;
    const terms = { days: 1, extendedKeyUsages: ["clientAuth"] as const };
    const { certificate, serial } = await authority.issueNodeCertificate(node, { publicKey }, terms);
    expect(authority.identify(certificate, clock.wallTime())).toEqual({ kind: "node", node, serial });
  });

  it("knows a controller by its certificate", async () => {
    const authority = await open({ create: true });
    const { request } = await keyAndRequest();
    const { certificate, serial } = await authority.issueControllerCertificate("shop", { request }, 1);
    expect(authority.identify(certificate, clock.wallTime())).toEqual({
      kind: "controller",
      name: "shop",
      serial,
    });
  });

  test.each([
    { commonName: "kubeedge.io", organization: "kubeEdge" },
    { commonName: "edge-1", organization: "system:nodes" },
    { commonName: "system:node:edge-1", organization: "kubeEdge" },
    { commonName: "system:node:edge-1" },
    { commonName: "system:node:Not_A_Name", organization: "system:nodes" },
    { commonName: "system:node:", organization: "system:nodes" },
    { commonName: "x\nCN=system:node:edge-1", organization: "system:nodes" },
  ])("takes %j for nobody", async (subject) => {
    const authority = await open({ create: true });
    const certificate = await leafOf(authority, subject);
    expect(authority.identify(certificate, clock.wallTime())).toMatchObject({ kind: "unbound" });
  });

  it.each(vectors.edge)(
    "knows the certificates of a $style edge under an imported CA",
    async (edge: EdgeVector) => {
      writeFileSync(join(dataDir, "ca.crt"), vectors.ca.certPem);
      writeFileSync(join(dataDir, "ca.key"), vectors.ca.keyPem);
      const files = { certificateFile: join(dataDir, "ca.crt"), keyFile: join(dataDir, "ca.key") };
      const authority = await open({ create: true, ...files });
      const { der, serial } = readCertificate(edge.certPem);
      const expected =
        edge.style === "master" ? { kind: "node", node: "edge-1", serial } : { kind: "unbound", serial };
      expect(authority.identify(der, vectorTime)).toEqual(expected);
    },
  );

  it("refuses a foreign, a self-signed, an early, a late and a server's certificate, and says what to do", async () => {
    const authority = await open({ create: true });
    const { publicKey } = await createKey();
    const terms = { days: 10, extendedKeyUsages: ["clientAuth"] as const };
    const { certificate, notAfter } = await authority.issueNodeCertificate(edge1, { publicKey }, terms);
    const now = clock.wallTime();
    const cases: [Uint8Array, number, RegExp][] = [
      [readCertificate(vectors.edge[1]?.certPem ?? "").der, now, /not issued by this authority/],
      [authority.caCertificateDer, now, /of an authority, not of a peer/],
      [certificate, now - 3 * hourMs, /set the clocks right/],
      [certificate, notAfter + 1, /ended on/],
      [readCertificate(authority.serverTls().cert).der, now, /may not be used for clientAuth/],
      [Buffer.from("30820000", "hex"), now, /damaged or none/],
    ];
    for (const [der, at, text] of cases) {
      const error = await errorOf(() => authority.identify(der, at));
      expect(error.code).toBe("E_IDENTITY");
      expect(error.message).toMatch(text);
      expect(error.message).toMatch(/hubctl token create/);
    }
  });
});
