import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { describe, expect, it, test } from "vitest";
import {
  createKey,
  fits,
  isIssuedBy,
  type KeyUsage,
  readCertificate,
  readKey,
  sha256Hex,
  verifyCertificate,
} from "../../platform/certificate.ts";
import { createRequest } from "../../platform/certificate-request.ts";
import { createAuthority, issueCertificate, readRequest } from "../../platform/x509.ts";
import { bytesOf, type CertificateInfo, vectors, vectorTime } from "../join/vectors.ts";
import { randomOf, seeds } from "../support/seeds.ts";

const usageNames: Readonly<Record<number, KeyUsage>> = { 1: "serverAuth", 2: "clientAuth" };
const caKey = readKey(vectors.ca.keyPem);
const ca = readCertificate(vectors.ca.certPem);
const issuer = { certificate: ca.der, key: caKey };
const year = { notBefore: vectorTime, notAfter: vectorTime + 365 * 86_400_000 };

const certificates: readonly (readonly [string, string, CertificateInfo])[] = [
  ["the CA", vectors.ca.certPem, vectors.ca.info],
  ["a server", vectors.cloudcore.certPem, vectors.cloudcore.info],
  [
    "a server with an empty DNS name",
    vectors.cloudcore.emptyDnsNameVariant.certPem,
    vectors.cloudcore.emptyDnsNameVariant.info,
  ],
  ["a 1.15 edge", vectors.edge[0]?.certPem ?? "", vectors.edge[0]?.info as CertificateInfo],
  ["a later edge", vectors.edge[1]?.certPem ?? "", vectors.edge[1]?.info as CertificateInfo],
  ["a real CA", vectors.capturedDeployment.caPem, vectors.capturedDeployment.caInfo],
  [
    "a real server",
    vectors.capturedDeployment.cloudcoreCertPem,
    vectors.capturedDeployment.cloudcoreCertInfo,
  ],
  ["a real edge", vectors.capturedDeployment.edgeCertPem, vectors.capturedDeployment.edgeCertInfo],
];

/** Made by OpenSSL for a throw-away RSA key. */
const rsaRequest =
  "3082025130820139020100300c310a300806035504030c017830820122300d06092a864886f70d010101050003" +
  "82010f003082010a0282010100e338edb9a23faac23c5d6b744aa65120e4bd5280510c17d077890bf157788b5f" +
  "11677d008af34897a81e1fc75727b13d0619edc5829c1147398d820c71b3e57ada177b5ed40c5f97b64d9ff4ff" +
  "042c89690e21b3c40ab38f449beb1ef7366dd40e06d8d1622d718cf2d45e8138c5300ce5797d74d5ae317bf888" +
  "2ce4bb4859eee1820a4aa716fba1d6b8d1b1de3c85fe1b7425182c8cf53378c3efeafcdd0ddee6e6dd4ce4eb25" +
  "0a66b0e569df75e9cc1e3d397ce00c7b2382893bc479c21af88a179507729407c8509a27d30d3a0a9a4d8e562e" +
  "8842ce5f6541e342a658be2829aadbe2e90423063d707bc7283e606651bee0e5a3c73c7e7ea5a612af9bde9302" +
  "03010001a000300d06092a864886f70d01010b0500038201010051f7a0f7fc48c975af3fdc8025727ac3bac6e8" +
  "b1579b2c69a5b8dfff5a32ecf5e56fd6e007896fbd56e61230bb06992f83ea4366a1b97a8b3240e51fa3e637ff" +
  "179868feee51e241b1b8fe1f2ebf8ed114a9f84a6efb9fdae344fdee1471bd049dd56dec009637e36ed45a98e3" +
  "465072877dba9b06394355e9c66302193104d5818ea5bd943bde3e64a5faaa4a32392345af96fece94aa8420d5" +
  "53555ad2ab7074fb5d059517e9e0d4c1c2f934ddc04d56cb63dd2af91d44a482b7e3a7b74c9c0637f285dde0b1" +
  "ca5df0956b0c631138821d78cf9bd88af753eca5604c1920656bf2c34df9cd08b80372fecf53e0082b08aa8a78" +
  "8b55dbed0e9152c1b6791ff6";

