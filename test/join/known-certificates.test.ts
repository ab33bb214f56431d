import { describe, expect, it } from "vitest";
import { KnownCertificates } from "../../cloudhub/join/known-certificates.ts";

const certificate = (n: number): Uint8Array => Uint8Array.of(0x30, n);
const validity = { notBefore: 1_000, notAfter: 2_000 };

describe("certificates that were checked", () => {
  it("are known by all their bytes, while they are valid", () => {
    const known = new KnownCertificates<string>();
    known.add(certificate(1), validity, "edge-1");
    expect(known.find(certificate(1), 1_000)).toBe("edge-1");
    expect(known.find(certificate(1), 2_000)).toBe("edge-1");
    expect(known.find(certificate(2), 1_500)).toBeUndefined();
    expect(known.find(Uint8Array.of(0x30, 1, 0), 1_500)).toBeUndefined();
    expect(known.find(certificate(1), 2_001)).toBeUndefined();
    expect(known.size).toBe(0);
    known.add(certificate(1), validity, "edge-1");
    expect(known.find(certificate(1), 999)).toBeUndefined();
  });

  it("are so many at most; the one used longest ago goes", () => {
    const known = new KnownCertificates<number>(2);
    known.add(certificate(1), validity, 1);
    known.add(certificate(2), validity, 2);
    known.find(certificate(1), 1_500);
    known.add(certificate(3), validity, 3);
    expect([1, 2, 3].map((n) => known.find(certificate(n), 1_500))).toEqual([1, undefined, 3]);
  });
});
