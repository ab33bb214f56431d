import { createServer } from "node:net";

/** Below the ports that a system gives out by itself: what was found free is taken by nobody else. */
const first = 12_000;
/** Each of vitest's workers has a range of its own. */
const perWorker = 1_000;
const workers = 16;

const from = first + (Number(process.env.VITEST_POOL_ID ?? 0) % workers) * perWorker;
let next = process.pid;

/** A port of the loopback address that nobody listens on now, and that stays free until it is used. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < perWorker; tries++) {
    const port = from + (next++ % perWorker);
    if (await isFree(port)) return port;
  }
  throw new Error(`no port between ${from} and ${from + perWorker} is free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