/** The part that is signed: everything but the signature, which differs each time. */
function signedPart(der: Uint8Array): string {
  const outer = Buffer.from(der);
  const start = 4;
  const length = outer.readUInt16BE(start + 2) + 4;
  return outer.toString("hex", start, start + length);
}

describe("keys", () => {
  it("reads a KubeEdge CA key into the bytes that sign its tokens", () => {
    expect(Buffer.from(caKey.sec1).toString("hex")).toBe(vectors.ca.keyDerHex);
    expect(caKey.pem).toBe(vectors.ca.keyPem);
    expect(fits(ca, caKey)).toBe(true);
  });

  it("reads PKCS#8 as well", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = readKey(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    expect(key.pem).toBe(privateKey.export({ type: "sec1", format: "pem" }).toString());
  });

  it("makes keys labelled so that Go and OpenSSL both read them", async () => {
    const key = await createKey();
    expect(key.pem).toMatch(/^-----BEGIN EC PRIVATE KEY-----\n/);
    expect(readKey(key.pem)).toEqual(key);
  });

  it("refuses an RSA key and says what it wants", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
    expect(() => readKey(pem)).toThrow(/of type rsa; only EC keys/);
  });

  it("refuses an encrypted key", () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" });
    expect(() => readKey(pem.toString())).toThrow(/it is encrypted/);
  });

  it("refuses what is cut short", () => {
    expect(() => readKey(vectors.ca.keyPem.slice(0, 100))).toThrow(/damaged or no PEM/);
  });
});

describe("reading certificates", () => {
  test.each(certificates)("says of %s what Go says", (_name, pem, info) => {
    const read = readCertificate(pem);
    const parts = Object.fromEntries(
      info.subject.split(",").map((part) => part.split("=") as [string, string]),
    );
    expect(read.commonName).toBe(parts.CN);
    expect(read.organization).toBe(parts.O);
    expect(read.issuerName).toBe("KubeEdge");
    expect(BigInt(`0x${read.serial}`)).toBe(BigInt(info.serial));
    expect(read.notBefore).toBe(Date.parse(info.notBefore));
    expect(read.notAfter).toBe(Date.parse(info.notAfter));
    expect(read.isAuthority).toBe(info.isCA);
    expect(read.dnsNames).toEqual(info.dnsNames ?? []);
    expect(read.ipAddresses).toEqual(info.ipAddresses ?? []);
    const of = new X509Certificate(pem).keyUsage;
    expect(read.extendedKeyUsages).toEqual(of);
    expect(read.extendedKeyUsages).toHaveLength(info.extKeyUsage.length);
  });

  it("takes DER as well as PEM", () => {
    const read = readCertificate(bytesOf(vectors.ca.certDerHex));
    expect(read).toEqual(ca);
    expect(sha256Hex(read.der)).toBe(vectors.ca.sha256);
  });

  it("refuses bytes that are no certificate", () => {
    expect(() => readCertificate(bytesOf("30820178"))).toThrow(/damaged or none/);
    expect(() => readCertificate("")).toThrow(/damaged or none/);
  });
});

