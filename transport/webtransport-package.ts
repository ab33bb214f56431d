import { HubError } from "../protocol/index.ts";

export type WebTransportPackage = typeof import("@fails-components/webtransport");

let loading: Promise<WebTransportPackage> | undefined;

/** Loads the package on first use. Rejects with `E_UNSUPPORTED` if it is not there. */
export function loadWebTransport(): Promise<WebTransportPackage> {
  loading ??= quietly(async () => {
    const library = await import("@fails-components/webtransport");
    // It looks for its native part meanwhile, and says so when there is none.
    await library.quicheLoaded;
    await new Promise((resolve) => setImmediate(resolve));
    return library;
  }).catch((cause: Error) => {
    loading = undefined;
    throw new HubError("E_UNSUPPORTED", `WebTransport cannot be loaded: ${cause.message}`, { cause });
  });
  return loading;
}

/** What the package says on the console of a process that has not got its native part. */
const noise = /^(Problem loading http3-quiche transport|Did you install @fails-components\/|http3 loader:)/;

/** Runs something and leaves out of the console what the package says meanwhile; everything else is heard. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { log, error } = console;
  const filter =
    (say: typeof console.log): typeof console.log =>
    (...words) => {
      if (typeof words[0] !== "string" || !noise.test(words[0])) say.apply(console, words);
    };
  console.log = filter(log);
  console.error = filter(error);
  try {
    return await work();
  } finally {
    console.log = log;
    console.error = error;
  }
}
