import type { LinkCodec } from "../../protocol/codec.ts";
import { event, state, volatile } from "../../protocol/delivery.ts";
import { HubError } from "../../protocol/errors.ts";
import type { StoredMessage } from "../../protocol/frame.ts";
import { KubeEdgeCloudCodec, KubeEdgeEdgeCodec } from "../../protocol/kubeedge-codec.ts";
import type { Message } from "../../protocol/message.ts";
import type { MessageStore, Settled } from "../../protocol/message-store.ts";
import { NativeCodec } from "../../protocol/native-codec.ts";
import { type ResourceVersion, requireVersion } from "../../protocol/version.ts";
import type { Connection } from "../../transport/connection.ts";
import { type MemoryLink, memoryPair } from "../../transport/memory.ts";
import { type ChannelOptions, type ChannelOwner, MessageChannel, newCounters } from "../../transport/message-channel.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { randomOf } from "../support/seeds.ts";
import { aMessage, edge1, inOutbox } from "./messages.ts";
import { Disk, Machine } from "./simulated-machine.ts";

/** The largest message a native peer takes; a few are larger. */
const maxMessageBytes = 2_000;
const poisonText = "poison";

type Random = { whole(from: number, to: number): number; chance(probability: number): boolean };

function randomWords(seed: number): Random {
  const next = randomOf(seed);
  return {
    whole: (from, to) => from + Math.floor(next() * (to - from + 1)),
    chance: (probability) => next() < probability,
  };
}

/** What is wrong with a history; empty if nothing is. */
export type Findings = string[];

/** A message that somebody wants delivered, and what is to become of it. */
interface Wish {
  readonly item: Omit<StoredMessage, "position">;
  /** The receiver can never take it. */
  readonly poison: boolean;
}

/** One end: a disk, the process on it, its channel on the link of the moment. */
class Side {
  readonly name: string;
  readonly disk = new Disk();
  readonly world: World;
  readonly wishes: Wish[] = [];
  readonly volatileSent = new Map<string, number>();
  machine: Machine;
  channel: MessageChannel | undefined;
  peer!: Side;
  /** Position handed over last, per key: on one link it never goes back. */
  #handedOver = new Map<string, bigint>();

  constructor(name: string, world: World) {
    this.name = name;
    this.world = world;
    this.machine = this.#boot();
  }

  crash(): void {
    this.machine.crash();
    this.channel = undefined;
  }

  restart(): void {
    if (!this.machine.alive) this.machine = this.#boot();
  }

  /** A new link: the old one, if this side still believes in it, gives way. */
  attach(connection: Connection, link: number, parts: { codec: LinkCodec; options: ChannelOptions }): void {
    this.channel?.close({ code: "E_REPLACED", text: "a newer link" });
    const { machine, world } = this;
    this.#handedOver = new Map();
    const unsettled = new Set([...this.disk.outbox.values()].map(({ id }) => id));
    const owner: ChannelOwner = {
      received: (message) => this.#received(message, machine, link),
      control: () => {},
      fault: (error) => this.#fault(error),
      closed: () => {
        if (machine !== this.machine || this.channel !== channel) return;
        this.channel = undefined;
        world.lost();
      },
    };
    const channel = new MessageChannel(
      { connection, codec: parts.codec, owner, clock: world.clock, counters: newCounters() },
      parts.options,
    );
    this.channel = channel;
    world.unsettledAt(this, link, unsettled);
    channel.start(this.#watched(machine, parts.codec));
  }

  /** Wants a message delivered; tries until it is on the disk. */
  async want(wish: Wish): Promise<void> {
    this.wishes.push(wish);
    for (;;) {
      const done = await Promise.race([
        this.machine.put(wish.item).then(
          () => true,
          () => false,
        ),
        this.world.pause(300),
      ]);
      if (done) return;
    }
  }

  sendVolatile(message: Message): void {
    if (this.channel?.sendVolatile(message)) this.volatileSent.set(message.id, 0);
  }

  #boot(): Machine {
    return new Machine(this.disk, this.world.clock, () => this.world.random.whole(0, 20));
  }

