import type { LinkCodec } from "../../protocol/codec.ts";
import { type ErrorCode, HubError } from "../../protocol/errors.ts";
import type { StoredMessage } from "../../protocol/frame.ts";
import type { Message } from "../../protocol/message.ts";
import type { MessageStore, Settled } from "../../protocol/message-store.ts";
import { unpackMessage } from "../../protocol/packed-codec.ts";
import { compareVersions, type ResourceVersion } from "../../protocol/version.ts";
import type { Connection } from "../../transport/connection.ts";
import {
  type ChannelCounters,
  type ChannelOptions,
  type ChannelOwner,
  MessageChannel,
  type ReceiptContent,
} from "../../transport/index.ts";
import type { FakeClock } from "../support/fake-clock.ts";
import { edge1 } from "./messages.ts";
import { Disk, Machine } from "./simulated-machine.ts";

const neverExpected: ReadonlySet<ErrorCode> = new Set([
  "E_BAD_FRAME",
  "E_WINDOW_EXCEEDED",
  "E_INTERNAL",
  "E_BAD_MESSAGE",
]);

/** Messages from this source are never taken. */
export const poisonSource = "poison";

/** A message that somebody wants delivered, and what is to become of it. */
export interface Wish {
  readonly item: Omit<StoredMessage, "position">;
  /** The receiver can never take it. */
  readonly poison: boolean;
}

/** What a side needs of the world around it. */
export interface Surroundings {
  readonly clock: FakeClock;
  readonly counters: ChannelCounters;
  /** How long a write takes, ms. */
  writeMs(): number;
  /** Something is wrong. */
  found(what: string): void;
  /** A side has noticed that its link is gone. */
  lost(): void;
}

/** One end: a disk, the process on it, and its channel on the link of the moment. */
export class Side {
  readonly name: string;
  readonly disk = new Disk();
  readonly wishes: Wish[] = [];
  /** Ids of the messages that were unsettled when each link began. */
  readonly unsettledAt = new Map<number, ReadonlySet<string>>();
  machine: Machine;
  channel: MessageChannel | undefined;
  /** The other end. */
  peer!: Side;
  readonly #around: Surroundings;
  /** Volatile messages given to a link, and how often each came. */
  readonly #volatile = new Map<string, number>();
  /** Newest version handed over on this link, per key. */
  #handedOver = new Map<string, bigint>();

  constructor(name: string, around: Surroundings) {
    this.name = name;
    this.#around = around;
    this.machine = this.#boot();
  }

  get poisoned(): ReadonlySet<string> {
    return new Set(this.wishes.filter(({ poison }) => poison).map(({ item }) => item.id));
  }

  /** All that is not on the disk is gone; the channel is never heard of again. */
  crash(): void {
    this.machine.crash();
    this.channel = undefined;
  }

  restart(): void {
    if (!this.machine.alive) this.machine = this.#boot();
  }

