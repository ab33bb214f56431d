import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contentDigest, deflate } from "../../platform/short-forms.ts";
import { event } from "../../protocol/delivery.ts";
import { HubError } from "../../protocol/errors.ts";
import type { Frame, Hello, StoredMessage } from "../../protocol/frame.ts";
import { kubernetesDictionary } from "../../protocol/kubernetes-dictionary.ts";
import { NativeCodec } from "../../protocol/native-codec.ts";
import { compressedFlag } from "../../protocol/packed-codec.ts";
import { compressedPackage } from "../../protocol/short-codec.ts";
import type { HeldContent, HeldContents, ShortForms } from "../../protocol/short-forms.ts";
import { runs } from "./arbitraries.ts";
import { aMessage, edge1, inOutbox, oneFrame } from "./messages.ts";

const limits = { maxMessageBytes: 1 << 20 };
const hello: Hello = {
  software: "test",
  storeId: "store-1",
  windowMessages: 10,
  windowBytes: 1e6,
  maxMessageBytes: 1e6,
  wallTime: 0,
};
const link = { position: 7, resume: false, node: undefined };

/** What a hub and an agent are given. */
class Ends {
  readonly held = new Map<string, HeldContent>();
  readonly stored = new Map<string, HeldContent>();
  readonly origins: string[] = [];
  readonly hub: NativeCodec;
  readonly node: NativeCodec;

  constructor(of: { hub?: Partial<ShortForms>; node?: Partial<ShortForms>; maxMessageBytes?: number } = {}) {
    const held: HeldContents = {
      get: (resource) => this.held.get(resource),
      put: (resource, version, content) => this.held.set(resource, { version, content: content.slice() }),
      forget: (resource) => this.held.delete(resource),
    };
    const stored = (resource: string, origin: string): HeldContent | undefined => {
      this.origins.push(origin);
      return this.stored.get(resource);
    };
    const compression = deflate;
    const { maxMessageBytes = limits.maxMessageBytes } = of;
    this.hub = new NativeCodec(edge1, limits, {
      compression,
      deltas: { digest: contentDigest, held },
      ...of.hub,
    });
    this.node = new NativeCodec(
      edge1,
      { maxMessageBytes },
      { compression, deltas: { digest: contentDigest, stored }, ...of.node },
    );
  }

  greet(): this {
    this.node.push(this.hub.control({ type: "hello", hello })[0] as Uint8Array);
    this.hub.push(
      this.node.control({ type: "hello", hello: { ...hello, storeId: "edge" } })[0] as Uint8Array,
    );
    return this;
  }

  /** Sends a message and lets the node store it, as MetaManager does. */
  deliver(item: StoredMessage): Uint8Array {
    const bytes = this.hub.message(item, false);
    const { message } = taken(oneFrame(this.node, bytes));
    this.stored.set(item.key, { version: item.version as string, content: message.content.slice() });
    this.hub.acked(item);
    return bytes;
  }
}

function taken(frame: Frame): Extract<Frame, { type: "message" }> {
  if (frame.type !== "message") throw new Error(frame.type === "unusable" ? frame.error.message : frame.type);
  return frame;
}

function configMap(version: number, value: string, more: object = {}): StoredMessage {
  const data = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`sensor-${i}`, `${Math.sin(i)}`]));
  const resourceVersion = String(version);
  const message = aMessage({
    id: `m${version}`,
    resource: "default/configmap/limits",
    resourceVersion,
    content: {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "limits", namespace: "default", resourceVersion },
      data: { ...data, "sensor-7": value },
    },
    ...more,
  });
  return inOutbox(message, version);
}

const hexOf = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const contentOf = (item: StoredMessage): string =>
  textOf(
    taken(oneFrame(new NativeCodec(edge1, limits), new NativeCodec(edge1, limits).message(item, false)))
      .message.content,
  );

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof HubError ? error.code : String(error);
  }
}

