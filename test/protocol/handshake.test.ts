import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { createKey, isSignedWith, readCertificate, signWith } from "../../platform/certificate.ts";
import { HubHandshake, PeerHandshake } from "../../protocol/index.ts";
import { testAuthority } from "../support/transport-certificates.ts";

const authority = await testAuthority();
const node = await authority.issue("system:node:edge-1", ["clientAuth"]);
const other = await authority.issue("system:node:edge-2", ["clientAuth"]);
const derOf = (pem: string): Uint8Array => readCertificate(pem).der;
const fingerprint = (text: string): Uint8Array => createHash("sha256").update(text).digest();
const hubFingerprint = fingerprint("the hub's certificate");
const request = Buffer.from('{"node":"edge-1"}');

function peer(more: Partial<ConstructorParameters<typeof PeerHandshake>[0]> = {}): PeerHandshake {
  return new PeerHandshake({
    nonce: randomBytes(32),
    certificate: derOf(node.cert),
    request,
    hubFingerprint,
    sign: (bytes) => signWith(node.key, bytes),
    ...more,
  });
}

function hub(more: Partial<ConstructorParameters<typeof HubHandshake>[0]> = {}): HubHandshake {
  return new HubHandshake({
    nonce: randomBytes(32),
    hubFingerprint,
    verify: isSignedWith,
    deadline: 1_000,
    ...more,
  });
}

/** Everything said between the two, and what the hub makes of it. */
function talk(from: PeerHandshake, to: HubHandshake) {
  const challenge = to.hello(from.hello, 0);
  const proof = from.prove(challenge);
  return { challenge, proof, proven: to.proof(proof, 0) };
}

describe("a handshake", () => {
  it("tells the hub whose key the peer holds, and what it asks for", () => {
    const { proven } = talk(peer(), hub());
    expect(Buffer.from(proven.certificate)).toEqual(Buffer.from(derOf(node.cert)));
    expect(Buffer.from(proven.request).toString()).toBe('{"node":"edge-1"}');
  });

  it("cannot be replayed: the hub's nonce is another one", () => {
    const recorded = peer();
    const { proof } = talk(recorded, hub());
    const later = hub();
    later.hello(recorded.hello, 0);
    expect(() => later.proof(proof, 0)).toThrow(expect.objectContaining({ code: "E_IDENTITY" }));
  });

  it("cannot be passed on by somebody in between, who shows another certificate", () => {
    const deceived = peer({ hubFingerprint: fingerprint("another certificate") });
    expect(() => talk(deceived, hub())).toThrow(expect.objectContaining({ code: "E_IDENTITY" }));
  });

  it("fails with another node's certificate and one's own key", () => {
    const forger = peer({ certificate: derOf(other.cert) });
    expect(() => talk(forger, hub())).toThrow(expect.objectContaining({ code: "E_IDENTITY" }));
  });

  it("fails with a key of one's own making", async () => {
    const key = await createKey();
    const forger = peer({ sign: (bytes) => signWith(key.pem, bytes) });
    expect(() => talk(forger, hub())).toThrow(expect.objectContaining({ code: "E_IDENTITY" }));
  });

  it("fails if the request was changed on its way", () => {
    const honest = peer();
    const forged = peer({ request: Buffer.from('{"node":"edge-2"}') });
    const cloud = hub();
    const proof = honest.prove(cloud.hello(forged.hello, 0));
    expect(() => cloud.proof(proof, 0)).toThrow(expect.objectContaining({ code: "E_IDENTITY" }));
  });

  it("gives nobody a second try", () => {
    const cloud = hub();
    const honest = peer();
    const proof = honest.prove(cloud.hello(honest.hello, 0));
    expect(() => cloud.proof(Uint8Array.of(0, 1, 7), 0)).toThrow(
      expect.objectContaining({ code: "E_IDENTITY" }),
    );
    expect(() => cloud.proof(proof, 0)).toThrow(expect.objectContaining({ code: "E_BAD_FRAME" }));
  });

  it("has a time limit for every word", () => {
    const cloud = hub({ deadline: 1_000 });
    const honest = peer();
    const challenge = cloud.hello(honest.hello, 1_000);
    expect(cloud.nextWakeAt()).toBe(1_000);
    expect(() => cloud.proof(honest.prove(challenge), 1_001)).toThrow(
      expect.objectContaining({ code: "E_TIMEOUT" }),
    );
  });

  test.each([
    ["a certificate that is none", Buffer.from("no certificate")],
    ["no certificate", Buffer.alloc(0)],
  ])("fails with %s", (_what, certificate) => {
    expect(() => talk(peer({ certificate }), hub())).toThrow(expect.objectContaining({ code: "E_IDENTITY" }));
  });

  it("takes no proof before a hello, no second hello and no short nonce", () => {
    const frame = expect.objectContaining({ code: "E_BAD_FRAME" });
    expect(() => hub().proof(Uint8Array.of(0, 1, 7), 0)).toThrow(frame);
    const cloud = hub();
    cloud.hello(peer().hello, 0);
    expect(() => cloud.hello(peer().hello, 0)).toThrow(frame);
    expect(() => hub().hello(peer({ nonce: randomBytes(31) }).hello, 0)).toThrow(frame);
    expect(() => peer().prove(Uint8Array.of(0, 1, 7))).toThrow(frame);
  });

  it("says so if the peer speaks another version", () => {
    const hello = Uint8Array.from(peer().hello);
    hello[2 + "cloud-edge-hub handshake ".length] = "2".charCodeAt(0);
    expect(() => hub().hello(hello, 0)).toThrow(expect.objectContaining({ code: "E_UNSUPPORTED" }));
  });
});

test("a hello that was changed anywhere, or cut anywhere, never passes", () => {
  const refused = expect.objectContaining({
    code: expect.stringMatching(/^E_(IDENTITY|BAD_FRAME|UNSUPPORTED)$/),
  });
  const length = peer().hello.length;
  fc.assert(
    fc.property(fc.nat(length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, by, isCut) => {
      const honest = peer();
      const cloud = hub();
      const changed = isCut ? honest.hello.slice(0, at) : Uint8Array.from(honest.hello);
      if (!isCut) changed[at] = (changed[at] as number) ^ by;
      expect(() => cloud.proof(honest.prove(cloud.hello(changed, 0)), 0)).toThrow(refused);
    }),
    { numRuns: 300 },
  );
});
