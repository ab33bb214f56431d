import { expect } from "vitest";

/** What a test waits for comes within milliseconds; this only ends one that would hang. */
const patienceMs = 10_000;

/** @param what It is said in the error if it does not come. */
export async function patiently<T>(what: string, coming: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const given = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), patienceMs);
  });
  return await Promise.race([coming, given]).finally(() => clearTimeout(timer));
}

/** Expects of a value what it will be soon. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: patienceMs, interval: 10 });
