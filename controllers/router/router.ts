import type { KubeObject, ObjectsApi } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import { asHubError, type HubApi, isPresence, type PublishDraft } from "../../protocol/index.ts";
import { EventRecorder } from "../runtime/event-recorder.ts";
import { Courier, type CourierOptions } from "./courier.ts";
import { DeadLetters } from "./dead-letters.ts";
import { isSamePath } from "./rest-path.ts";
import { listenForRest, type RestServerOptions } from "./rest-server.ts";
import { isUpward, type RestRoute, type Route, routeOf, type UpwardRoute } from "./rule.ts";
import { RuleCounts, type RuleStatus, rules as rulesResource } from "./rule-counts.ts";
import { giving, orderOf, takingBack } from "./upward-message.ts";

export interface RouterOptions extends CourierOptions {
  readonly rest: RestServerOptions;
  /** Dead letters of one rule; a node keeps what comes beyond them. */
  readonly maxDeadLetters: number;
  /** How soon what happens to a rule gets into its status, ms. */
  readonly statusMs: number;
}

export interface RouterParts {
  readonly hub: HubApi;
  readonly objects: ObjectsApi;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Keeps a rule until its node has been told that it ends. */
export const ruleFinalizer = "cloud-edge-hub.io/router";
/** On a rule: the order that its node has got for it. */
export const orderAnnotation = "cloud-edge-hub.io/order";

/**
 * Rules between REST, EventBus and ServiceBus. It is given all rules, endpoints and dead letters whenever one changes,
 * and makes what runs equal to them.
 */
export class Router {
  readonly #parts: RouterParts;
  readonly #options: RouterOptions;
  readonly #counts: RuleCounts;
  readonly #events: EventRecorder;
  readonly #deadLetters: DeadLetters;
  /** By rule. */
  readonly #couriers = new Map<string, Courier>();
  #rest: readonly RestRoute[] = [];
  #server: Promise<{ port: number; close(): Promise<void> }> | undefined;
  /** Orders that nodes have got since this router runs. */
  readonly #given = new Set<string>();
  /** Orders that have been taken back, of rules that may still bear them. */
  readonly #takenBack = new Set<string>();
  #applying: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  constructor(parts: RouterParts, options: RouterOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#events = new EventRecorder(parts, "router");
    this.#counts = new RuleCounts(parts.objects, parts.clock, parts.log, options.statusMs);
    this.#deadLetters = new DeadLetters(parts.objects, options.maxDeadLetters);
    void this.#remindNodes();
  }