  #fault(error: HubError): void {
    this.world.t(`${this.name} fault ${error} load ${JSON.stringify(this.channel?.load)}`);
    const unexpected = ["E_BAD_FRAME", "E_WINDOW_EXCEEDED", "E_INTERNAL", "E_BAD_MESSAGE"];
    if (unexpected.includes(error.code)) this.world.findings.push(`${this.name}: ${error}`);
  }

  async #received(message: Message, machine: Machine, link: number): Promise<ReturnType<Machine["received"]> extends Promise<infer R> ? R : never> {
    if (!machine.alive) return new Promise(() => {});
    if (message.delivery.kind === "volatile") {
      const count = this.peer.volatileSent.get(message.id) ?? -1;
      if (count !== 0) this.world.findings.push(`${this.name}: volatile message came ${count + 2} times or was dropped`);
      this.peer.volatileSent.set(message.id, count + 1);
      return undefined;
    }
    this.#watchOrder(message);
    this.world.t(`${this.name} received ${message.id} ${message.resourceVersion} ${link}`);
    if (message.source === poisonText) throw new HubError("E_REFUSED", "poison");
    return machine.received(message, link);
  }

  #watchOrder({ delivery, resource, resourceVersion }: Message): void {
    if (delivery.kind !== "state" || resourceVersion === undefined) return;
    const version = BigInt(resourceVersion);
    if (version < (this.#handedOver.get(resource.path) ?? 0n))
      this.world.findings.push(`${this.name}: version ${version} of ${resource.path} came after a newer one on the same link`);
    this.#handedOver.set(resource.path, version);
  }

  /** The store, with an eye on what is settled: the peer must have it on its disk. */
  #watched(machine: Machine, codec: LinkCodec): MessageStore {
    const check = ({ item }: Settled): void => {
      if (!codec.expectsAck({ ...item, position: -1 }) && codec.dialect === "kubeedge" && this.name === "edge") return;
      const { applied, receivedIds } = this.peer.disk;
      const has =
        item.kind === "event"
          ? receivedIds.has(item.id)
          : BigInt(applied.get(item.key) ?? -1) >= BigInt(item.version as ResourceVersion);
      if (!has) this.world.findings.push(`${this.name}: ${item.id} was settled and is not on the peer's disk`);
    };
    return {
      follow: (signal) => machine.follow(signal),
      settle: (batch) => {
        batch.forEach(check);
        world_t(this, batch.map(b=>b.item.id + "#" + b.item.position).join());
        return machine.settle(batch);
      },
      refuse: (record, code) => machine.refuse(record, code),
      expire: (item) => machine.expire(item),
      unacked: () => {},
    };
  }
}

/** A random history of two sides, a link between them, and everything that can go wrong. */
export class World {
  readonly clock = new FakeClock();
  readonly random: Random;
  readonly findings: Findings = [];
  trace: string[] = [];
  t(s: string) { this.trace.push(this.clock.now() + " " + s); }
  readonly dialect: "native" | "kubeedge";
  readonly #cloud: Side;
  readonly #edge: Side;
  readonly #options: { cloud: ChannelOptions; edge: ChannelOptions };
  readonly #unsettled = new Map<string, ReadonlySet<string>>();
  #link: MemoryLink | undefined;
  #links = 0;
  #version = 0;
  #ids = 0;
  #reconnecting = false;

  constructor(seed: number) {
    this.random = randomWords(seed);
    this.dialect = this.random.chance(0.75) ? "native" : "kubeedge";
    this.#options = { cloud: this.#channelOptions("cloud"), edge: this.#channelOptions("edge") };
    this.#cloud = new Side("cloud", this);
    this.#edge = new Side("edge", this);
    this.#cloud.peer = this.#edge;
    this.#edge.peer = this.#cloud;
  }

