import type { MessageStore, StoredMessage, StorePart } from "../../protocol/index.ts";

/** What a store hands out for a link, batch by batch, until the signal. Throws what the store could not read. */
export async function* follow(
  store: Pick<MessageStore, "follow">,
  signal: AbortSignal,
  part?: StorePart,
): AsyncGenerator<readonly StoredMessage[]> {
  let answer: { resolve(batch: readonly StoredMessage[] | undefined): void; reject(error: unknown): void };
  const feed = store.follow(
    {
      wanted: Number.POSITIVE_INFINITY,
      take: (batch) => answer.resolve(batch),
      failed: (error) => answer.reject(error),
    },
    part,
  );
  signal.addEventListener("abort", () => answer?.resolve(undefined), { once: true });
  try {
    while (!signal.aborted) {
      const batch = await new Promise<readonly StoredMessage[] | undefined>((resolve, reject) => {
        answer = { resolve, reject };
        feed.next();
      });
      if (batch !== undefined) yield batch;
    }
  } finally {
    feed.end();
  }
}
