import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareVersions,
  newerVersion,
  nextVersion,
  parseVersion,
  type ResourceVersion,
  requireVersion,
  zeroVersion,
} from "../../protocol/version.ts";
import { runs, versions } from "./arbitraries.ts";

const greatest = "18446744073709551615";

function version(text: string): ResourceVersion {
  return requireVersion(text);
}

describe("a version", () => {
  it.each([
    ["0", "0"],
    ["1", "1"],
    ["007", "7"],
    ["000", "0"],
    [greatest, greatest],
    [`000000000${greatest}`, greatest],
  ])("is read from %j as %s", (text, canonical) => expect(parseVersion(text)).toBe(canonical));

  it.each([
    "",
    " ",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "0x10",
    " 1",
    "1 ",
    "1\n",
    "abc",
    "18446744073709551616",
    "99999999999999999999",
    "٣",
  ])("is not read from %j", (text) => {
    expect(parseVersion(text)).toBeUndefined();
    expect(() => requireVersion(text)).toThrow(
      expect.objectContaining({
        code: "E_BAD_VERSION",
        message: expect.stringContaining(JSON.stringify(text)),
      }),
    );
  });

  it("is not read from thousands of zeros", () => {
    expect(parseVersion("0".repeat(41))).toBeUndefined();
    expect(parseVersion("0".repeat(40))).toBe("0");
  });

  it.each([undefined, null, 5, 5n, {}, ["5"]])("is not the value %s, which is no text", (value) => {
    expect(() => requireVersion(value)).toThrow("resourceVersion must be an unsigned decimal number, got");
  });

  it("is compared as an unsigned 64-bit number", () => {
    fc.assert(
      fc.property(versions, versions, (a, b) => {
        const order = BigInt(a) - BigInt(b);
        expect(Math.sign(compareVersions(a, b))).toBe(order < 0n ? -1 : order > 0n ? 1 : 0);
        expect(newerVersion(a, b)).toBe(order >= 0n ? a : b);
      }),
      runs(2_000),
    );
  });

  it("is older with fewer digits", () => {
    expect(compareVersions(version("9"), version("10"))).toBeLessThan(0);
    expect(compareVersions(version("100"), version("99"))).toBeGreaterThan(0);
    expect(compareVersions(version("10"), version("10"))).toBe(0);
  });

  it("is the newer one if there is only one", () => {
    expect(newerVersion(undefined, version("3"))).toBe("3");
    expect(newerVersion(version("3"), undefined)).toBe("3");
    expect(newerVersion(undefined, undefined)).toBeUndefined();
  });

  it("is followed by the next number, whatever its size", () => {
    fc.assert(
      fc.property(
        versions.filter((one) => one !== greatest),
        (one) => {
          expect(nextVersion(one)).toBe(String(BigInt(one) + 1n));
        },
      ),
      runs(1_000),
    );
    for (const digits of ["999999999999999", "9007199254740991", "9007199254740992", "9999999999999999"])
      expect(nextVersion(version(digits))).toBe(String(BigInt(digits) + 1n));
    expect(nextVersion(zeroVersion)).toBe("1");
  });

  it("has an end", () => {
    expect(() => nextVersion(version(greatest))).toThrow(expect.objectContaining({ code: "E_BAD_VERSION" }));
  });
});
