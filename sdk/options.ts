import type { Logger } from "../platform/logger.ts";

/**
 * How to reach a hub and who one is there. The file that `hubctl controller create --out` or `hubctl controller
 * certificate --out` wrote has url, token or certificate, and ca as they are needed here.
 */
export interface ConnectOptions {
  /** `https://host:10005`, the hub's API address. */
  readonly url: string;
  /** The controller's token, as `hubctl controller create` printed it. */
  readonly token?: string;
  /** Instead of a token: a client certificate that the hub issued to the controller, and its key, PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** The hub's CA, PEM. Default: the certificate authorities that Node.js trusts. */
  readonly ca?: string;
  /** Give up connecting for the first time after so long, ms; default 10,000. Afterwards it reconnects for ever. */
  readonly connectTimeoutMs?: number;
  /** Messages and bytes that may be unacknowledged here before `publish` fails with `E_OUTBOX_FULL`. */
  readonly maxOutboxMessages?: number;
  readonly maxOutboxBytes?: number;
  /** Messages from nodes that the hub may send before they are acked; default 1,024 and 4 MiB. */
  readonly windowMessages?: number;
  readonly windowBytes?: number;
  /** The largest message taken, bytes; default 16 MiB. */
  readonly maxMessageBytes?: number;
  /** Default: silent. */
  readonly log?: Logger;
}
