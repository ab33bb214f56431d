import { type Database, prepareAll, type Statements } from "../../platform/sqlite.ts";
import { HubError } from "../../protocol/index.ts";

/** So many addresses may be registered. */
const maxUrls = 10_000;

/** The addresses in the cloud that local programs may call. Writing calls run inside the caller's transaction. */
export class TargetUrls {
  readonly #sql: Statements<keyof typeof sqlTexts>;

  constructor(database: Database) {
    this.#sql = prepareAll(database, sqlTexts);
  }

  get isEmpty(): boolean {
    return this.#sql.any.get() === undefined;
  }

  has(url: string): boolean {
    return this.#sql.find.get(url) !== undefined;
  }

  /** Throws `E_REFUSED` when there are too many. */
  add(url: string): void {
    if (this.#all().length >= maxUrls && !this.has(url))
      throw new HubError("E_REFUSED", `ServiceBus takes at most ${maxUrls} target URLs`);
    this.#sql.add.run(url);
  }

  remove(url: string): void {
    for (const meant of urlsMeant(url, this.#all())) this.#sql.remove.run(meant);
  }

  #all(): string[] {
    return (this.#sql.all.all() as { url: string }[]).map((row) => row.url);
  }
}

/**
 * The addresses that a `stop` takes back. KubeEdge's router registers `http://host/path` and takes back
 * `http:/host/path`: where no address is the same text, those that differ in doubled slashes are meant.
 */
export function urlsMeant(url: string, known: readonly string[]): string[] {
  if (known.includes(url)) return [url];
  const wanted = singleSlashes(url);
  return known.filter((one) => singleSlashes(one) === wanted);
}

function singleSlashes(url: string): string {
  return url.replace(/\/+/g, "/").replace(/\/$/, "");
}

const sqlTexts = {
  any: "SELECT 1 FROM target_urls LIMIT 1",
  find: "SELECT 1 FROM target_urls WHERE url = ?",
  all: "SELECT url FROM target_urls",
  add: "INSERT INTO target_urls (url) VALUES (?) ON CONFLICT DO NOTHING",
  remove: "DELETE FROM target_urls WHERE url = ?",
};
