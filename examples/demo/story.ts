import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatDuration } from "../../platform/quantities.ts";
import { boardLines, countStages } from "./board.ts";
import { Controller } from "./controller.ts";
import { WeakLink } from "./link.ts";
import { Listener } from "./listener.ts";
import { Narrator } from "./narrator.ts";
import { nodeLines } from "./node-facts.ts";
import { NodeWork } from "./node-work.ts";
import { type DemoObjects, readObjects, withData } from "./objects.ts";
import type { Ports, Programs } from "./programs.ts";
import type { Screen } from "./screen.ts";
import { summaryLines } from "./summary.ts";
import { problemsOf, readEdge } from "./verify.ts";
import { pause, until } from "./waiting.ts";

export interface StoryParts {
  readonly programs: Programs;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

const node = "edge-1";
/** The link is cut when so many objects of the burst have arrived: others are on the wire then. */
const cutAfter = 30;

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
  readonly #narrator: Narrator;
  #controller: Controller | undefined;
  #listener: Listener | undefined;
  #state = { hub: "starting", edge: "not joined" };

  constructor(parts: StoryParts) {
    this.#parts = parts;
    this.#narrator = new Narrator(parts.screen, parts.signal);
  }

  async run(): Promise<WeakLink> {
    const { screen } = this.#parts;
    const { ports, link, controller } = await this.#setUp();
    screen.show({
      lines: (view) => ["", ...boardLines(this.#objects, controller.newest, view), "", this.#stateLine()],
      line: () => this.#countLine(controller),
    });
    await this.#publishFirstHalf(controller);
    const atCut = await this.#cut(link, controller);
    const cutAt = performance.now();
    await this.#publishSecondHalf(controller);
    const killedAt = performance.now();
    await this.#killAndRestart(ports, controller);
    const hubDownMs = performance.now() - killedAt;
    await this.#heal(link, controller);
    const linkDownMs = performance.now() - cutAt;
    await this.#arrive(controller);
    await this.#check(controller);
    screen.close();
    screen.printTable();
    const totalMs = this.#narrator.elapsedMs;
    const facts = { objects: controller.expected.size, published: controller.published, ...atCut };
    for (const line of summaryLines(controller.entries, { ...facts, hubDownMs, linkDownMs, totalMs }))
      screen.say(line);
    screen.say("");
    await this.#nodeWork(link, controller, ports);
    return link;
  }

  /** The second half: what the node does by itself. */
  async #nodeWork(link: WeakLink, controller: Controller, ports: Ports): Promise<void> {
    const { programs, screen, signal } = this.#parts;
    this.#listener = new Listener(controller.hub, node);
    const common = { node, programs, screen, signal, narrator: this.#narrator };
    const work = new NodeWork({ ...common, controller, listener: this.#listener, link, ports });
    const facts = await work.run();
    for (const line of nodeLines(facts, this.#narrator.elapsedMs)) screen.say(line);
  }

  async close(): Promise<void> {
    this.#listener?.close();
    await this.#controller?.close();
  }

  // ── the steps ──────────────────────────────────────────────────────────────────────────────────────────

  async #setUp(): Promise<{ ports: Ports; link: WeakLink; controller: Controller }> {
    const { programs, signal } = this.#parts;
    this.#narrator.tell(
      "1/10",
      "Starting a hub. Its certificate authority is made now, once and never again.",
    );
    const ports = await programs.startHub(undefined, signal);
    const link = await WeakLink.start(ports.nodes);
    const admin = JSON.parse(readFileSync(join(programs.hubDirectory, "admin.json"), "utf8")) as {
      url: string;
      token: string;
      ca: string;
    };
    const controller = await Controller.connect(admin, node, signal);
    this.#controller = controller;
    const { hub } = controller;
    this.#state.hub = `running (pid ${programs.hubPid})`;
    const { token } = await hub.admin.createJoinToken({ ttlMs: 600_000, uses: 1, node });
    this.#narrator.more(
      "An edge agent joins with a token for one machine, then connects with mutual TLS: each side",
    );
    this.#narrator.more("proves who it is. Between them lies a thin link: 80 ms round trip, 160 kbit/s.");
    programs.startAgent({
      node,
      token,
      server: `wss://127.0.0.1:${link.port}`,
      join: `https://127.0.0.1:${ports.join}`,
    });
    const connected = async () => {
      programs.requireAgent();
      return (await hub.nodes()).find((one) => one.connected);
    };
    const what = `${node} to join and connect`;
    const view = await until(connected, { what, timeoutMs: 15_000, signal });
    this.#state.edge = `connected (${view.dialect})`;
    this.#narrator.more(`${node} is connected, in the ${view.dialect} dialect.`);
    return { ports, link, controller };
  }

  async #publishFirstHalf(controller: Controller): Promise<void> {
    const { named, burst } = this.#objects;
    const half = burst.slice(0, burst.length / 2);
    this.#narrator.tell(
      "2/10",
      `Publishing ${named.length} named objects, then the first ${half.length} of the burst.`,
    );
    this.#narrator.more(
      "Accepted means: on the hub's disk. Persisted: on the edge's disk, and acked from there.",
    );
    await controller.publishAtOnce(named);
    await controller.untilPersisted(named.length, "the named objects to arrive");
    // One after the other, so that each goes on its way at once and the cut finds them there.
    const publishing = controller.publishInTurn(half);
    await controller.untilPersisted(named.length + cutAfter, "the first objects of the burst to arrive");
    await publishing;
  }

