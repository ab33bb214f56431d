import { expect } from "vitest";
import { type Exchange, exchangesOf, kindOf, refusalIn, statusesAfterPatches } from "./recorded-exchanges.ts";
import { shapeOf } from "./recorded-shape.ts";
import type { WireJson } from "./wire-json.ts";

/** What patches alone have, or pods that wait, and the recorded one did not, as far as the edge has told. */
const patchOnly: readonly RegExp[] = [
  /^status\.\$setElementOrder\//,
  // Of the status before: whatever that was, null removes it.
  /^status\.(reason|message|podIP)$/,
  /^status\.conditions\.\w+\.(reason|message)$/,
  // Why a container waits, and how it ended before.
  /^status\.containerStatuses\.\w+\.(state\.waiting\.message|lastState\..+)$/,
];

/**
 * What the recorded edge sent, to hold our agent's messages against. Contents may differ as `recorded-shape.ts` says, and
 * the order and number of messages in this:
 *
 * - The recorded edge asks for its node again and again, since informers are polls there. Ours asks when it must.
 * - The recorded edge inserts the lease first, without its owner's uid, and is refused. Ours registers the node before.
 * - The recorded edge asks for ConfigMaps and Secrets each time. Ours asks once; the cloud pushes what changes.
 * - The recorded edge tells the difference to the status before. Ours tells all of it, as `patchOnly` allows.
 * - The recorded edge acks no answers to patches and deletes. Ours acks every answer; a cloudcore takes acks of what it does
 *   not wait for, as the recorded edge's of answers to node queries show.
 */
export class RecordedEdge {
  readonly #exchanges: readonly Exchange[];
  readonly #node: string;
  readonly #nodeNamespace: "default" | "null";

  /** @param node Its name is put in for the recorded one's. */
  constructor(node: string, nodeNamespace: "default" | "null") {
    this.#exchanges = exchangesOf(["b-join-edged-enabled", "b-pod-lifecycle-edged"], node);
    this.#node = node;
    this.#nodeNamespace = nodeNamespace;
  }

  /** Recorded exchanges of the same kind. */
  exchangesLike(request: WireJson): Exchange[] {
    return this.#exchanges.filter(({ asked }) => kindOf(asked) === kindOf(request));
  }

  /** Throws a readable difference. @returns Recorded exchanges of the same kind. */
  expectSame(request: WireJson): Exchange[] {
    const kind = kindOf(request);
    const same = this.exchangesLike(request);
    if (same.length === 0) throw new Error(`the recorded edge never sends ${kind}`);
    const { route } = (same[0] as Exchange).asked;
    const resource = this.#resourceLike(route.resource ?? "", request.route.resource ?? "");
    expect(request.route, `route of ${kind}`).toEqual({ ...route, resource });
    if (kind === "query node")
      expect(this.#nodeNamespace, "later lines' nodes are not asked for").toBe("default");
    if (kind.startsWith("patch ")) this.#expectPatch(kind, request.content);
    else this.#expectContent(kind, request.content, same);
    return same;
  }

  /** The recorded resource, but for the names of what is the test's own. */
  #resourceLike(recorded: string, ours: string): string {
    const [namespace = "", type = "", name = ""] = recorded.split("/");
    if (name === "") return recorded;
    const isOfNode = type === "node" || type === "nodepatch";
    const own = name === this.#node ? name : (ours.split("/")[2] ?? "");
    return `${isOfNode ? this.#nodeNamespace : namespace}/${type}/${own}`;
  }

  /**
   * A patch is a text. What it says is compared by tests, as the API server has it then; here it must have no field that the
   * recorded edge had not reported.
   */
  #expectPatch(kind: string, content: unknown): void {
    expect(typeof content, `content of ${kind}`).toBe("string");
    const isOfNode = kind === "patch nodepatch";
    const known = isOfNode
      ? this.#exchanges
          .filter(({ asked }) => kindOf(asked) === "insert node")
          .map(({ asked }) => shapeOf("insert node", asked.content))
      : statusesAfterPatches(this.#exchanges).map((status) =>
          shapeOf(kind, { metadata: { uid: "" }, status }),
        );
    const paths = new Set(known.flatMap((shape) => Object.keys(shape)));
    const ours = Object.keys(shapeOf(isOfNode ? "insert node" : kind, JSON.parse(content as string)));
    const unknown = ours.filter((path) => !paths.has(path) && !patchOnly.some((one) => one.test(path)));
    expect(unknown, `fields of ${kind} that the recorded edge does not report`).toEqual([]);
  }

  #expectContent(kind: string, content: unknown, same: readonly Exchange[]): void {
    const read = (one: unknown): unknown => (typeof one === "string" ? JSON.parse(one) : one);
    const ours = shapeOf(kind, read(content));
    // Of refused requests nobody should learn.
    const good = same.filter(({ answered }) => !answered || refusalIn(answered) !== "Invalid");
    const theirs = good.map(({ asked }) => shapeOf(kind, named(read(asked.content), read(content))));
    const isSame = theirs.some((one) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(ours)));
    if (!isSame) expect(ours, `content of ${kind}, against the recorded one`).toEqual(theirs.at(-1));
  }
}

/** The recorded one, under the names that ours has: pods and namespaces are the test's. */
function named(recorded: unknown, ours: unknown): unknown {
  const nameIn = (one: unknown): unknown =>
    (one as { spec?: { boundObjectRef?: { name: string } } })?.spec?.boundObjectRef?.name;
  const [from, to] = [nameIn(recorded), nameIn(ours)];
  if (typeof from !== "string" || typeof to !== "string") return recorded;
  return JSON.parse(JSON.stringify(recorded).replaceAll(`"name":"${from}"`, `"name":"${to}"`)) as unknown;
}

function sorted(shape: Record<string, unknown>): [string, unknown][] {
  return Object.entries(shape).sort(([a], [b]) => (a < b ? -1 : 1));
}
