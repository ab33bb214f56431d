import type { Outgoing } from "./delivery-queue.ts";
import type { ErrorCode, HubError } from "./errors.ts";
import type { Message, MessageId } from "./message.ts";
import type { ResourceVersion } from "./version.ts";

/** A message in an outbox: packed once, sent as often as needed. */
export interface StoredMessage extends Outgoing {
  readonly id: MessageId;
  readonly version: ResourceVersion | undefined;
  /** Wall clock of the acceptance, ms since 1970. */
  readonly acceptedAt: number;
  /** The message in packed form; `unpackMessage` reads it. */
  readonly packed: Uint8Array;
}

/** What each side of a native link says first, without waiting for the other. */
export interface Hello {
  /** Name and version of the program. */
  readonly software: string;
  /** Identifies the sender's store; versions compare only within one. */
  readonly storeId: string;
  /** Messages and bytes it takes unacknowledged. */
  readonly windowMessages: number;
  readonly windowBytes: number;
  /** The largest message it takes. */
  readonly maxMessageBytes: number;
  /** Its wall clock, ms since 1970: to notice clocks that are wrong. */
  readonly wallTime: number;
  /** It says what it has, or takes what the other one says; see `resume.ts`. */
  readonly resumes?: boolean;
  /** What a node has of the hub that it thinks this is, said without waiting for that hub's own hello. */
  readonly held?: HeldDigest;
  /** What it takes beyond the dialect, in words such as `deflate.1`; the codec writes its own. Unknown ones mean nothing. */
  readonly features?: readonly string[];
}

/** A digest of `resume.ts`, and the store that numbered the versions. */
export interface HeldDigest {
  readonly storeId: string;
  readonly digest: Uint8Array;
}

/** What the receiver adds to an ack when the sender could not know it. */
export interface Receipt {
  readonly position: number;
  /** True: the receiver has this version or a newer one already; nothing was changed. */
  readonly stale: boolean;
  /** The version the receiver gave or knows. */
  readonly version: ResourceVersion | undefined;
}

/** All that can be on a link, whatever the dialect. */
export type Frame =
  | { readonly type: "hello"; readonly hello: Hello }
  | {
      readonly type: "message";
      /** The message's place in the sender's outbox; 0 for a volatile message. */
      readonly position: number;
      /** See `Transmission.resume`. */
      readonly resume: boolean;
      readonly message: Message;
    }
  | { readonly type: "ack"; readonly positions: readonly number[]; readonly receipts: readonly Receipt[] }
  | {
      readonly type: "nack";
      readonly position: number;
      readonly code: ErrorCode;
      readonly text: string;
      readonly retryable: boolean;
    }
  | { readonly type: "ping" }
  | { readonly type: "bye"; readonly code: ErrorCode; readonly text: string }
  /** A question outside the delivery machine; `body` is JSON text. */
  | { readonly type: "call"; readonly call: number; readonly method: string; readonly body: Uint8Array }
  | {
      readonly type: "reply";
      readonly call: number;
      readonly error: Refusal | undefined;
      readonly body: Uint8Array;
    }
  /** What a node has, as bytes of `resume.ts`: the digest, the buckets that the hub asks for, what is in them. */
  | { readonly type: "digest"; readonly body: Uint8Array }
  | { readonly type: "differs"; readonly body: Uint8Array }
  | { readonly type: "held"; readonly body: Uint8Array }
  /** The transport answers this itself, at once, with these bytes. */
  | { readonly type: "answer"; readonly bytes: Uint8Array }
  /** A message with a field that cannot be used; the link stays. `position` 0: it expects no ack. */
  | { readonly type: "unusable"; readonly position: number; readonly error: HubError }
  /** Well formed, and nothing to do: a late ack, an empty message, an error report without an addressee. */
  | { readonly type: "ignored"; readonly why: IgnoredReason };

/** What is none of a channel's business, but its owner's. */
export type OwnersFrame = Extract<
  Frame,
  | { type: "hello" }
  | { type: "call" }
  | { type: "reply" }
  | { type: "digest" }
  | { type: "differs" }
  | { type: "held" }
>;

export interface Refusal {
  readonly code: ErrorCode;
  readonly text: string;
  readonly retryable: boolean;
}

export type IgnoredReason = "late-ack" | "empty-message" | "stray-error";