  /**
   * @returns `sentAgain`: what was on the wire; `repeated`: what of it is at the edge without the hub knowing, because
   *   the acks were on the wire too.
   */
  async #cut(link: WeakLink, controller: Controller): Promise<{ sentAgain: number; repeated: number }> {
    const { programs, signal } = this.#parts;
    link.cut();
    const left = controller.published - controller.countPersisted();
    this.#state.edge = "OFFLINE: link cut";
    this.#narrator.tell(
      "3/10",
      `CUTTING THE LINK with ${left} objects on the wire or waiting. TCP connections are reset.`,
    );
    // The hub notices at once; what it knew by then is what it knows.
    await pause(300, signal);
    const known = controller.newest;
    const edge = await readEdge(programs.edgeDirectory);
    const onWire = [...known.values()].filter((one) => one.state === "accepted" && one.sends > 0);
    const repeated = edge.filter((one) => known.get(one.resource)?.state === "accepted").length;
    this.#narrator.more(
      `${edge.length} objects are on the edge's disk already. The acks of ${repeated} of them were lost on the way:`,
    );
    this.#narrator.more("these will come a second time, and the agent will see that it has them.");
    return { sentAgain: onWire.length, repeated };
  }

  async #publishSecondHalf(controller: Controller): Promise<void> {
    const { named, burst } = this.#objects;
    const rest = burst.slice(burst.length / 2);
    await this.#narrator.read();
    this.#narrator.tell(
      "4/10",
      `The node is away; publishing goes on: the other ${rest.length} of the burst, and new limits for line 7, twice.`,
    );
    this.#narrator.more(
      "Whoever publishes does not need to know. Of each object only the newest version waits.",
    );
    const limits = named.find((one) => one.resource.endsWith("/line-7-limits"));
    if (limits === undefined) throw new Error("examples/manifests has no ConfigMap line-7-limits");
    await controller.publishAtOnce(rest);
    await this.#narrator.read();
    for (const shift of ["late", "night"]) await controller.publish(withData(limits, { shift }));
  }

  async #killAndRestart(ports: Ports, controller: Controller): Promise<void> {
    const { programs, signal } = this.#parts;
    await programs.killHub();
    this.#state.hub = "KILLED";
    this.#narrator.tell(
      "5/10",
      "KILLING THE HUB with SIGKILL, right after it accepted that. No goodbye, nothing flushed.",
    );
    const secret = this.#objects.named.find((one) => one.object.kind === "Secret");
    if (secret === undefined) throw new Error("examples/manifests has no Secret");
    const rotated = controller.publish(
      withData(secret, { password: Buffer.from("rotated").toString("base64") }),
    );
    // Awaited below; if it fails before, that is told then.
    rotated.catch(() => undefined);
    this.#narrator.more(
      "A new password is published while there is no hub: the SDK keeps it and dials until there is one.",
    );
    await this.#narrator.read();
    const restartedAt = performance.now();
    this.#narrator.tell("6/10", "Starting the hub again.");
    await programs.startHub(ports, signal);
    this.#state.hub = `running (pid ${programs.hubPid})`;
    await rotated;
    const ms = performance.now() - restartedAt;
    const waiting = await controller.countWaiting();
    this.#narrator.more(
      `After ${formatDuration(ms)} the password is accepted, and ${waiting} objects wait in the hub's database: all that it promised.`,
    );
    await this.#narrator.read();
  }

  async #heal(link: WeakLink, { hub }: Controller): Promise<void> {
    const { signal } = this.#parts;
    link.heal();
    this.#state.edge = "offline: link is back";
    this.#narrator.tell(
      "7/10",
      "HEALING THE LINK. The agent finds the hub by itself, and gets what it has not acked.",
    );
    await until(async () => ((await hub.nodes()).some((one) => one.connected) ? true : undefined), {
      what: `${node} to reconnect`,
      timeoutMs: 20_000,
      signal,
    });
    this.#state.edge = "connected (native)";
  }

  async #arrive(controller: Controller): Promise<void> {
    await controller.untilPersisted(controller.expected.size, "all objects to arrive");
    await controller.untilCheckpointed();
  }

  async #check({ hub, expected }: Controller): Promise<void> {
    this.#narrator.more(
      "Everything is checkpointed. Comparing the edge's database with what was published …",
    );
    const edge = await readEdge(this.#parts.programs.edgeDirectory);
    const atHub = await hub.resources({ node, limit: 10_000 });
    const problems = problemsOf(expected, edge, atHub);
    if (problems.length === 0) return;
    throw new Error(
      `${problems.length} objects are not as they should be:\n  ${problems.slice(0, 20).join("\n  ")}`,
    );
  }

  // ── telling ────────────────────────────────────────────────────────────────────────────────────────────

  #stateLine(): string {
    return `hub: ${this.#state.hub}   ${node}: ${this.#state.edge}`;
  }

  #countLine({ newest }: Controller): string {
    const all = [...this.#objects.named, ...this.#objects.burst].map((one) => one.resource);
    const { total, accepted, sent, persisted, checkpointed } = countStages(all, newest);
    return `of ${total} objects: ${accepted} accepted, ${sent} sent, ${persisted} persisted at the edge, ${checkpointed} checkpointed`;
  }
}
