import { describe, expect, it } from "vitest";
import { readProtobuf } from "../../../cloudhub/api/protobuf.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex.replace(/\s/g, ""), "hex");

/** A field of bytes: tag, length, content. */
function field(number: number, content: Buffer | string): Buffer {
  const inner = Buffer.from(content);
  expect(inner.length).toBeLessThan(128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, inner.length]), inner]);
}

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const type = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  return Buffer.concat([bytes("6b387300"), field(1, type), field(2, raw)]);
}

describe("protobuf of Kubernetes", () => {
  it("is read as kubectl writes it", () => {
    const whoami = bytes(`6b387300 0a2d 0a18 61757468656e7469 636174696f6e2e6b 38732e696f2f7631
      1211 53656c665375626a656374526576696577
      121a 0a10 0a001200 1a002200 2a003200 38004200 1206 0a04 0a001200 1a002200`);
    expect(readProtobuf(whoami)).toEqual({
      apiVersion: "authentication.k8s.io/v1",
      kind: "SelfSubjectReview",
      metadata: {},
      status: { userInfo: {} },
    });
  });

  it("has maps, bytes and numbers that count although they are zero", () => {
    const entry = Buffer.concat([field(1, "k"), field(2, "v")]);
    const secret = Buffer.concat([field(1, field(1, "s")), field(2, entry), field(3, "Opaque")]);
    expect(readProtobuf(envelope("v1", "Secret", secret))).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "s" },
      data: { k: "dg==" },
      type: "Opaque",
    });
    const eviction = Buffer.concat([field(1, field(1, "p")), field(2, bytes("0800"))]);
    expect(readProtobuf(envelope("policy/v1", "Eviction", eviction))).toMatchObject({
      deleteOptions: { gracePeriodSeconds: 0 },
    });
  });

  it("is refused where something would be lost", () => {
    const unsupported = { reason: "UnsupportedMediaType" };
    expect(() => readProtobuf(envelope("v1", "Service", Buffer.alloc(0)))).toThrow(
      expect.objectContaining(unsupported),
    );
    const context = field(2, field(3, field(2, field(14, "context"))));
    expect(() => readProtobuf(envelope("apps/v1", "Deployment", context))).toThrow(
      expect.objectContaining(unsupported),
    );
  });

  it("is refused wherever it is cut or wrong", () => {
    const whole = envelope("v1", "ConfigMap", field(1, field(1, "name")));
    for (let length = 0; length < whole.length; length++) {
      try {
        readProtobuf(whole.subarray(0, length));
      } catch (error) {
        expect(error).toMatchObject({ reason: expect.stringMatching(/BadRequest|UnsupportedMediaType/) });
      }
    }
    expect(() => readProtobuf(bytes("6b387300 0b"))).toThrow(
      expect.objectContaining({ reason: "BadRequest" }),
    );
    expect(() => readProtobuf(bytes("7b7d"))).toThrow(expect.objectContaining({ reason: "BadRequest" }));
  });
});
