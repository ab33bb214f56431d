import { HubError } from "../../protocol/index.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const quote = 0x22;
const backslash = 0x5c;

/** Documents of devices have seven levels; more is somebody's mistake, or worse. */
const maxDepth = 32;

/** Throws `E_TOO_LARGE` or `E_BAD_MESSAGE`: too long, not UTF-8, nested too deep, no JSON. */
export function readJson(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.length > maxBytes)
    throw new HubError("E_TOO_LARGE", `a payload may have ${maxBytes} bytes, this one has ${bytes.length}`);
  if (isDeeper(bytes)) throw new HubError("E_BAD_MESSAGE", `JSON may be nested ${maxDepth} deep`);
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "not JSON in UTF-8", { cause });
  }
}

/** Looks before anything is built. */
function isDeeper(bytes: Uint8Array): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (inText) {
      if (byte === backslash) at++;
      else if (byte === quote) inText = false;
    } else if (byte === quote) inText = true;
    else if (byte === openBrace || byte === openBracket) {
      if (++depth > maxDepth) return true;
    } else if (byte === closeBrace || byte === closeBracket) depth--;
  }
  return false;
}
