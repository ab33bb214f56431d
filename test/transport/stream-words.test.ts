import { expect, it } from "vitest";
import { encodeFrame, maxFrameBytes } from "../../transport/stream-frames.ts";
import { mostOfStranger, StreamWords } from "../../transport/stream-words.ts";

it("takes words as long as they may be, one at a time", async () => {
  const words = new StreamWords(mostOfStranger);
  for (const kind of ["hello", "proof"] as const) {
    const said = words.next(kind);
    words.push(encodeFrame(kind, Buffer.alloc(maxFrameBytes)));
    expect((await said).bytes).toHaveLength(maxFrameBytes);
  }
});

it("holds little for a client that nobody knows yet", async () => {
  const words = new StreamWords(mostOfStranger);
  words.push(Buffer.alloc(mostOfStranger));
  words.push(Buffer.alloc(1));
  await expect(words.next("hello")).rejects.toMatchObject({ code: "E_WINDOW_EXCEEDED" });
});
