import { constants, deflateRawSync, type ZstdOptions, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { deflate } from "../../platform/short-forms.ts";
import { createMessage, deliveryOf, kubernetesDictionary, packMessage } from "../../protocol/index.ts";
import type { PublishDraft } from "../../sdk/index.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { pod, settings, thresholds } from "../typical.ts";

/** One way to compress a message, and to undo it. */
interface Way {
  compress(bytes: Uint8Array): Uint8Array;
  undo(bytes: Uint8Array, length: number): Uint8Array;
}

const ours: Way = { compress: deflate.deflate, undo: deflate.inflate };
const dictionary = Buffer.from(kubernetesDictionary);
const zstdOptions: ZstdOptions = { dictionary, params: { [constants.ZSTD_c_compressionLevel]: 3 } };
const zstd: Way = {
  compress: (bytes) => zstdCompressSync(bytes, zstdOptions),
  undo: (bytes, length) =>
    zstdDecompressSync(bytes, { dictionary, maxOutputLength: length, chunkSize: length }),
};

/** What decided docs/decisions/0012-deflate-and-deltas.md. */
export const compression: Scenario = {
  name: "compression",
  describes: "deflate against zstd, with our dictionary and without it: bytes and time of single messages",
  run({ rounds, roundMs }, say) {
    const messages: readonly [string, Omit<PublishDraft, "node">][] = [
      ["a ConfigMap of 0.5 KB", settings(1, 1, 100)],
      ["a Pod of 1.7 KB", pod(1, 1)],
      ["a ConfigMap of 2 KB", thresholds(1, 1)],
      ["a ConfigMap of 100 KB", settings(1, 1, 100_000)],
    ];
    const figures = messages.flatMap(([what, draft]) => {
      say(what);
      const packed = packMessage(
        createMessage(
          { node: "edge-1", ...draft },
          { id: crypto.randomUUID(), timestamp: 0, delivery: deliveryOf },
        ),
      );
      return compared(what, packed, { rounds, sliceMs: roundMs / 20 });
    });
    return Promise.resolve(figures);
  },
};

function compared(what: string, packed: Uint8Array, times: { rounds: number; sliceMs: number }): Figure[] {
  const size = ours.compress(packed).length;
  const rounds = Array.from({ length: times.rounds }, () => {
    const [own, theirs] = [ours, zstd].map((way) => microseconds(way, packed, times.sliceMs));
    return (own as number) / (theirs as number);
  });
  const ratio = { unit: "ratio", lessIsBetter: true } as const;
  return [
    { ...ratio, name: `${what}: deflated, of its packed form`, rounds: [size / packed.length] },
    {
      ...ratio,
      name: `${what}: bytes with the dictionary against none`,
      rounds: [size / deflateRawSync(packed).length],
    },
    {
      ...ratio,
      name: `${what}: bytes of deflate against zstd`,
      rounds: [size / zstd.compress(packed).length],
    },
    { ...ratio, name: `${what}: time of deflate against zstd, both ways`, rounds },
  ];
}

/** The fastest of many: what others do on this machine is in the slower ones. */
function microseconds(way: Way, packed: Uint8Array, sliceMs: number): number {
  const endAt = performance.now() + sliceMs;
  let best = Number.POSITIVE_INFINITY;
  for (let startedAt = performance.now(); startedAt < endAt; startedAt = performance.now()) {
    way.undo(way.compress(packed), packed.length);
    best = Math.min(best, performance.now() - startedAt);
  }
  return best * 1_000;
}
