import { AckedContents } from "../../cloudhub/acked-contents.ts";
import { contentDigest, deflate } from "../../platform/short-forms.ts";
import type { LinkCodec } from "../../protocol/codec.ts";
import { event, state, volatile } from "../../protocol/delivery.ts";
import { KubeEdgeCloudCodec, KubeEdgeEdgeCodec } from "../../protocol/kubeedge-codec.ts";
import type { MessageDraft } from "../../protocol/message.ts";
import { NativeCodec } from "../../protocol/native-codec.ts";
import type { ShortForms } from "../../protocol/short-forms.ts";
import { type ChannelOptions, newCounters } from "../../transport/index.ts";
import { type MemoryLink, memoryPair } from "../../transport/memory.ts";
import { randomOf } from "../support/seeds.ts";
import { aMessage, edge1, inOutbox } from "./messages.ts";
import { CountingClock, NarrowConnection } from "./simulated-link.ts";
import { poisonSource, Side, type Surroundings, type Wish } from "./simulated-side.ts";

/** The largest message a native peer takes; a few are larger. */
const maxMessageBytes = 2_000;
const never = Number.POSITIVE_INFINITY;
/** The longest that a machine is down. */
const maxDownMs = 800;

/** In KubeEdge's dialect, the only event that an edge acks. */
const answer: Partial<MessageDraft> = {
  operation: "response",
  parentId: "query",
  resource: "default/configmap/asked-for",
  delivery: event(),
};

/** Makes objects long enough for deltas. */
const filler = Array.from({ length: 120 }, (_, i) => (i * i * 7_919) % 1_009).join(",");

type Role = "cloud" | "edge";

/**
 * A random history: two machines with disks that last, real channels between them over a simulated link, and
 * everything that can go wrong with them. `run` lets it happen, heals everything, and says what is not as it
 * must be.
 */