  /** The port that is listened on; `undefined` while no rule begins at REST. */
  async port(): Promise<number | undefined> {
    return (await this.#server)?.port;
  }

  /** Makes what runs equal to the rules. Rejects with what kept it from being done; call it again then. */
  apply(
    rules: readonly KubeObject[],
    endpoints: readonly KubeObject[],
    letters: readonly KubeObject[],
  ): Promise<void> {
    const done = this.#applying.then(() => this.#apply(rules, endpoints, letters));
    this.#applying = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#applying;
    await (await this.#server?.catch(() => undefined))?.close();
    await Promise.all([...this.#couriers.values()].map((courier) => courier.close()));
    await this.#counts.close();
  }

  async #apply(
    rules: readonly KubeObject[],
    endpoints: readonly KubeObject[],
    letters: readonly KubeObject[],
  ): Promise<void> {
    const byName = new Map(endpoints.map((one) => [nameOf(one), one]));
    const routes: Route[] = [];
    for (const rule of rules) {
      const name = nameOf(rule);
      this.#counts.follow(name, rule.status as RuleStatus | undefined);
      if (rule.metadata.deletionTimestamp !== undefined) continue;
      const route = routeOf(rule, (endpoint) => byName.get(`${rule.metadata.namespace}/${endpoint}`));
      if (typeof route === "string") {
        this.#counts.trouble(name, route);
        this.#events.warn(rule, "CannotRoute", route);
      } else this.#admit(route, routes);
    }
    const upward = routes.filter(isUpward);
    this.#rest = routes.filter((route): route is RestRoute => !isUpward(route));
    await this.#runCouriers(upward, letters);
    await this.#giveOrders(rules, upward);
    this.#counts.keepOnly(new Set(rules.map(nameOf)));
    if (this.#rest.length > 0) await this.#listen();
  }

  /** The older of two rules for the same requests has them. */
  #admit(route: Route, routes: Route[]): void {
    const rival = routes.find(
      (other) =>
        "path" in other &&
        "path" in route &&
        other.namespace === route.namespace &&
        isSamePath(other.path, route.path),
    );
    this.#counts.trouble(route.rule, rival && `rule ${rival.rule} has the same path`);
    if (rival === undefined) routes.push(route);
  }

  async #runCouriers(routes: readonly UpwardRoute[], letters: readonly KubeObject[]): Promise<void> {
    const wanted = new Map(routes.map((route) => [route.rule, route]));
    for (const [rule, courier] of this.#couriers) {
      if (JSON.stringify(wanted.get(rule)) === JSON.stringify(courier.route)) continue;
      this.#couriers.delete(rule);
      await courier.close();
    }
    const { hub, clock, log } = this.#parts;
    const parts = { hub, clock, log, deadLetters: this.#deadLetters, counts: this.#counts };
    for (const [rule, route] of wanted) {
      if (!this.#couriers.has(rule)) this.#couriers.set(rule, new Courier(route, parts, this.#options));
    }
    for (const letter of letters) {
      const { rule } = letter.spec as { rule: string };
      this.#couriers.get(`${letter.metadata.namespace}/${rule}`)?.requeue(letter);
    }
  }

  /** Takes back orders that no rule needs any more, and gives those that one needs now. */
  async #giveOrders(rules: readonly KubeObject[], routes: readonly UpwardRoute[]): Promise<void> {
    const wanted = new Map(routes.map((route) => [route.rule, orderOf(route)]));
    const needed = new Set(wanted.values());
    const borne = new Set(rules.map((rule) => rule.metadata.annotations?.[orderAnnotation]));
    for (const order of this.#takenBack) if (!borne.has(order)) this.#takenBack.delete(order);
    for (const rule of rules) {
      const order = wanted.get(nameOf(rule));
      const before = rule.metadata.annotations?.[orderAnnotation];
      if (before !== undefined && !needed.has(before)) await this.#takeBack(nameOf(rule), before);
      // Written down before it is given: so it cannot be forgotten that it must be taken back.
      if (order !== before) await this.#note(rule, order);
      if (order === undefined || this.#given.has(order)) continue;
      this.#takenBack.delete(order);
      if (await this.#tell(nameOf(rule), giving(order))) this.#given.add(order);
    }
  }

  /** Once, even if it must be tried again to write down that it was done. */
  async #takeBack(rule: string, order: string): Promise<void> {
    if (this.#takenBack.has(order)) return;
    await this.#tell(rule, takingBack(order));
    this.#given.delete(order);
    this.#takenBack.add(order);
  }

  async #note({ metadata }: KubeObject, order: string | undefined): Promise<void> {
    const { namespace, name = "", finalizers = [], resourceVersion } = metadata;
    const others = finalizers.filter((one) => one !== ruleFinalizer);
    const change = {
      resourceVersion,
      annotations: { [orderAnnotation]: order ?? null },
      finalizers: order === undefined ? others : [...others, ruleFinalizer],
    };
    await this.#parts.objects.patch(rulesResource, { namespace, name }, "merge", { metadata: change });
  }

  /** What a node is told waits for it on the hub's disk. @returns False: there is no such node yet. */
  async #tell(rule: string, draft: PublishDraft): Promise<boolean> {
    try {
      await this.#parts.hub.publish(draft);
      return true;
    } catch (error) {
      const known = asHubError(error);
      if (known.code !== "E_UNKNOWN_NODE") throw known;
      this.#counts.trouble(rule, known.message);
      return false;
    }
  }

  /** A stock edge acks none of this, and forgets it if it dies at the wrong moment: it is told at each connect. */
  async #remindNodes(): Promise<void> {
    const { hub, log } = this.#parts;
    const subscription = hub.subscribe({ presence: true, groups: [] }, { signal: this.#stop.signal });
    try {
      for await (const { message, ack } of subscription) {
        ack();
        if (!isPresence(message) || message.operation !== "connected") continue;
        for (const { route } of this.#couriers.values()) {
          if (route.node !== message.node) continue;
          if (await this.#tell(route.rule, giving(orderOf(route))))
            this.#counts.trouble(route.rule, undefined);
        }
      }
    } catch (error) {
      if (!this.#stop.signal.aborted)
        log.error("nodes are not reminded of rules", { error: asHubError(error) });
    }
  }

  async #listen(): Promise<void> {
    const parts = { hub: this.#parts.hub, counts: this.#counts, routes: () => this.#rest };
    this.#server ??= listenForRest(this.#options.rest, parts);
    try {
      await this.#server;
    } catch (error) {
      this.#server = undefined;
      throw error;
    }
  }
}

function nameOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}