describe("compression", () => {
  it("makes a message of an object a fraction, and the same message arrives", () => {
    const { hub, node } = new Ends().greet();
    const item = configMap(1, "20");
    const bytes = hub.message(item, true);
    expect(bytes[5]).toBe(compressedFlag);
    expect(bytes.length).toBeLessThan(item.packed.length * 0.7);
    const frame = taken(oneFrame(node, bytes));
    expect(frame.position).toBe(item.position);
    expect(frame.resume).toBe(true);
    expect(hexOf(frame.message.packed)).toBe(hexOf(item.packed));
    expect(textOf(frame.message.content)).toBe(contentOf(item));
  });

  it("carries the node of a message where many share a link, and messages that are sent once", () => {
    const forms = { compression: deflate };
    const [here, there] = [
      new NativeCodec(undefined, limits, forms),
      new NativeCodec(undefined, limits, forms),
    ];
    here.push(there.control({ type: "hello", hello })[0] as Uint8Array);
    const message = aMessage({ content: { text: "x".repeat(2_000) }, delivery: { kind: "volatile" } });
    const bytes = here.volatile(message);
    expect(bytes.length).toBeLessThan(200);
    const arrived = taken(oneFrame(there, bytes)).message;
    expect([arrived.node, textOf(arrived.content)]).toEqual(["edge-1", textOf(message.content)]);
  });

  it("is not used before the peer has named it, nor with one that does not", () => {
    const item = configMap(1, "20");
    const plain = new NativeCodec(edge1, limits).message(item, false);
    const ends = new Ends();
    expect(ends.hub.message(configMap(1, "20"), false)).toEqual(plain);
    const old = new NativeCodec(edge1, limits);
    ends.hub.forget(1);
    ends.hub.push(old.control({ type: "hello", hello })[0] as Uint8Array);
    expect(ends.hub.message(item, false)).toEqual(plain);
    expect(hexOf(taken(oneFrame(old, plain)).message.packed)).toBe(hexOf(item.packed));
  });

  it("names its features in the hello, and unknown words mean nothing", () => {
    const { hub, node } = new Ends();
    const [said] = node.control({ type: "hello", hello });
    const frame = oneFrame(hub, said as Uint8Array);
    expect(frame).toEqual({ type: "hello", hello: { ...hello, features: ["deflate.1", "delta.1"] } });
    const [ofHub] = hub.control({ type: "hello", hello });
    expect(oneFrame(node, ofHub as Uint8Array)).toMatchObject({ hello: { features: ["deflate.1"] } });
  });

  it.each([
    ["small", { content: { a: "x".repeat(100) } }],
    [
      "not compressible",
      {
        content: {
          a: Buffer.from(Array.from({ length: 3_000 }, (_, i) => (i * i * 7919) >> 3)).toString("base64"),
        },
      },
    ],
    ["larger than is compressed while others wait", { content: { a: "ab".repeat(200_000) } }],
    ["so repetitive that a receiver would take it for a bomb", { content: { a: "x".repeat(250_000) } }],
  ])("leaves a message as it is that is %s", (_what, draft) => {
    const { hub } = new Ends().greet();
    const bytes = hub.message(inOutbox(aMessage({ ...draft, delivery: event() })), false);
    if (_what !== "not compressible") expect(bytes[5]).toBe(0);
    expect(bytes.length).toBeGreaterThan(100);
  });

  it("leaves a message as it is that is too large for the peer: its sender is to see that", () => {
    const { hub, node } = new Ends();
    hub.push(node.control({ type: "hello", hello: { ...hello, maxMessageBytes: 1_000 } })[0] as Uint8Array);
    const message = aMessage({ content: { text: "x".repeat(2_000) }, delivery: { kind: "volatile" } });
    expect(hub.volatile(message).length).toBeGreaterThan(2_000);
  });

  it("compresses a message once, however often it is sent", () => {
    let calls = 0;
    const compression = {
      ...deflate,
      deflate: (bytes: Uint8Array) => {
        calls++;
        return deflate.deflate(bytes);
      },
    };
    const { hub } = new Ends({ hub: { compression } }).greet();
    const item = configMap(1, "20");
    expect(hub.message(item, false)).toEqual(hub.message(item, false));
    expect(calls).toBe(1);
  });

  it("refuses more than a package may hold before it inflates anything", () => {
    let calls = 0;
    const compression = {
      ...deflate,
      inflate: (bytes: Uint8Array, length: number) => {
        calls++;
        return deflate.inflate(bytes, length);
      },
    };
    const { node } = new Ends({ node: { compression } }).greet();
    const bomb = deflateRawSync(new Uint8Array(64 << 20), { dictionary: kubernetesDictionary });
    expect(codeOf(() => node.push(compressedPackage(bomb, 64 << 20, link)))).toBe("E_TOO_LARGE");
    expect(calls).toBe(0);
  });

  it("refuses a small bomb by its ratio, and any message larger than it takes", () => {
    const { node } = new Ends().greet();
    const bomb = deflateRawSync(new Uint8Array(500_000));
    expect(codeOf(() => node.push(compressedPackage(bomb, 500_000, link)))).toBe("E_TOO_LARGE");
    const narrow = new Ends({ maxMessageBytes: 1_000 }).greet().node;
    const item = configMap(1, "20", { content: { a: "abc".repeat(5_000) } });
    const bytes = deflate.deflate(item.packed);
    expect(codeOf(() => narrow.push(compressedPackage(bytes, item.packed.length, link)))).toBe("E_TOO_LARGE");
  });

  it("stops inflating at the announced length, and takes nothing shorter", () => {
    const item = configMap(1, "20");
    const bytes = deflate.deflate(item.packed);
    for (const length of [0, 1, 100, item.packed.length - 1, item.packed.length + 1]) {
      const { node } = new Ends().greet();
      expect(codeOf(() => node.push(compressedPackage(bytes, length, link)))).toBe("E_BAD_FRAME");
    }
  });

  it("closes the link at what cannot be inflated", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(3_000), (bytes, length) => {
        const { node } = new Ends().greet();
        expect(codeOf(() => node.push(compressedPackage(bytes, length, link)))).toMatch(
          /E_BAD_FRAME|E_TOO_LARGE/,
        );
      }),
      runs(300),
    );
  });
});

