import {
  ApiError,
  groupResource,
  isReason,
  type KubeObject,
  type ObjectName,
  type ResourceName,
} from "../../kubernetes/index.ts";
import { EventRecorder } from "../runtime/event-recorder.ts";
import { objectsOf, statusOf, textOf } from "../runtime/fields.ts";
import { type Informer, nameOf, type ObjectChange } from "../runtime/informer.ts";
import { deployments, edgeApplications } from "../runtime/kinds.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { applicationStatus, isApplied, isOwned } from "./application-status.ts";
import { definitions, knownKind } from "./known-kinds.ts";
import { expand, type Identifier, resourceOf, type WantedObject } from "./manifests.ts";

/** On an application: what it has made, so that what it is not to have any more can be found. */
export const containedAnnotation = "apps.kubeedge.io/last-contained-resources";
const fieldManager = "group-controller";
/** Objects of a kind that nobody has asked for yet are being listed: they are looked at again so much later. */
const unknownKindMs = 100;

/** Edge applications: makes their objects, for each group its own, keeps them so, and says how they are. */
export class EdgeApplications implements RunningController {
  readonly #parts: ControllerParts;
  readonly #applications: Informer;
  readonly #definitions: Informer;
  readonly #events: EventRecorder;
  readonly #queue: WorkQueue;
  /** Kinds of objects that applications have, by `groupResource`. */
  readonly #watched = new Map<string, Informer>();
  readonly #ends: (() => void)[] = [];

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    this.#applications = parts.informers.of(edgeApplications);
    this.#definitions = parts.informers.of(definitions);
    this.#events = new EventRecorder(parts, "group-controller");
    this.#queue = new WorkQueue(parts, (key) => this.#reconcile(key), { name: "edge applications" });
  }

  start(): void {
    this.#watch(deployments);
    this.#ends.push(
      this.#applications.observe(({ object, previous }) => this.#add((object ?? previous) as KubeObject)),
      // A kind that was missing may be there now.
      this.#definitions.observe(() => {
        for (const application of this.#applications.all()) this.#add(application);
      }),
    );
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.close();
  }

  #add(application: KubeObject): void {
    const { namespace, name } = nameOf(application);
    this.#queue.add(`${namespace}/${name}`);
  }

  #watch(resource: ResourceName): Informer {
    const type = groupResource(resource);
    const found = this.#watched.get(type);
    if (found !== undefined) return found;
    const informer = this.#parts.informers.of(resource);
    this.#watched.set(type, informer);
    this.#ends.push(informer.observe((change) => this.#partChanged(change)));
    return informer;
  }

  #partChanged({ object, previous }: ObjectChange): void {
    for (const one of [object, previous]) {
      const owner = one?.metadata.ownerReferences?.find(({ kind }) => kind === "EdgeApplication");
      if (owner !== undefined) this.#queue.add(`${one?.metadata.namespace}/${owner.name}`);
    }
  }

  async #reconcile(key: string): Promise<number | undefined> {
    await Promise.all([this.#applications.synced, this.#definitions.synced]);
    const [namespace = "", name = ""] = key.split("/");
    const application = this.#applications.get({ namespace, name });
    // What it has made goes with it, as its owner references say.
    if (application === undefined || application.metadata.deletionTimestamp !== undefined) return undefined;
    const custom = this.#definitions.all();
    const { objects, faults } = expand(application, (apiVersion, kind) =>
      knownKind(apiVersion, kind, custom),
    );
    if (faults.length > 0) this.#events.warn(application, "CannotApply", faults.slice(0, 5).join("; "));
    const isKnown = objects.map(({ identifier }) => this.#watch(resourceOf(identifier)).hasSynced);
    if (isKnown.includes(false)) return unknownKindMs;
    const before = containedIn(application);
    const now = objects.map(({ identifier }) => identifier);
    // Written down before it is made: so it cannot be forgotten that it must be taken away.
    const noted = await this.#note(application, union(before, now));
    let failure: unknown;
    for (const wanted of objects) failure = (await this.#apply(application, wanted)) ?? failure;
    for (const stale of difference(before, now)) await this.#remove(application, stale);
    await this.#note(noted, now);
    await this.#writeStatus(application, objects);
    if (failure !== undefined) throw failure;
    return undefined;
  }

  /** @returns What can be otherwise the next time. */
  async #apply(application: KubeObject, wanted: WantedObject): Promise<unknown> {
    const { namespace, name } = wanted.identifier;
    const resource = resourceOf(wanted.identifier);
    // What the watch has not brought yet may be there all the same, and somebody else's.
    const found = this.#find(wanted.identifier) ?? (await this.#read(resource, { namespace, name }));
    if (found !== undefined && !isOwned(found, application)) {
      const { kind } = wanted.identifier;
      this.#events.warn(application, "CannotApply", `${kind} ${name} is there, and not of this application`);
      return undefined;
    }
    if (found !== undefined && isApplied(wanted, found)) return undefined;
    const options = { fieldManager, force: true };
    try {
      await this.#parts.objects.patch(resource, { namespace, name }, "apply", wanted.object, options);
      return undefined;
    } catch (error) {
      if (!isHopeless(error)) return error;
      const { kind } = wanted.identifier;
      this.#events.warn(application, "CannotApply", `${kind} ${name}: ${(error as ApiError).message}`);
      return undefined;
    }
  }

  async #read(resource: ResourceName, name: ObjectName): Promise<KubeObject | undefined> {
    try {
      return await this.#parts.objects.get(resource, name);
    } catch (error) {
      // Its kind may be gone, too.
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async #remove(application: KubeObject, identifier: Identifier): Promise<void> {
    const { namespace, name } = identifier;
    const resource = resourceOf(identifier);
    const found = await this.#read(resource, { namespace, name });
    if (found === undefined || !isOwned(found, application)) return;
    try {
      const { uid } = found.metadata;
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      await this.#parts.objects.delete(resource, { namespace, name }, preconditions);
    } catch (error) {
      if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
    }
  }

  #find(identifier: Identifier): KubeObject | undefined {
    const { namespace, name } = identifier;
    return this.#watched.get(groupResource(resourceOf(identifier)))?.get({ namespace, name });
  }

  /** @returns The application with its note. */
  async #note(application: KubeObject, contained: readonly Identifier[]): Promise<KubeObject> {
    const text = JSON.stringify(contained.map(({ ordinal: _, ...identifier }) => identifier));
    if (application.metadata.annotations?.[containedAnnotation] === text) return application;
    if (contained.length === 0 && containedIn(application).length === 0) return application;
    const patch = { metadata: { annotations: { [containedAnnotation]: text } } };
    return await this.#parts.objects.patch(edgeApplications, nameOf(application), "merge", patch);
  }

  async #writeStatus(application: KubeObject, objects: readonly WantedObject[]): Promise<void> {
    const status = applicationStatus(objects, ({ identifier }) => {
      const found = this.#find(identifier);
      return found !== undefined && isOwned(found, application) ? found : undefined;
    });
    if (JSON.stringify(status) === JSON.stringify(statusOf(application))) return;
    const options = { subresource: "status" } as const;
    await this.#parts.objects.patch(edgeApplications, nameOf(application), "merge", { status }, options);
  }
}

function containedIn(application: KubeObject): Identifier[] {
  try {
    const list: unknown = JSON.parse(application.metadata.annotations?.[containedAnnotation] ?? "[]");
    return objectsOf(list).map((one) => ({
      ordinal: 0,
      group: textOf(one.group),
      version: textOf(one.version),
      resource: textOf(one.resource),
      kind: textOf(one.kind),
      namespace: application.metadata.namespace ?? "",
      name: textOf(one.name),
    }));
  } catch {
    return [];
  }
}

const keyOf = (one: Identifier): string => `${groupResource(one)} ${one.name}`;

function union(a: readonly Identifier[], b: readonly Identifier[]): Identifier[] {
  return [...new Map([...a, ...b].map((one) => [keyOf(one), one])).values()];
}

function difference(a: readonly Identifier[], b: readonly Identifier[]): Identifier[] {
  const kept = new Set(b.map(keyOf));
  return a.filter((one) => !kept.has(keyOf(one)));
}

/** The same the next time, unless the application changes. */
function isHopeless(error: unknown): boolean {
  return (
    error instanceof ApiError && ["Invalid", "BadRequest", "RequestEntityTooLarge"].includes(error.reason)
  );
}
