import { connectHub, type HubClient, HubError } from "../sdk/index.ts";
import { type Address, type AddressFlags, findAddress } from "./address.ts";
import type { Io } from "./io.ts";
import type { Output } from "./output.ts";

/** The connection may take so long to come up, and an answer to come, unless `--timeout` says otherwise. */
const connectTimeoutMs = 5_000;
const answerTimeoutMs = 30_000;
/** After so long without an answer the user is told that it is being waited for. */
const slowMs = 2_000;

/** What a command works with: its streams, its output, and the hub, which is connected when it is first needed. */
export class Context {
  readonly io: Io;
  readonly output: Output;
  /** As given with `--timeout`; `undefined`: each kind of waiting has its own end. */
  readonly timeoutMs: number | undefined;
  readonly #flags: AddressFlags;
  #address: Address | undefined;
  #connecting: Promise<HubClient> | undefined;

  constructor(io: Io, output: Output, options: { address: AddressFlags; timeoutMs: number | undefined }) {
    this.io = io;
    this.output = output;
    this.timeoutMs = options.timeoutMs;
    this.#flags = options.address;
  }

  /** Throws as `findAddress`. */
  get address(): Address {
    this.#address ??= findAddress(this.#flags, this.io.env);
    return this.#address;
  }

  /** The connection, made once. Rejects with what the hub said, or with `E_TIMEOUT`. */
  hub(): Promise<HubClient> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  /**
   * Asks the hub something. Rejects with what it says, with `E_TIMEOUT`, or with `E_ABORTED` on Ctrl-C.
   *
   * @param slow Tells the user that there is no answer yet; default: a line on standard error.
   */
  async ask<T>(
    question: (hub: HubClient) => Promise<T>,
    slow = (text: string): void => this.io.err.write(`hubctl: ${text}\n`),
  ): Promise<T> {
    const hub = await this.hub();
    const limitMs = this.timeoutMs ?? answerTimeoutMs;
    const { url } = this.address;
    const late = (): HubError => new HubError("E_TIMEOUT", `${url} has not answered within ${limitMs} ms`);
    const impatient = setTimeout(() => slow(`no answer from ${url} yet; still trying`), slowMs);
    try {
      return await this.#until(question(hub), limitMs, late);
    } finally {
      clearTimeout(impatient);
    }
  }

  async close(): Promise<void> {
    const hub = await this.#connecting?.catch(() => undefined);
    await hub?.close();
  }

  async #connect(): Promise<HubClient> {
    const { url, credential, ca } = this.address;
    const limitMs = this.timeoutMs ?? connectTimeoutMs;
    const options = { url, ...credential, connectTimeoutMs: limitMs, ...(ca === undefined ? {} : { ca }) };
    const connecting = connectHub(options).catch((error: unknown) => {
      throw plainReason(error, url);
    });
    // The SDK gives up in time by itself; only Ctrl-C can come before.
    return await this.#until(
      connecting,
      2 * limitMs,
      () => new HubError("E_TIMEOUT", `no connection to ${url}`),
    );
  }

  async #until<T>(work: Promise<T>, limitMs: number, late: () => HubError): Promise<T> {
    const { signal } = this.io;
    let cancel: () => void = () => {};
    const ended = new Promise<never>((_resolve, reject) => {
      const abort = (): void => reject(new HubError("E_ABORTED", "interrupted"));
      const timer = setTimeout(() => reject(late()), limitMs);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      cancel = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
      };
    });
    try {
      return await Promise.race([work, ended]);
    } finally {
      cancel();
    }
  }
}

/** Why there is no connection: the last failure, if the SDK only says that the time was over. */
function plainReason(error: unknown, url: string): unknown {
  if (!(error instanceof HubError) || error.code !== "E_TIMEOUT") return error;
  const { cause } = error;
  if (!(cause instanceof HubError)) return error;
  const code = cause.code === "E_LINK_LOST" ? "E_TIMEOUT" : cause.code;
  return new HubError(code, `cannot connect to ${url}: ${cause.message}`, { cause });
}
