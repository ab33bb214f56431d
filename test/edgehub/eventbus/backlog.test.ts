import { expect, it } from "vitest";
import { Backlog } from "../../../edgehub/eventbus/backlog.ts";
import { HubError } from "../../../protocol/index.ts";

/** A broker that a test plays: what it was sent, and how it answers. */
function broker() {
  const sent: { topic: string; confirm(): void; refuse(code: "E_LINK_LOST" | "E_REFUSED"): void }[] = [];
  const lost: string[] = [];
  const backlog = new Backlog({
    send: (topic) =>
      new Promise((confirm, reject) => {
        sent.push({ topic, confirm, refuse: (code) => reject(new HubError(code, code)) });
      }),
    lost: (topic) => lost.push(topic),
  });
  const topics = (): string[] => sent.splice(0).map(({ topic }) => topic);
  return { backlog, sent, lost, topics };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("keeps what is published while the broker is away, in order", async () => {
  const { backlog, sent, topics } = broker();
  for (const topic of ["a", "b"]) backlog.add(topic, "x");
  expect(sent).toEqual([]);
  backlog.connected();
  backlog.add("c", "x");
  for (const one of sent) one.confirm();
  expect(topics()).toEqual(["a", "b", "c"]);
  await turn();
  expect(backlog.size).toBe(0);
});

it("sends again what was not confirmed when the connection was lost, before what came later", async () => {
  const { backlog, sent, topics } = broker();
  backlog.connected();
  for (const topic of ["a", "b", "c"]) backlog.add(topic, "x");
  sent[0]?.confirm();
  for (const one of sent.slice(1)) one.refuse("E_LINK_LOST");
  await turn();
  topics();
  backlog.add("d", "x");
  expect(sent).toEqual([]);
  backlog.connected();
  expect(topics()).toEqual(["b", "c", "d"]);
});

it("hears of an old connection's end after the new one has begun", async () => {
  const { backlog, sent, topics } = broker();
  backlog.connected();
  backlog.add("a", "x");
  const [old] = sent.splice(0);
  backlog.connected();
  old?.refuse("E_LINK_LOST");
  await turn();
  backlog.add("b", "x");
  for (const one of sent) one.confirm();
  expect(topics()).toEqual(["a", "b"]);
  await turn();
  expect(backlog.size).toBe(0);
});

it("gives up what the broker does not want, and goes on", async () => {
  const { backlog, sent, lost } = broker();
  backlog.connected();
  backlog.add("a", "x");
  backlog.add("b", "x");
  sent[0]?.refuse("E_REFUSED");
  sent[1]?.confirm();
  await turn();
  expect([lost, backlog.size]).toEqual([["a"], 0]);
});

it("has so many under way at once", async () => {
  const { backlog, sent } = broker();
  backlog.connected();
  for (let i = 0; i < 150; i++) backlog.add(`${i}`, "x");
  expect(sent).toHaveLength(100);
  sent[0]?.confirm();
  await turn();
  expect(sent.at(-1)?.topic).toBe("100");
});

it("drops the oldest of too many, and of too much", () => {
  const { backlog, lost } = broker();
  for (let i = 0; i < 10_002; i++) backlog.add(`${i}`, "x");
  expect([lost.splice(0), backlog.size]).toEqual([["0", "1"], 10_000]);
  backlog.add("large", "x".repeat((16 << 20) - 10));
  expect(backlog.size).toBeLessThanOrEqual(11);
  backlog.add("too large", "x".repeat(17 << 20));
  expect([lost.at(-1), backlog.size]).toEqual(["too large", 0]);
});