  /** Runs the history, heals everything and says what is wrong then. */
  async run(): Promise<Findings> {
    this.#connect();
    const lengthMs = this.random.whole(500, 4_000);
    for (let i = this.random.whole(5, 25); i > 0; i--) this.#at(lengthMs, () => void this.#publish(this.#cloud));
    for (let i = this.random.whole(0, 15); i > 0; i--) this.#at(lengthMs, () => void this.#publish(this.#edge));
    for (let i = this.random.whole(0, 8); i > 0; i--) this.#at(lengthMs, () => this.#breakSomething());
    await this.clock.advance(lengthMs);
    await this.#heal();
    for (const side of [this.#cloud, this.#edge]) this.#check(side);
    return this.findings;
  }

  pause(ms: number): Promise<false> {
    return new Promise((resolve) => this.clock.after(ms, () => resolve(false)));
  }

  /** A side has noticed that its link is gone. */
  lost(): void {
    if (this.#reconnecting) return;
    this.#reconnecting = true;
    this.clock.after(this.random.whole(1, 300), () => {
      this.#reconnecting = false;
      this.#connect();
    });
  }

  unsettledAt(side: Side, link: number, ids: ReadonlySet<string>): void {
    this.#unsettled.set(`${side.name} ${link}`, ids);
  }

  // ── what happens ───────────────────────────────────────────────────────────────────────────────────────

  #at(withinMs: number, run: () => void): void {
    this.clock.after(this.random.whole(0, withinMs), run);
  }

  #connect(): void {
    if (!this.#cloud.machine.alive || !this.#edge.machine.alive) {
      this.lost();
      return;
    }
    const { a, b, link } = memoryPair(this.clock);
    this.#link = link;
    this.#links++;
    this.t(`connect ${this.#links}`);
    link.delayMs = this.random.whole(0, 60);
    this.#cloud.attach(a, this.#links, { codec: this.#codec("cloud"), options: this.#options.cloud });
    this.#edge.attach(b, this.#links, { codec: this.#codec("edge"), options: this.#options.edge });
  }

  #codec(role: "cloud" | "edge"): LinkCodec {
    if (this.dialect === "native") return new NativeCodec(edge1, { maxMessageBytes });
    const stamp = { newId: () => `ack-${this.#ids++}`, wallTime: () => this.clock.wallTime() };
    const limits = { maxMessageBytes: 1 << 20 };
    return role === "cloud" ? new KubeEdgeCloudCodec(edge1, stamp, limits) : new KubeEdgeEdgeCodec(edge1, stamp, limits);
  }