export class World implements Surroundings {
  readonly clock = new CountingClock();
  readonly counters = newCounters();
  readonly #random: () => number;
  readonly #findings: string[] = [];
  readonly #native: boolean;
  readonly #cloud: Side;
  readonly #edge: Side;
  readonly #options: Record<Role, ChannelOptions>;
  /** Compression and deltas are spoken. */
  readonly #short: boolean;
  /** What the cloud remembers of what the edge has acked; gone when it crashes. */
  #acked = new AckedContents(10_000);
  #link: MemoryLink | undefined;
  #links = 0;
  #version = 0;
  #ids = 0;
  #reconnecting = false;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#native = this.#chance(0.75);
    this.#options = { cloud: this.#channelOptions("cloud"), edge: this.#channelOptions("edge") };
    this.#short = this.#native && this.#chance(0.6);
    this.#cloud = new Side("cloud", this);
    this.#edge = new Side("edge", this);
    this.#cloud.peer = this.#edge;
    this.#edge.peer = this.#cloud;
  }

  /** @returns What is wrong; empty if nothing is. */
  async run(): Promise<readonly string[]> {
    this.#connect();
    const lengthMs = this.#whole(500, 4_000);
    for (let i = this.#whole(5, 25); i > 0; i--)
      this.#within(lengthMs, () => void this.#publish(this.#cloud));
    for (let i = this.#whole(0, 15); i > 0; i--) this.#within(lengthMs, () => void this.#publish(this.#edge));
    for (let i = this.#whole(0, 8); i > 0; i--) this.#within(lengthMs, () => this.#breakSomething());
    await this.clock.advance(lengthMs);
    await this.#heal();
    await this.#rest();
    this.#check(this.#cloud);
    this.#check(this.#edge);
    return this.#findings;
  }

  writeMs(): number {
    return this.#whole(0, 20);
  }

  found(what: string): void {
    this.#findings.push(what);
  }

  lost(): void {
    if (this.#reconnecting) return;
    this.#reconnecting = true;
    this.clock.after(this.#whole(1, 300), () => {
      this.#reconnecting = false;
      this.#connect();
    });
  }

  // ── what happens ───────────────────────────────────────────────────────────────────────────────────────

  #whole(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #within(ms: number, run: () => void): void {
    this.clock.after(this.#whole(0, ms), run);
  }

  #connect(): void {
    if (!this.#cloud.machine.alive || !this.#edge.machine.alive) {
      this.lost();
      return;
    }
    const { a, b, link } = memoryPair(this.clock);
    link.delayMs = this.#whole(0, 60);
    this.#link = link;
    this.#links++;
    const fullForMs = (): number => (this.#chance(0.1) ? this.#whole(1, 700) : 0);
    const narrow = {
      a: new NarrowConnection(a, this.clock, fullForMs),
      b: new NarrowConnection(b, this.clock, fullForMs),
    };
    this.#cloud.attach(narrow.a, this.#links, {
      codec: this.#codec("cloud"),
      options: this.#options.cloud,
      peerAcks: true,
    });
    this.#edge.attach(narrow.b, this.#links, {
      codec: this.#codec("edge"),
      options: this.#options.edge,
      peerAcks: this.#native,
    });
  }

  #codec(role: Role): LinkCodec {
    if (this.#native)
      return new NativeCodec(edge1, { maxMessageBytes }, this.#short ? this.#forms(role) : {});
    const stamp = { newId: () => `stamp-${this.#ids++}`, wallTime: () => this.clock.wallTime() };
    const limits = { maxMessageBytes: 1 << 20 };
    return role === "cloud"
      ? new KubeEdgeCloudCodec(edge1, stamp, limits)
      : new KubeEdgeEdgeCodec(edge1, stamp, limits);
  }

  #forms(role: Role): ShortForms {
    const held = this.#acked.of(edge1);
    const stored = (resource: string) => this.#edge.disk.contents.get(resource);
    const deltas = { digest: contentDigest, ...(role === "cloud" ? { held } : { stored }) };
    return { compression: deflate, deltas };
  }

  /** Windows of all sizes, those used before the peer's hello and those granted in it. */
  #channelOptions(role: Role): ChannelOptions {
    const pings = role === "edge" || this.#native;
    return {
      queue: {
        windowMessages: this.#whole(1, 40),
        windowBytes: this.#whole(300, 20_000),
        ackTimeoutMs: 150,
        maxAckTimeoutMs: 600,
        nackDelayMs: 20,
        maxNackDelayMs: 200,
        maxRefusals: never,
      },
      keepalive: {
        pingEveryMs: pings ? 400 : never,
        pingAlways: !this.#native && role === "edge",
        deadAfterMs: this.#native || role === "cloud" ? 1_000 : never,
      },
      anyTrafficCounts: this.#native,
      hello: this.#native
        ? {
            software: "simulated",
            storeId: role,
            windowMessages: this.#whole(1, 12),
            windowBytes: this.#whole(300, 5_000),
            maxMessageBytes,
          }
        : undefined,
      maxWindowMessages: 64,
      maxWindowBytes: 1 << 20,
    };
  }

  async #publish(side: Side): Promise<void> {
    const id = `${side.name}-${this.#ids++}`;
    const dice = this.#random();
    const large = this.#native && this.#chance(0.04);
    const text = "x".repeat(large ? 12_000 : this.#whole(0, 400));
    const content = this.#short && this.#chance(0.8) ? { text, filler } : { text };
    if (dice < 0.1) {
      side.sendVolatile(aMessage({ id, content, operation: "publish", group: "user", delivery: volatile }));
      return;
    }
    const isEvent = (this.#native || side === this.#cloud) && dice < 0.45;
    const poison = this.#native && this.#chance(0.05);
    const message = aMessage({
      id,
      content,
      source: poison ? poisonSource : "edgecontroller",
      ...(isEvent ? this.#anEvent() : this.#aState()),
    });
    const { position: _, ...item } = inOutbox(message);
    const expiresAt = isEvent && this.#chance(0.15) ? this.clock.wallTime() + this.#whole(50, 1_500) : never;
    await side.want({ item: { ...item, expiresAt }, poison: poison || large });
  }

  #anEvent(): Partial<MessageDraft> {
    if (!this.#native) return answer;
    return { operation: "upload", delivery: event({ priority: this.#chance(0.3) ? 5 : 0 }) };
  }

  #aState(): Partial<MessageDraft> {
    return {
      operation: this.#chance(0.25) ? "delete" : "update",
      resource: `default/configmap/cm-${this.#whole(1, 4)}`,
      resourceVersion: String(++this.#version),
      delivery: state,
    };
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────

  #breakSomething(): void {
    const side = this.#chance(0.5) ? this.#cloud : this.#edge;
    const faults = [
      () => this.#link?.cut(),
      () => Object.assign(this.#link ?? {}, { delayMs: this.#whole(0, 120) }),
      () => this.#freeze(this.#whole(10, 2_000)),
      () => this.#freeze(this.#whole(10, 500)),
      () => side.machine.stall(this.#whole(10, 1_500)),
      () => side.machine.refuseAll(this.#whole(10, 500)),
      () => side.machine.failNextCommit(),
      () => this.#damage(),
      () => this.#crash(side),
      () => this.#crash(side),
    ];
    faults[this.#whole(0, faults.length - 1)]?.();
  }

  /** The edge has something else than it acked. */
  #damage(): void {
    for (const [key, held] of this.#edge.disk.contents) {
      const content = held.content.slice();
      content[this.#whole(0, content.length - 1)] = this.#whole(0, 255);
      this.#edge.disk.contents.set(key, { ...held, content });
    }
  }

  #freeze(ms: number): void {
    const link = this.#link;
    if (link === undefined || link.frozen) return;
    link.frozen = true;
    this.clock.after(ms, () => link.thaw());
  }

  /** The peer hears of it at once, or finds out by itself. */
  #crash(side: Side): void {
    if (!side.machine.alive) return;
    side.crash();
    if (side === this.#cloud) this.#acked = new AckedContents(10_000);
    if (this.#chance(0.5)) this.#link?.cut();
    else if (this.#link) Object.assign(this.#link, { frozen: true, thaw: () => {} });
    this.#link = undefined;
    this.clock.after(this.#whole(1, maxDownMs), () => {
      side.restart();
      this.lost();
    });
  }

  /** Ends all trouble and waits until everything has arrived. */
  async #heal(): Promise<void> {
    await this.clock.advance(maxDownMs + 1);
    for (const side of [this.#cloud, this.#edge]) side.machine.heal();
    this.#link?.thaw();
    for (let i = 0; i < 60; i++) {
      await this.clock.advance(500);
      if (i > 2 && this.#cloud.disk.outbox.size + this.#edge.disk.outbox.size === 0) return;
    }
    for (const { name, disk } of [this.#cloud, this.#edge])
      this.found(
        `${name}: unsettled, 30 s after all was well: ${[...disk.outbox.values()].map(({ id }) => id)}`,
      );
  }

  /** A link that works stays, with nothing to send. */
  async #rest(): Promise<void> {
    const links = this.#links;
    await this.clock.advance(3_000);
    if (this.#links !== links) this.found(`${this.#links - links} new links in 3 s without any trouble`);
  }

  // ── what must be true in the end ───────────────────────────────────────────────────────────────────────

  #check(side: Side): void {
    for (const id of side.disk.refused.keys())
      if (!side.poisoned.has(id)) this.found(`${side.name}: ${id} was refused`);
    // A stock cloud acks nothing: what an edge sends it may be lost.
    if (!this.#native && side === this.#edge) return;
    for (const wish of side.wishes) this.#checkAccepted(side, wish);
    for (const [key, version] of side.disk.accepted) this.#checkNewest(side, key, version);
    for (const priority of [0, 5]) this.#checkEvents(side, priority);
    this.#checkRepeats(side);
  }

  #checkAccepted({ name, disk }: Side, { item }: Wish): void {
    const accepted =
      item.kind === "event"
        ? disk.eventIds.has(item.id)
        : BigInt(item.version as string) <= BigInt(disk.accepted.get(item.key) ?? -1);
    if (!accepted) this.found(`${name}: ${item.id} was never accepted`);
  }

  #checkNewest(side: Side, key: string, version: string): void {
    const { disk, peer, name } = side;
    const id = side.wishes.find(({ item }) => item.version === version)?.item.id as string;
    const applied = peer.disk.applied.get(key);
    if (side.poisoned.has(id)) {
      if (!disk.refused.has(id as never) || applied === version)
        this.found(`${name}: ${id} should have been refused`);
      return;
    }
    if (applied !== version) this.found(`${name}: ${key} is ${applied} at the peer, not ${version}`);
    const settled = disk.settled.get(key);
    if (settled !== version) this.found(`${name}: ${key} is settled at ${settled}, not ${version}`);
  }

  /** Each event came, and for the first time after all that were accepted before it. */
  #checkEvents({ disk, peer, name, poisoned }: Side, priority: number): void {
    const isDue = (id: string): boolean =>
      !poisoned.has(id) && (!disk.expired.has(id) || peer.disk.receivedIds.has(id));
    const due = disk.events.filter((one) => one.priority === priority && isDue(one.id)).map(({ id }) => id);
    const came = [
      ...new Set(peer.disk.received.filter((one) => one.priority === priority).map(({ id }) => id)),
    ];
    // KubeEdge's dialect has no word to hold back what follows a refused event.
    if (!this.#native) for (const ids of [due, came]) ids.sort();
    if (came.join() !== due.join())
      this.found(`${name}: events of priority ${priority} came as ${came}, not ${due}`);
  }

  /** An event that came on an earlier link comes again only if it was unsettled when this link began. */
  #checkRepeats(side: Side): void {
    const lastLink = new Map<string, number>();
    for (const { id, link } of side.peer.disk.received) {
      const before = lastLink.get(id) ?? link;
      lastLink.set(id, link);
      if (before !== link && !side.unsettledAt.get(link)?.has(id))
        this.found(`${side.name}: ${id} came again on link ${link} though it was settled`);
    }
  }
}