describe("verifying certificates", () => {
  const edge = readCertificate(vectors.edge[1]?.certPem ?? "");
  const at = (now: number, usage: KeyUsage = "clientAuth") => ({ now, usage });

  it("accepts one of the authority within its time and for its use", () => {
    expect(() => verifyCertificate(edge, ca, at(vectorTime))).not.toThrow();
    expect(() => verifyCertificate(edge, ca, at(edge.notBefore))).not.toThrow();
    expect(() => verifyCertificate(edge, ca, at(edge.notAfter))).not.toThrow();
  });

  it("refuses one of an authority of the same name", () => {
    const foreign = readCertificate(vectors.capturedDeployment.edgeCertPem);
    expect(() => verifyCertificate(foreign, ca, at(vectorTime))).toThrow(/not issued by this authority/);
  });

  it("refuses one before its time and says that a clock may be wrong", () => {
    expect(() => verifyCertificate(edge, ca, at(edge.notBefore - 1))).toThrow(
      /valid from .* set the clocks right/,
    );
  });

  it("refuses one after its time", () => {
    expect(() => verifyCertificate(edge, ca, at(edge.notAfter + 1))).toThrow(/ended on .* get a new one/);
  });

  it("refuses a server's certificate from a client", () => {
    const server = readCertificate(vectors.cloudcore.certPem);
    expect(() => verifyCertificate(server, ca, at(vectorTime))).toThrow(/may not be used for clientAuth/);
    expect(() => verifyCertificate(server, ca, at(vectorTime, "serverAuth"))).not.toThrow();
  });

  it("refuses the authority's own certificate from a peer", () => {
    expect(() => verifyCertificate(ca, ca, at(vectorTime))).toThrow(/of an authority, not of a peer/);
  });

  it("refuses a certificate with one bit changed anywhere", () => {
    for (let i = 0; i < edge.der.length; i++) {
      const changed = Buffer.from(edge.der);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(() => verifyCertificate(readCertificate(changed), ca, at(vectorTime)), `byte ${i}`).toThrow();
    }
  });
});

describe("writing certificates", () => {
  it("writes an authority byte for byte as KubeEdge does", async () => {
    const made = await createAuthority(caKey, {
      subject: { commonName: "KubeEdge" },
      notBefore: ca.notBefore,
      notAfter: ca.notAfter,
    });
    expect(signedPart(made)).toBe(signedPart(ca.der));
    expect(isIssuedBy(readCertificate(made), ca)).toBe(true);
  });

  const leaves = [
    [vectors.cloudcore.certPem, vectors.cloudcore.info],
    ...vectors.edge.map(({ certPem, info }) => [certPem, info] as const),
  ] as const;
  test.each(leaves)("writes a certificate byte for byte as KubeEdge does", async (pem, info) => {
    const { publicKey, notBefore, notAfter, commonName = "", organization } = readCertificate(pem);
    const made = await issueCertificate(issuer, {
      subject: { organization, commonName },
      publicKey,
      usages: info.extKeyUsage.map((number) => usageNames[number] as KeyUsage),
      alternativeNames: [...(info.ipAddresses ?? []), ...(info.dnsNames ?? [])],
      serial: BigInt(info.serial),
      notBefore,
      notAfter,
    });
    expect(signedPart(made)).toBe(signedPart(readCertificate(pem).der));
    expect(isIssuedBy(readCertificate(made), ca)).toBe(true);
  });

  it("numbers certificates with 63 random bits", async () => {
    const serials = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const made = await issueCertificate(issuer, leaf());
      serials.add(readCertificate(made).serial);
    }
    expect(serials.size).toBe(20);
    for (const serial of serials) expect(BigInt(`0x${serial}`)).toBeLessThan(2n ** 63n);
  });

  it("leaves out empty names, and the extension if none is left", async () => {
    const some = readCertificate(
      await issueCertificate(issuer, leaf({ alternativeNames: ["", " ", "a.example"] })),
    );
    expect(some.dnsNames).toEqual(["a.example"]);
    const none = new X509Certificate(await issueCertificate(issuer, leaf({ alternativeNames: [""] })));
    expect(none.subjectAltName).toBeUndefined();
  });

  it("names IPv4 and IPv6 addresses as addresses", async () => {
    const names = ["::1", "fe80::1:2", "10.0.0.9", "*.example.com"];
    const made = readCertificate(await issueCertificate(issuer, leaf({ alternativeNames: names })));
    expect(made.ipAddresses).toEqual(["::1", "fe80::1:2", "10.0.0.9"]);
    expect(made.dnsNames).toEqual(["*.example.com"]);
  });

  it("names a node of 253 characters", async () => {
    const commonName = `system:node:${"n".repeat(253)}`;
    const made = readCertificate(await issueCertificate(issuer, leaf({ subject: { commonName } })));
    expect(made.commonName).toBe(commonName);
  });

  const names = [
    "#0500",
    " a ",
    "a,b+c = d",
    "a\nCN=b",
    "a + CN=b",
    'back\\slash "quoted" <;>',
    "Zürich 東京",
    "\\0A",
  ];
  test.each(names)("writes and reads the name %j as it is", async (commonName) => {
    const subject = { organization: commonName, commonName };
    const made = readCertificate(await issueCertificate(issuer, leaf({ subject })));
    expect(made).toMatchObject(subject);
  });

  it("issues under an authority on P-384", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-384" });
    const key = readKey(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    const certificate = await createAuthority(key, { subject: { commonName: "Strong" }, ...year });
    const made = await issueCertificate({ certificate, key }, leaf());
    expect(isIssuedBy(readCertificate(made), readCertificate(certificate))).toBe(true);
  });

  it("leaves the global Reflect as it was", () => {
    expect(Reflect).not.toHaveProperty("getMetadata");
    expect(Reflect).not.toHaveProperty("getOwnMetadata");
  });

  function leaf(change: Partial<Parameters<typeof issueCertificate>[1]> = {}) {
    const { publicKey } = ca;
    return { subject: { commonName: "a" }, publicKey, usages: ["clientAuth"] as const, ...year, ...change };
  }
});

