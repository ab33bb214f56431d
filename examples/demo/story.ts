import { readFileSync } from "node:fs";
import { join } from "node:path";
import { draftOf, type Manifest } from "../../cli/index.ts";
import { formatDuration } from "../../platform/quantities.ts";
import { connectHub, type HubClient, type LedgerEntry } from "../../sdk/index.ts";
import { boardLines, countStages, newestOf } from "./board.ts";
import { WeakLink } from "./link.ts";
import { type DemoObjects, readObjects, withData } from "./objects.ts";
import type { Ports, Programs } from "./programs.ts";
import type { Screen } from "./screen.ts";
import { summaryLines } from "./summary.ts";
import { type Expected, problemsOf, readEdge } from "./verify.ts";
import { pause, until } from "./waiting.ts";

export interface StoryParts {
  readonly programs: Programs;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

const node = "edge-1";
const pollEveryMs = 60;
/** The link is cut when so many objects have arrived: others are on the wire then. */
const cutAfter = 40;
/** Time to read what was said, on a terminal. */
const readingMs = 1_300;

/** Tells the demo's story from the beginning to the end. @returns The link, which hub and agent go on using. */
export async function runStory(parts: StoryParts): Promise<WeakLink> {
  const story = new Story(parts);
  try {
    return await story.run();
  } finally {
    await story.close();
  }
}

class Story {
  readonly #parts: StoryParts;
  readonly #objects: DemoObjects = readObjects();
  readonly #expected = new Map<string, Expected>();
  readonly #startedAt = performance.now();
  readonly #stopped = new AbortController();
  #newest: ReadonlyMap<string, LedgerEntry> = new Map();
  #entries: readonly LedgerEntry[] = [];
  #published = 0;
  #hub: HubClient | undefined;
  #link: WeakLink | undefined;
  #state = { hub: "starting", edge: "not joined" };

  constructor(parts: StoryParts) {
    this.#parts = parts;
  }