  #channelOptions(role: "cloud" | "edge"): ChannelOptions {
    const { random } = this;
    const native = this.dialect === "native";
    const silent = Number.POSITIVE_INFINITY;
    return {
      queue: {
        windowMessages: random.whole(1, 40),
        windowBytes: random.whole(300, 20_000),
        ackTimeoutMs: 150,
        maxAckTimeoutMs: 600,
        nackDelayMs: 20,
        maxNackDelayMs: 200,
        maxRefusals: silent,
      },
      keepalive: native
        ? { pingEveryMs: 500, pingAlways: false, deadAfterMs: 1_000 }
        : { pingEveryMs: role === "edge" ? 400 : silent, pingAlways: role === "edge", deadAfterMs: role === "cloud" ? 1_000 : silent },
      anyTrafficCounts: native,
      hello: native
        ? { software: "simulated", storeId: role, windowMessages: random.whole(1, 12), windowBytes: random.whole(300, 5_000), maxMessageBytes }
        : undefined,
      maxWindowMessages: 64,
      maxWindowBytes: 1 << 20,
    };
  }

  async #publish(side: Side): Promise<void> {
    const { random } = this;
    const id = `${side.name}-${this.#ids++}`;
    const native = this.dialect === "native";
    const dice = random.whole(1, 100);
    if (dice <= 10) {
      side.sendVolatile(aMessage({ id, operation: "publish", group: "user", delivery: volatile }));
      return;
    }
    const isEvent = native && dice <= 45;
    const poison = native && random.chance(0.05);
    const large = native && random.chance(0.04);
    const content = { text: "x".repeat(large ? 12_000 : random.whole(0, 400)) };
    const source = poison ? poisonText : "edgecontroller";
    const message = isEvent
      ? aMessage({ id, content, source, operation: "upload", delivery: event({ priority: [0, 0, 5][random.whole(0, 2)] as number }) })
      : aMessage({
          id,
          content,
          source,
          operation: random.chance(0.25) ? "delete" : "update",
          resource: `default/configmap/cm-${random.whole(1, 4)}`,
          resourceVersion: requireVersion(String(++this.#version)),
          delivery: state,
        });
    const { position: _, ...item } = inOutbox(message);
    const expiresAt = isEvent && random.chance(0.15) ? this.clock.wallTime() + random.whole(50, 1_500) : item.expiresAt;
    await side.want({ item: { ...item, expiresAt }, poison: poison || large });
  }

  #breakSomething(): void {
    const { random } = this;
    const side = random.chance(0.5) ? this.#cloud : this.#edge;
    const link = this.#link;
    const zz = random.whole(1, 9); this.t(`break ${zz} ${side.name}`);
    switch (zz) {
      case 1:
        link?.cut();
        return;
      case 2:
        if (link) link.delayMs = random.whole(0, 120);
        return;
      case 3:
      case 4:
        this.#freeze(random.whole(10, 2_000));
        return;
      case 5:
        side.machine.stall(random.whole(10, 1_500));
        return;
      case 6:
        side.machine.refuseAll(random.whole(10, 500));
        return;
      case 7:
        side.machine.failNextCommit();
        return;
      default:
        this.#crash(side);
    }
  }

  #freeze(ms: number): void {
    const link = this.#link;
    if (link === undefined || link.frozen) return;
    link.frozen = true;
    this.clock.after(ms, () => link.thaw());
  }

  /** The peer hears of it at once, or nothing at all. */
  #crash(side: Side): void {
    if (!side.machine.alive) return;
    const link = this.#link;
    side.crash();
    if (this.random.chance(0.5)) link?.cut();
    else if (link) {
      link.frozen = true;
      link.thaw = () => {};
    }
    this.#link = undefined;
    this.clock.after(this.random.whole(1, 800), () => {
      side.restart();
      this.lost();
    });
  }

  /** Ends all trouble and waits until everything has arrived. */
  async #heal(): Promise<void> {
    await this.clock.advance(801);
    for (const side of [this.#cloud, this.#edge]) side.machine.heal();
    this.#link?.thaw();
    const idle = (): boolean => [this.#cloud, this.#edge].every(({ disk }) => disk.outbox.size === 0);
    for (let i = 0; i < 60; i++) {
      await this.clock.advance(500);
      if (i > 2 && idle()) return;
    }
    const left = [this.#cloud, this.#edge].map(({ name, disk }) => `${name} ${[...disk.outbox.values()].map(({ id }) => id)}`);
    this.findings.push(`30 s after all was well something is unsettled: ${left.join("; ")}`);
  }

  // ── what must be true in the end ───────────────────────────────────────────────────────────────────────

  #check(side: Side): void {
    const reliable = this.dialect === "native" || side === this.#cloud;
    if (reliable) this.#checkState(side);
    if (reliable) this.#checkEvents(side);
    const poisoned = poisonedOf(side);
    for (const id of side.disk.refused.keys())
      if (!poisoned.has(id)) this.findings.push(`${side.name}: ${id} was refused`);
  }

  #checkState(side: Side): void {
    const { disk, peer, name } = side;
    for (const [key, version] of disk.accepted) {
      const newest = side.wishes.find(({ item }) => item.version === version) as Wish;
      const applied = peer.disk.applied.get(key);
      if (newest.poison) {
        if (!disk.refused.has(newest.item.id)) this.findings.push(`${name}: ${newest.item.id} was not refused`);
        if (applied === version) this.findings.push(`${name}: ${newest.item.id} was applied`);
        continue;
      }
      if (applied !== version) this.findings.push(`${name}: ${key} is ${applied} at the peer, not ${version}`);
      if (disk.settled.get(key) !== version) this.findings.push(`${name}: ${key} is settled at ${disk.settled.get(key)}, not ${version}`);
    }
    for (const { item } of side.wishes)
      if (item.kind === "state" && BigInt(item.version as string) > BigInt(disk.accepted.get(item.key) ?? 0))
        this.findings.push(`${name}: ${item.id} was never accepted`);
  }

  #checkEvents(side: Side): void {
    const { disk, peer, name } = side;
    const poisoned = poisonedOf(side);
    const due = disk.events.filter(({ id }) => !poisoned.has(id) && (!disk.expired.has(id) || peer.disk.receivedIds.has(id)));
    for (const priority of new Set(disk.events.map((one) => one.priority))) {
      const lane = due.filter((one) => one.priority === priority).map(({ id }) => id);
      const came = peer.disk.received.filter((one) => one.priority === priority).map(({ id }) => id);
      const first = [...new Set(came)];
      if (first.join() !== lane.join()) this.findings.push(`${name}: events of priority ${priority} came as ${first}, not ${lane}`);
    }
    const before = new Map<string, number>();
    for (const { id, link } of peer.disk.received) {
      const onLink = before.get(id) ?? link;
      before.set(id, link);
      if (onLink !== link && !this.#mayRepeat(side, id, link)) this.findings.push(`${name}: ${id} came again on link ${link} though it was settled`);
    }
  }

  /** Was it unsettled when that link began? */
  #mayRepeat(side: Side, id: string, link: number): boolean {
    return this.#unsettled.get(`${side.name} ${link}`)?.has(id) === true;
  }
}

function poisonedOf(side: Side): ReadonlySet<string> {
  return new Set(side.wishes.filter(({ poison }) => poison).map(({ item }) => item.id));
}

function world_t(side: Side, s: string) { side.world.t(`${side.name} settle ${s}`); }