describe("certificate requests", () => {
  const requests = [
    ...vectors.edge.map(({ csrDerHex, csrSubject }) => [csrDerHex, csrSubject] as const),
    [vectors.capturedDeployment.edgeCsrDerHex, "CN=system:node:edge-1,O=system:nodes"] as const,
  ];
  test.each(requests)("reads those of real edges", async (hex, subject) => {
    const { subject: read, publicKey } = await readRequest(bytesOf(hex));
    expect(subject).toMatch(`CN=${read.commonName},O=${read.organization}`);
    expect(publicKey).toHaveLength(91);
  });

  it.each([
    ["some", "body"],
    [undefined, "body"],
    ["ä".repeat(40), "x".repeat(64)],
    ["some", "ö".repeat(200)],
  ])("reads its own, of %s and %s", async (organization, commonName) => {
    const key = await createKey();
    const read = await readRequest(createRequest(key, { organization, commonName }));
    expect(read.subject).toEqual({ organization, commonName });
    expect(Buffer.from(read.publicKey)).toEqual(Buffer.from(key.publicKey));
  });

  it("refuses one with any byte of what is signed changed", async () => {
    const request = bytesOf(vectors.edge[1]?.csrDerHex ?? "");
    const signed = Buffer.from(request).readUInt8(5) + 6;
    for (let i = 0; i < signed; i++) {
      const changed = Buffer.from(request);
      changed[i] = (changed[i] ?? 0) ^ 1;
      await expect(readRequest(changed), `byte ${i}`).rejects.toMatchObject({ code: "E_BAD_MESSAGE" });
    }
  });

  it("refuses one cut off anywhere", async () => {
    const request = bytesOf(vectors.edge[0]?.csrDerHex ?? "");
    for (let length = 0; length < request.length; length++) {
      const cut = request.subarray(0, length);
      await expect(readRequest(cut), `${length} bytes`).rejects.toMatchObject({ code: "E_BAD_MESSAGE" });
    }
  });

  it("refuses one for an RSA key and says what it wants", async () => {
    await expect(readRequest(bytesOf(rsaRequest))).rejects.toThrow(/another kind of key; use ECDSA on P-256/);
  });

  test.each(seeds(30))("refuses garbage, seed %i", async (seed) => {
    const random = randomOf(seed);
    const garbage = Buffer.from(Array.from({ length: Math.floor(random() * 2_000) }, () => random() * 256));
    if (random() < 0.5 && garbage.length > 4)
      garbage.set([0x30, 0x82, garbage.length >> 8, garbage.length & 255]);
    await expect(readRequest(garbage)).rejects.toMatchObject({ code: "E_BAD_MESSAGE" });
  });

  test.each([0x00, 0x02, 0x30, 0x80])("refuses a MiB of the byte %i", async (byte) => {
    await expect(readRequest(Buffer.alloc(1 << 20, byte))).rejects.toMatchObject({ code: "E_BAD_MESSAGE" });
  });
});