  async run(): Promise<WeakLink> {
    const { screen } = this.#parts;
    const { ports, link, hub } = await this.#setUp();
    screen.show({
      lines: (view) => ["", ...boardLines(this.#objects, this.#newest, view), "", this.#stateLine()],
      line: () => this.#countLine(),
    });
    void this.#watch(hub);
    await this.#publishFirstHalf();
    const atCut = await this.#cut(link);
    const cutAt = performance.now();
    await this.#publishSecondHalf();
    const killedAt = performance.now();
    await this.#killAndRestart(ports);
    const hubDownMs = performance.now() - killedAt;
    await this.#heal(link);
    const linkDownMs = performance.now() - cutAt;
    await this.#arrive();
    await this.#check(hub);
    screen.close();
    screen.printTable();
    const totalMs = performance.now() - this.#startedAt;
    const facts = { objects: this.#expected.size, published: this.#published, ...atCut };
    for (const line of summaryLines(this.#entries, { ...facts, hubDownMs, linkDownMs, totalMs }))
      screen.say(line);
    return link;
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#hub?.close();
  }

  // ── the steps ──────────────────────────────────────────────────────────────────────────────────────────

  async #setUp(): Promise<{ ports: Ports; link: WeakLink; hub: HubClient }> {
    const { programs, signal } = this.#parts;
    this.#tell("1/7", "Starting a hub. Its certificate authority is made now, once and never again.");
    const ports = await programs.startHub(undefined, signal);
    this.#link = await WeakLink.start(ports.nodes);
    const admin = JSON.parse(readFileSync(join(programs.hubDirectory, "admin.json"), "utf8")) as {
      url: string;
      token: string;
      ca: string;
    };
    const hub = await connectHub(admin);
    this.#hub = hub;
    this.#state.hub = `running (pid ${programs.hubPid})`;
    const { token } = await hub.admin.createJoinToken({ ttlMs: 600_000, uses: 1, node });
    this.#more("An edge agent joins with a token for one machine, then connects with mutual TLS: each side");
    this.#more("proves who it is. Between them lies a thin link: 80 ms round trip, 250 kbit/s.");
    programs.startAgent({
      node,
      token,
      server: `wss://127.0.0.1:${this.#link.port}`,
      join: `https://127.0.0.1:${ports.join}`,
    });
    const view = await until(async () => (await hub.nodes()).find((one) => one.connected), {
      what: `${node} to join and connect`,
      timeoutMs: 15_000,
      signal,
    });
    this.#state.edge = `connected (${view.dialect})`;
    this.#more(`${node} is connected, in the ${view.dialect} dialect.`);
    return { ports, link: this.#link, hub };
  }

  async #publishFirstHalf(): Promise<void> {
    const { named, burst } = this.#objects;
    const half = burst.slice(0, burst.length / 2);
    this.#tell("2/7", `Publishing ${named.length} named objects and the first ${half.length} of the burst.`);
    this.#more("Accepted means: on the hub's disk. Persisted: on the edge's disk, and acked from there.");
    const publishing = this.#publishInTurn([...named, ...half]);
    await this.#untilPersisted(cutAfter, "the first objects to arrive");
    await publishing;
  }

  /**
   * @returns `sentAgain`: what was on the wire; `repeated`: what of it is at the edge without the hub knowing, because
   *   the acks were on the wire too.
   */
  async #cut(link: WeakLink): Promise<{ sentAgain: number; repeated: number }> {
    const { programs, signal } = this.#parts;
    link.cut();
    const left = this.#published - this.#countPersisted();
    this.#state.edge = "OFFLINE: link cut";
    this.#tell(
      "3/7",
      `CUTTING THE LINK with ${left} objects on the wire or waiting. TCP connections are reset.`,
    );
    // The hub notices at once; what it knew by then is what it knows.
    await pause(300, signal);
    const known = this.#newest;
    const edge = await readEdge(programs.edgeDirectory);
    const onWire = [...known.values()].filter((one) => one.state === "accepted" && one.sends > 0);
    const repeated = edge.filter((one) => known.get(one.resource)?.state === "accepted").length;
    this.#more(
      `${edge.length} objects are on the edge's disk already. The acks of ${repeated} of them were lost on the way:`,
    );
    this.#more("these will come a second time, and the agent will see that it has them.");
    return { sentAgain: onWire.length, repeated };
  }

  async #publishSecondHalf(): Promise<void> {
    const { named, burst } = this.#objects;
    const rest = burst.slice(burst.length / 2);
    await this.#read();
    this.#tell(
      "4/7",
      `The node is away; publishing goes on: the other ${rest.length} of the burst, and new limits for line 7, twice.`,
    );
    this.#more("Whoever publishes does not need to know. Of each object only the newest version waits.");
    const limits = named.find((one) => one.resource.endsWith("/line-7-limits"));
    if (limits === undefined) throw new Error("examples/manifests has no ConfigMap line-7-limits");
    await this.#publishAtOnce(rest);
    await this.#read();
    for (const shift of ["late", "night"]) await this.#publish(withData(limits, { shift }));
  }

