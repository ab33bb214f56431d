import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { DeliveryQueue, Outgoing, SendRecord } from "../../protocol/delivery-queue.ts";
import { anEvent, newQueue, put } from "./queues.ts";

/**
 * Transcripts in test/scenarios/delivery-queue: commands and, indented, what the queue answered.
 * `UPDATE=1 npm exec -- vitest run --project unit transcript` writes the answers anew; review them as text.
 *
 *     queue window=2 bytes=1000 …        a new queue at time 0
 *     put <position> <key> [size=…] [expires=…]
 *     delete <position> <key>
 *     event <position> [priority=…] [size=…] [expires=…]
 *     wait <ms>                          moves both clocks
 *     take                               once
 *     send                               takes until nothing may go now
 *     ack <position> …
 *     nack <position> [final] [behind]
 *     window <messages> <bytes>
 *     load                               what waits and what is in flight
 */
const folder = new URL("../scenarios/delivery-queue/", import.meta.url);

class Replay {
  #queue: DeliveryQueue<Outgoing> = newQueue();
  #now = 0;

  run(command: string): string {
    const [verb = "", ...words] = command.split(/\s+/);
    const options = new Map(
      words.filter((word) => word.includes("=")).map((word) => word.split("=") as [string, string]),
    );
    const plain = words.filter((word) => !word.includes("="));
    const number = (at: number): number => Number(plain[at]);
    switch (verb) {
      case "queue":
        this.#queue = newQueue(queueOf(options));
        this.#now = 0;
        return "ok";
      case "put":
        return this.#queue.offer(put(number(0), plain[1] as string, itemOf(options)));
      case "delete":
        return this.#queue.offer(put(number(0), plain[1] as string, { ...itemOf(options), deleted: true }));
      case "event":
        return this.#queue.offer(anEvent(number(0), itemOf(options)));
      case "wait":
        this.#now += number(0);
        return `${this.#now} ms${this.#wakeAt()}`;
      case "take":
        return this.#take() ?? `nothing${this.#wakeAt()}`;
      case "send":
        return this.#send();
      case "ack":
        return plain
          .map((_, i) => `${plain[i]}: ${shown("settled", this.#queue.ack(number(i), this.#now))}`)
          .join("\n");
      case "nack":
        return (
          shown(
            "given up",
            this.#queue.nack(number(0), !plain.includes("final"), this.#now, plain.includes("behind")),
          ) + this.#wakeAt()
        );
      case "window":
        this.#queue.setWindow(number(0), number(1));
        return "ok";
      case "load":
        return `${this.#queue.waiting} waiting, ${this.#queue.inFlight} in flight (${this.#queue.inFlightBytes} bytes)${this.#wakeAt()}`;
      default:
        throw new Error(`unknown command: ${command}`);
    }
  }

  #take(): string | undefined {
    const taken = this.#queue.take(this.#now, this.#now);
    if (taken === undefined) return undefined;
    if (taken.expired) return `${taken.item.position} expired`;
    const marks = [taken.sends > 1 ? `time ${taken.sends}` : "", taken.resume ? "resume" : ""].filter(
      Boolean,
    );
    return `${taken.item.position} sent${marks.length > 0 ? ` (${marks.join(", ")})` : ""}`;
  }

  #send(): string {
    const lines: string[] = [];
    for (let line = this.#take(); line !== undefined; line = this.#take()) lines.push(line);
    return [...lines, `nothing more${this.#wakeAt()}`].join("\n");
  }

  #wakeAt(): string {
    const at = this.#queue.nextWakeAt();
    return at === Number.POSITIVE_INFINITY ? "" : `; wake at ${at} ms`;
  }
}

function queueOf(options: ReadonlyMap<string, string>): Parameters<typeof newQueue>[0] {
  const names = {
    window: "windowMessages",
    bytes: "windowBytes",
    timeout: "ackTimeoutMs",
    maxTimeout: "maxAckTimeoutMs",
    pause: "nackDelayMs",
    maxPause: "maxNackDelayMs",
    refusals: "maxRefusals",
    expiresInFlight: "expiresInFlight",
  } as const;
  const read = (text: string): number | boolean => (text === "true" ? true : Number(text));
  return Object.fromEntries(
    [...options].map(([name, text]) => [names[name as keyof typeof names] ?? unknown(name), read(text)]),
  );
}

function itemOf(options: ReadonlyMap<string, string>): Partial<Outgoing> {
  const names = { size: "size", priority: "priority", expires: "expiresAt" } as const;
  return Object.fromEntries(
    [...options].map(([name, value]) => [names[name as keyof typeof names] ?? unknown(name), Number(value)]),
  );
}

function unknown(name: string): never {
  throw new Error(`unknown option: ${name}`);
}

function shown(what: string, record: SendRecord<Outgoing> | undefined): string {
  if (record === undefined) return "nothing";
  return `${what} after ${record.sends} ${record.sends === 1 ? "send" : "sends"}`;
}

/** The text with the answers as they are now: indented, below each command. */
function replayed(text: string): string {
  const replay = new Replay();
  const lines = text.split("\n").flatMap((line) => {
    if (line.startsWith("  ")) return [];
    if (line === "" || line.startsWith("#")) return [line];
    const answers = replay.run(line).split("\n");
    return [line, ...answers.map((answer) => `  ${answer}`)];
  });
  return lines.join("\n");
}

describe("the queue answers as in the transcript", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));

  it.each(names)("%s", (name) => {
    const text = readFileSync(new URL(name, folder), "utf8");
    const now = replayed(text);
    if (process.env.UPDATE) writeFileSync(new URL(name, folder), now);
    else expect(now).toBe(text);
  });

  it("of which there is at least one for each part of its documentation", () => {
    expect(names.sort()).toEqual([
      "events.txt",
      "expiry.txt",
      "priorities.txt",
      "refusals.txt",
      "repeats.txt",
      "state.txt",
      "window.txt",
    ]);
  });
});