  /** A new link: the old one, if this side still believes in it, gives way. */
  attach(
    connection: Connection,
    link: number,
    parts: { codec: LinkCodec; options: ChannelOptions; peerAcks: boolean },
  ): void {
    const old = this.channel;
    this.channel = undefined;
    old?.close({ code: "E_REPLACED", text: "a newer link" });
    this.#handedOver = new Map();
    this.unsettledAt.set(link, new Set([...this.disk.outbox.values()].map(({ id }) => id)));
    const { machine } = this;
    const { clock, counters } = this.#around;
    let open = true;
    const owner: ChannelOwner = {
      received: (message) => this.#received(message, machine, link),
      control: () => {},
      fault: (error) => this.#fault(error),
      closed: ({ code, text }) => {
        open = false;
        if (neverExpected.has(code) || code === "E_TOO_LARGE")
          this.#around.found(`${this.name}: the link ended with ${code}: ${text}`);
        if (machine !== this.machine || this.channel !== channel) return;
        this.channel = undefined;
        this.#around.lost();
      },
    };
    const channel = new MessageChannel(
      { connection, codec: parts.codec, owner, clock, counters },
      parts.options,
    );
    this.channel = channel;
    channel.start(this.#watched(machine, (settled) => this.#checkSettled(settled, parts.peerAcks, open)));
  }

  /** Wants a message delivered; tries until it is on the disk. */
  async want(wish: Wish): Promise<void> {
    this.wishes.push(wish);
    const tooLong = (): Promise<false> =>
      new Promise((resolve) => void this.#around.clock.after(300, () => resolve(false)));
    const put = (): Promise<boolean> =>
      this.machine.put(wish.item).then(
        () => true,
        () => false,
      );
    while (!(await Promise.race([put(), tooLong()]))) {}
  }

  sendVolatile(message: Message): void {
    if (this.channel?.sendVolatile(message)) this.#volatile.set(message.id, 0);
  }

  #boot(): Machine {
    return new Machine(this.disk, this.#around.clock, () => this.#around.writeMs());
  }

  #fault(error: HubError): void {
    if (neverExpected.has(error.code)) this.#around.found(`${this.name}: ${error}`);
  }

  async #received(message: Message, machine: Machine, link: number): Promise<ReceiptContent | undefined> {
    if (!machine.alive) return new Promise(() => {});
    if (message.delivery.kind === "volatile") {
      this.peer.#volatileCame(message);
      return undefined;
    }
    this.#watchVersions(message);
    this.#watchContent(message);
    if (message.source === poisonSource) throw new HubError("E_REFUSED", "poison");
    return machine.received(message, link);
  }

  #volatileCame({ id }: Message): void {
    const times = this.#volatile.get(id);
    if (times === undefined) this.#around.found(`${this.name}: ${id} came though it was dropped`);
    else if (times > 0) this.#around.found(`${this.name}: ${id} is volatile and came again`);
    this.#volatile.set(id, (times ?? 0) + 1);
  }

  #watchVersions({ delivery, resource, resourceVersion }: Message): void {
    if (delivery.kind !== "state" || resourceVersion === undefined) return;
    const version = BigInt(resourceVersion);
    const before = this.#handedOver.get(resource.path) ?? 0n;
    if (version < before)
      this.#around.found(`${this.name}: ${resource.path} came as ${version} after ${before} on one link`);
    this.#handedOver.set(resource.path, version);
  }

  /** Compressed, as a delta or as it is: what arrives is what was meant. */
  #watchContent({ id, content }: Message): void {
    const wish = this.peer.wishes.find(({ item }) => item.id === id);
    const meant = wish && unpackMessage(wish.item.packed, edge1).content;
    if (meant === undefined || Buffer.compare(content, meant) !== 0)
      this.#around.found(`${this.name}: ${id} came with another content`);
  }

  /** An ack means that it is on the peer's disk; without acks, that it has left. */
  #checkSettled({ item, receipt }: Settled, peerAcks: boolean, isOpen: boolean): void {
    const { applied, receivedIds } = this.peer.disk;
    if (receipt && !isAtLeast(receipt.version, item.version))
      this.#around.found(`${this.name}: the receipt for ${item.id} is of ${receipt.version}`);
    const arrived =
      item.kind === "event" ? receivedIds.has(item.id) : isAtLeast(applied.get(item.key), item.version);
    if (peerAcks && !arrived)
      this.#around.found(`${this.name}: ${item.id} was settled and is not on the peer's disk`);
    if (!peerAcks && !isOpen)
      this.#around.found(`${this.name}: ${item.id} was settled and may not have left`);
  }

  #watched(machine: Machine, check: (settled: Settled) => void): MessageStore {
    return {
      follow: (reader) => machine.follow(reader),
      settle: (batch) => {
        batch.forEach(check);
        return machine.settle(batch);
      },
      refuse: (record, code) => machine.refuse(record, code),
      expire: (item) => machine.expire(item),
      unacked: () => machine.unacked(),
    };
  }
}

function isAtLeast(version: ResourceVersion | undefined, wanted: ResourceVersion | undefined): boolean {
  return version !== undefined && wanted !== undefined && compareVersions(version, wanted) >= 0;
}
