import { expect, it } from "vitest";
import { LiveBlock } from "../../platform/live-block.ts";

function terminal(columns = 20, rows = 10) {
  const written: string[] = [];
  return { written, stream: { write: (text: string) => written.push(text), columns, rows } };
}

it("goes back over the lines it drew before", () => {
  const { written, stream } = terminal();
  const block = new LiveBlock(stream);
  block.draw(["one", "two"]);
  block.draw(["three"]);
  expect(written).toEqual(["\u001b[?25l\u001b[Jone\ntwo\n", "\u001b[?25l\u001b[2A\r\u001b[Jthree\n"]);
});

it("cuts lines that would wrap, and leaves out at the top what does not fit the screen", () => {
  const { written, stream } = terminal(6, 3);
  new LiveBlock(stream).draw(["a", "b", "long line", "\u001b[32mgreen\u001b[0m"]);
  expect(written[0]).toBe("\u001b[?25l\u001b[Jlong…\n\u001b[32mgreen\u001b[0m\n");
});

it("says things above the block", () => {
  const { written, stream } = terminal();
  const block = new LiveBlock(stream);
  block.draw(["row"]);
  block.say("news");
  expect(written.slice(1).join("")).toBe("\u001b[1A\r\u001b[Jnews\n\u001b[?25l\u001b[Jrow\n");
});

it("shows the cursor again when it ends, and wipes its lines if asked to", () => {
  const { written, stream } = terminal();
  const block = new LiveBlock(stream);
  block.draw(["row"]);
  block.end("wipe");
  block.say("after");
  expect(written.slice(1)).toEqual(["\u001b[1A\r\u001b[J\u001b[?25h", "\u001b[Jafter\n"]);
});
