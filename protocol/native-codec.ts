import type { ControlFrame, FrameLimits, LinkCodec, Received } from "./codec.ts";
import {
  encodeAcks,
  encodeControl,
  encodeNack,
  maxAcked,
  readControl,
  tooManyAcked,
} from "./control-codec.ts";
import { type ErrorCode, HubError } from "./errors.ts";
import type { Frame, Hello, Receipt, Refusal, StoredMessage } from "./frame.ts";
import { type Message, type NodeId, requireNodeId } from "./message.ts";
import { type Package, PackageReader } from "./package-reader.ts";
import { packageTypeControl, packMessage, type Unpacked, unpack, usableDelivery } from "./packed-codec.ts";
import type { ShortForms } from "./short-forms.ts";
import { ShortReceiver } from "./short-receiver.ts";
import { ShortSender } from "./short-sender.ts";
import { fromWire, messageFrame } from "./wire-message.ts";

/** The word under which a peer offers this dialect; the number grows with each incompatible change. */
export const nativeDialect = "native.1";

/** Room for what stands around a message's content in its package. */
const overhead = 8 * 1024;

/**
 * Dialect `native`: packages back to back, in any chunks. See message.proto for the bytes, docs/protocol.md
 * for the conversation.
 *
 * @param node The node of the link: its messages do not repeat the name. `undefined` on a link that
 *   carries messages of many nodes (a controller's); each message names its node then.
 * @param forms How messages are kept small, with peers that can read that; default: not at all.
 */
export class NativeCodec implements LinkCodec {
  readonly dialect = "native";
  readonly joinable = true;
  readonly acknowledges = true;
  readonly answersAll = true;
  readonly resumes = true;
  readonly #node: NodeId | undefined;
  readonly #packages: PackageReader;
  readonly #sender: ShortSender;
  readonly #receiver: ShortReceiver;

  constructor(node: NodeId | undefined, limits: FrameLimits, forms: ShortForms = {}) {
    this.#node = node;
    this.#packages = new PackageReader(limits.maxMessageBytes + overhead);
    this.#sender = new ShortSender(forms);
    this.#receiver = new ShortReceiver(forms, limits.maxMessageBytes + overhead);
  }

  expectsAck(): boolean {
    return true;
  }

  message(item: StoredMessage & { readonly node?: NodeId }, resume: boolean): Uint8Array {
    const node = this.#node ? undefined : item.node;
    return this.#sender.package(item, { position: item.position, resume, node });
  }

  volatile(message: Message): Uint8Array {
    const node = this.#node ? undefined : message.node;
    return this.#sender.once(packMessage(message), { position: 0, resume: false, node });
  }

  acks(received: readonly Received[], receipts: readonly Receipt[]): Uint8Array[] {
    return [encodeAcks(received, receipts)];
  }

  nack(received: Received, refusal: Refusal): Uint8Array[] {
    return [encodeNack(received.position, refusal)];
  }

  control(frame: ControlFrame): Uint8Array[] {
    if (frame.type !== "hello") return [encodeControl(frame)];
    return [encodeControl({ type: "hello", hello: { ...frame.hello, features: this.#receiver.features } })];
  }

  acked(item: StoredMessage): void {
    this.#sender.acked(item);
  }

  refused(item: StoredMessage, code: ErrorCode): boolean {
    return this.#sender.refused(item, code);
  }

  forget(position: number): void {
    this.#sender.forget(position);
  }

  push(chunk: Uint8Array): Frame[] {
    let acked = 0;
    return this.#packages.push(chunk).map((found) => {
      const frame = this.#frameOf(found);
      if (frame.type === "ack") acked += frame.positions.length;
      if (acked > maxAcked) throw tooManyAcked();
      return frame;
    });
  }

  #frameOf({ type, compressed, payload }: Package): Frame {
    if (type !== packageTypeControl)
      return this.#messageFrame(
        compressed && this.#receiver.inflates ? this.#receiver.inflate(payload) : unpack(payload),
      );
    const frame = readControl(payload);
    if (frame.type === "hello") this.#greeted(frame.hello);
    return frame;
  }

  #greeted(hello: Hello): void {
    this.#sender.greeted(hello);
    this.#receiver.greeted(hello.storeId);
  }

  #messageFrame(arrived: Unpacked): Frame {
    const { delivery, link } = arrived;
    const whole = this.#whole(arrived);
    if (whole instanceof HubError) return { type: "unusable", position: link.position, error: whole };
    const { wire, packed } = whole;
    return messageFrame(link, () =>
      fromWire(wire, this.#node ?? requireNodeId(link.node), { delivery: usableDelivery(delivery), packed }),
    );
  }

  /** The message with its content in place of the delta. */
  #whole(arrived: Unpacked): Pick<Unpacked, "wire" | "packed"> | HubError {
    const { wire, delta } = arrived;
    if (delta === undefined) return arrived;
    if (wire.content.length > 0) throw new HubError("E_BAD_FRAME", "a message has a content and a delta");
    const content = this.#receiver.content(wire.resource, delta);
    return content instanceof HubError ? content : { wire: { ...wire, content }, packed: undefined };
  }
}