describe("deltas", () => {
  it("tell one changed value in a few bytes, and the whole object arrives", () => {
    const ends = new Ends().greet();
    ends.deliver(configMap(1, "20"));
    const second = configMap(2, "21");
    const bytes = ends.hub.message(second, false);
    expect(bytes.length).toBeLessThan(second.packed.length / 10);
    const { message } = taken(oneFrame(ends.node, bytes));
    expect(textOf(message.content)).toBe(contentOf(second));
    expect(message).toMatchObject({
      id: "m2",
      resourceVersion: "2",
      delivery: { kind: "state" },
      packed: undefined,
    });
    expect(ends.origins).toEqual(["store-1"]);
  });

  it("follow each other, each against the version acked before", () => {
    const ends = new Ends().greet();
    const sizes = [1, 2, 3, 4, 5].map((version) => ends.deliver(configMap(version, `${version}.5`)).length);
    expect(Math.max(...sizes.slice(1))).toBeLessThan((sizes[0] as number) / 3);
    expect(textOf(ends.stored.get("default/configmap/limits")?.content as Uint8Array)).toBe(
      contentOf(configMap(5, "5.5")),
    );
  });

  it("are against what was acked, not against what was sent", () => {
    const ends = new Ends().greet();
    ends.deliver(configMap(1, "20"));
    ends.hub.message(configMap(2, "21"), false);
    const third = ends.hub.message(configMap(3, "22"), false);
    expect(textOf(taken(oneFrame(ends.node, third)).message.content)).toBe(contentOf(configMap(3, "22")));
  });

  it("go only to peers that named them", () => {
    const ends = new Ends({ node: { deltas: undefined } }).greet();
    const first = configMap(1, "20");
    ends.hub.message(first, false);
    ends.hub.acked(first);
    expect(ends.held.size).toBe(0);
    const second = configMap(2, "21");
    expect(hexOf(taken(oneFrame(ends.node, ends.hub.message(second, false))).message.packed)).toBe(
      hexOf(second.packed),
    );
  });

  it("are left out for deletions, events, answers and what is no object of MetaManager's", () => {
    const ends = new Ends().greet();
    for (const more of [
      { operation: "delete" },
      { delivery: event() },
      { group: "twin" },
      { content: "x".repeat(2_000) },
      { content: { a: 1 } },
    ]) {
      ends.deliver(configMap(1, "20"));
      const item = configMap(2, "21", more);
      const bytes = ends.hub.message(item, false);
      expect(hexOf(taken(oneFrame(ends.node, bytes)).message.packed)).toBe(hexOf(item.packed));
      ends.hub.acked(item);
      if (item.kind === "state") expect(ends.held.size).toBe(0);
    }
  });

  it.each([
    ["another version", { version: "9" }],
    ["other content under that version", { content: Buffer.from("{}") }],
    ["as long a content with another byte", { flip: true }],
    ["nothing", undefined],
  ])("that do not fit cost a full message and nothing else: the node has %s", (_what, has) => {
    const ends = new Ends().greet();
    ends.deliver(configMap(1, "20"));
    const stored = ends.stored.get("default/configmap/limits") as HeldContent;
    ends.stored.clear();
    if (has && "flip" in has) stored.content[40] = (stored.content[40] as number) ^ 1;
    if (has) ends.stored.set("default/configmap/limits", { ...stored, ...has });
    const second = configMap(2, "21");
    const refused = oneFrame(ends.node, ends.hub.message(second, false));
    expect(refused).toMatchObject({
      type: "unusable",
      position: 2,
      error: { code: "E_DELTA_MISMATCH", retryable: true },
    });
    expect(ends.hub.refused(second, "E_DELTA_MISMATCH")).toBe(true);
    const again = taken(oneFrame(ends.node, ends.hub.message(second, false)));
    expect(hexOf(again.message.packed)).toBe(hexOf(second.packed));
    expect(ends.hub.refused(second, "E_DELTA_MISMATCH")).toBe(false);
  });

  it("that are refused for another reason are refused as any message is", () => {
    const ends = new Ends().greet();
    ends.deliver(configMap(1, "20"));
    const second = configMap(2, "21");
    ends.hub.message(second, false);
    expect(ends.hub.refused(second, "E_STORAGE_FULL")).toBe(false);
    expect(ends.held.size).toBe(1);
  });

  it("never make anything but the content that was meant, whatever is damaged on the way", () => {
    const ends = new Ends({ hub: { compression: undefined } }).greet();
    ends.deliver(configMap(1, "20"));
    const second = configMap(2, "21");
    const bytes = ends.hub.message(second, false);
    const meant = contentOf(second);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] as number) ^ flip;
        const receiver = new Ends().greet();
        receiver.stored.set(
          "default/configmap/limits",
          ends.stored.get("default/configmap/limits") as HeldContent,
        );
        try {
          for (const frame of receiver.node.push(damaged))
            if (frame.type === "message" && frame.message.content.length > 0)
              expect(textOf(frame.message.content)).toBe(meant);
        } catch (error) {
          expect((error as HubError).code).toMatch(/E_BAD_FRAME|E_TOO_LARGE/);
        }
      }),
      runs(1_000),
    );
  });

  it("close the link that did not ask for them, and the one that sends a content as well", () => {
    const ends = new Ends({ hub: { compression: undefined } }).greet();
    ends.deliver(configMap(1, "20"));
    const delta = ends.hub.message(configMap(2, "21"), false);
    expect(codeOf(() => new NativeCodec(edge1, limits).push(delta))).toBe("E_BAD_FRAME");
    const both = Buffer.concat([delta, Buffer.from("1a027b7d", "hex")]);
    both.writeUInt32BE(both.length - 10, 6);
    expect(codeOf(() => ends.node.push(both))).toBe("E_BAD_FRAME");
  });
});
