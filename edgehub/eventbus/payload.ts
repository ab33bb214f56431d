import { contentOf, HubError, type Message } from "../../protocol/index.ts";

/** Payloads of MQTT as contents of messages, and back. */

/**
 * The one member of a content that stands for bytes which are not UTF-8: their base64, as CloudEvents names it.
 * KubeEdge sends a text with U+FFFD in their place, so nobody can mistake this for one of its contents.
 */
const binaryKey = "data_base64";

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A JSON value for the payload: the text, as KubeEdge has it; bytes that are not UTF-8 as `{ data_base64 }`. */
export function contentOfPayload(payload: Uint8Array): string | { readonly [binaryKey]: string } {
  try {
    return strict.decode(payload);
  } catch {
    return { [binaryKey]: Buffer.from(payload).toString("base64") };
  }
}

/**
 * What the cloud wants to be published: a text as it is, the bytes of `{ data_base64 }`, the JSON text of any other
 * value. Throws `E_BAD_MESSAGE` if there is none.
 */
export function payloadOfContent(message: Pick<Message, "content">): Uint8Array | string {
  const content = contentOf(message);
  if (typeof content === "string") return content;
  if (content === null) throw new HubError("E_BAD_MESSAGE", "a message to be published needs a content");
  return bytesOf(content) ?? JSON.stringify(content);
}

function bytesOf(content: unknown): Uint8Array | undefined {
  if (typeof content !== "object" || content === null || Object.keys(content).length !== 1) return undefined;
  const text: unknown = (content as Record<string, unknown>)[binaryKey];
  if (typeof text !== "string") return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