  async #killAndRestart(ports: Ports): Promise<void> {
    const { programs, signal } = this.#parts;
    await programs.killHub();
    this.#state.hub = "KILLED";
    this.#tell(
      "5/7",
      "KILLING THE HUB with SIGKILL, right after it accepted that. No goodbye, nothing flushed.",
    );
    const secret = this.#objects.named.find((one) => one.object.kind === "Secret");
    if (secret === undefined) throw new Error("examples/manifests has no Secret");
    const rotated = this.#publish(withData(secret, { password: Buffer.from("rotated").toString("base64") }));
    // Awaited below; if it fails before, that is told then.
    rotated.catch(() => undefined);
    this.#more(
      "A new password is published while there is no hub: the SDK keeps it and dials until there is one.",
    );
    await this.#read();
    const restartedAt = performance.now();
    this.#tell("6/7", "Starting the hub again.");
    await programs.startHub(ports, signal);
    this.#state.hub = `running (pid ${programs.hubPid})`;
    await rotated;
    const ms = performance.now() - restartedAt;
    const waiting = await this.#waiting();
    this.#more(
      `After ${formatDuration(ms)} the password is accepted, and ${waiting} objects wait in the hub's database: all that it promised.`,
    );
    await this.#read();
  }

  async #heal(link: WeakLink): Promise<void> {
    const { signal } = this.#parts;
    link.heal();
    this.#state.edge = "offline: link is back";
    this.#tell("7/7", "HEALING THE LINK. The agent finds the hub by itself, and gets what it has not acked.");
    const hub = this.#hub as HubClient;
    await until(async () => ((await hub.nodes()).some((one) => one.connected) ? true : undefined), {
      what: `${node} to reconnect`,
      timeoutMs: 20_000,
      signal,
    });
    this.#state.edge = "connected (native)";
  }

  async #arrive(): Promise<void> {
    const { named, burst } = this.#objects;
    await this.#untilPersisted(named.length + burst.length, "all objects to arrive");
    await until(() => (this.#countLeft() === 0 ? true : undefined), {
      what: "the last checkpoint",
      timeoutMs: 10_000,
      signal: this.#parts.signal,
    });
  }

  async #check(hub: HubClient): Promise<void> {
    this.#more("Everything is checkpointed. Comparing the edge's database with what was published …");
    const edge = await readEdge(this.#parts.programs.edgeDirectory);
    const atHub = await hub.resources({ node, limit: 10_000 });
    const problems = problemsOf(this.#expected, edge, atHub);
    if (problems.length === 0) return;
    throw new Error(
      `${problems.length} objects are not as they should be:\n  ${problems.slice(0, 20).join("\n  ")}`,
    );
  }

  // ── publishing and watching ────────────────────────────────────────────────────────────────────────────

  /** Publishes one after the other, each when the one before is accepted. */
  async #publishInTurn(manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) await this.#publish(manifest);
  }

  async #publishAtOnce(manifests: readonly Manifest[]): Promise<void> {
    await Promise.all(manifests.map((manifest) => this.#publish(manifest)));
  }

  /** Resolves when the hub has it on its disk. */
  async #publish(manifest: Manifest): Promise<void> {
    const hub = this.#hub as HubClient;
    const content = Buffer.from(JSON.stringify(manifest.object));
    const draft = draftOf(manifest, node, { operation: "update", resourceVersion: "next", content });
    const { version } = await hub.publish(draft, { signal: this.#parts.signal });
    if (version === undefined) throw new Error(`the hub gave ${manifest.resource} no version`);
    this.#published++;
    this.#expected.set(manifest.resource, { version, object: manifest.object });
  }

  /** Reads the ledger again and again. While there is no hub, the question waits for it. */
  async #watch(hub: HubClient): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        this.#entries = await hub.where({ node, limit: 1_000 });
        this.#newest = newestOf(this.#entries);
        await pause(pollEveryMs, signal);
      } catch {
        return;
      }
    }
  }

  async #untilPersisted(count: number, what: string): Promise<void> {
    const limits = { what, timeoutMs: 20_000, signal: this.#parts.signal };
    await until(() => (this.#countPersisted() >= count ? true : undefined), limits);
  }

  #countPersisted(): number {
    return [...this.#newest.values()].filter((one) => one.state === "persisted").length;
  }

  #countLeft(): number {
    const all = [...this.#expected.keys()];
    return all.length - countStages(all, this.#newest).checkpointed;
  }

  async #waiting(): Promise<number> {
    return ((await this.#hub?.nodes()) ?? []).find((one) => one.node === node)?.backlogMessages ?? 0;
  }

  // ── telling ────────────────────────────────────────────────────────────────────────────────────────────

  #tell(step: string, text: string): void {
    const at = ((performance.now() - this.#startedAt) / 1_000).toFixed(1).padStart(5);
    this.#parts.screen.say(`${at}s  ${step}  ${text}`);
  }

  #more(text: string): void {
    this.#parts.screen.say(`             ${text}`);
  }

  /** People need time; files do not. */
  async #read(): Promise<void> {
    await pause(this.#parts.screen.isTerminal ? readingMs : 200, this.#parts.signal);
  }

  #stateLine(): string {
    return `hub: ${this.#state.hub}   ${node}: ${this.#state.edge}`;
  }

  #countLine(): string {
    const all = [...this.#objects.named, ...this.#objects.burst].map((one) => one.resource);
    const { total, accepted, sent, persisted, checkpointed } = countStages(all, this.#newest);
    return `of ${total} objects: ${accepted} accepted, ${sent} sent, ${persisted} persisted at the edge, ${checkpointed} checkpointed`;
  }
}
