import { createHash } from "node:crypto";

interface Known<T> {
  readonly notBefore: number;
  readonly notAfter: number;
  readonly value: T;
}

/** One takes a few hundred bytes. */
const maxKnown = 20_000;

/**
 * What was found out about certificates whose signature has been checked, by the SHA-256 of all their bytes: a fleet that
 * comes back is told apart by a hash each. Only while the certificate is valid; the ones used longest ago go first.
 */
export class KnownCertificates<T> {
  readonly #max: number;
  readonly #known = new Map<string, Known<T>>();

  constructor(max = maxKnown) {
    this.#max = max;
  }

  get size(): number {
    return this.#known.size;
  }

  /** @param now Wall clock, ms since 1970. @returns `undefined`: it must be checked. */
  find(der: Uint8Array, now: number): T | undefined {
    const key = keyOf(der);
    const found = this.#known.get(key);
    if (found === undefined) return undefined;
    this.#known.delete(key);
    if (now < found.notBefore || now > found.notAfter) return undefined;
    this.#known.set(key, found);
    return found.value;
  }

  /** @param validity First and last moment. */
  add(der: Uint8Array, { notBefore, notAfter }: Omit<Known<T>, "value">, value: T): void {
    const [oldest] = this.#known.keys();
    if (oldest !== undefined && this.#known.size >= this.#max) this.#known.delete(oldest);
    this.#known.set(keyOf(der), { notBefore, notAfter, value });
  }
}

function keyOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("base64");
}
