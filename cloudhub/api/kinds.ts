import {
  apiVersionOf,
  builtInKinds,
  groupResource,
  groupVersionOf,
  type Kind,
  type KubeObject,
  kindsOfDefinition,
  notServed,
  type ResourceName,
} from "../../kubernetes/index.ts";

/** The group of the kinds that tell what nodes have; see `SyncViews`. */
export const syncGroup = "reliablesyncs.kubeedge.io";

/** The kinds that are served now: the built-in ones, and those of the CustomResourceDefinitions there are. */
export class Kinds {
  readonly #builtIn: readonly Kind[];
  /** By name of their definition. */
  readonly #custom = new Map<string, readonly Kind[]>();
  #byPath = new Map<string, Kind>();
  #byName = new Map<string, Kind>();
  #all: readonly Kind[] = [];
  #version = 0;

  constructor() {
    this.#builtIn = builtInKinds().map(asServed);
    this.#index();
  }

  /** In the order of discovery. */
  get all(): readonly Kind[] {
    return this.#all;
  }

  /** Grows when kinds come or go: what was derived from them is out of date. */
  get version(): number {
    return this.#version;
  }

  find(name: ResourceName): Kind | undefined {
    return this.#byPath.get(pathOf(name));
  }

  /** Throws `NotFound` as Kubernetes does for paths that it does not serve. */
  require(name: ResourceName): Kind {
    const kind = this.find(name);
    if (kind !== undefined) return kind;
    throw notServed();
  }

  /** The kind of an object or of a reference to one. */
  ofObject(apiVersion: string, kind: string): Kind | undefined {
    return this.#byName.get(`${apiVersion} ${kind}`);
  }

  /** One for each kind of objects that is kept, whatever its versions. */
  stored(): readonly Kind[] {
    const byType = new Map<string, Kind>();
    for (const kind of this.#all) {
      if (!kind.type.verbs.includes("create") || !kind.type.verbs.includes("list")) continue;
      const type = storedType(kind);
      if (!byType.has(type)) byType.set(type, kind);
    }
    return [...byType.values()];
  }

  /** A definition is there, or has changed. */
  define(definition: KubeObject): void {
    const own = new Set(this.#builtIn.map((kind) => groupResource(kind.type)));
    const kinds = kindsOfDefinition(definition).filter((kind) => !own.has(groupResource(kind.type)));
    this.#custom.set(definition.metadata.name ?? "", kinds);
    this.#index();
  }

  /** @returns The kinds that are served no more. */
  forget(definitionName: string): void {
    if (this.#custom.delete(definitionName)) this.#index();
  }

  /** The kinds of a definition; none for one whose kinds are built in. */
  ofDefinition(name: string): readonly Kind[] {
    return this.#custom.get(name) ?? [];
  }

  #index(): void {
    this.#all = [...this.#builtIn, ...[...this.#custom.values()].flat()];
    this.#byPath = new Map(this.#all.map((kind) => [pathOf(kind.type), kind]));
    this.#byName = new Map(this.#all.map((kind) => [`${apiVersionOf(kind.type)} ${kind.type.kind}`, kind]));
    this.#version++;
  }
}

/**
 * Under which type objects of a kind are kept. Events of both groups are the same objects, as in Kubernetes.
 */
export function storedType({ type }: Pick<Kind, "type">): string {
  return type.group === "events.k8s.io" ? type.resource : groupResource(type);
}

/** `pods` of `v1` as a name of a kind. */
export function coreResource(resource: string): ResourceName {
  return { group: "", version: "v1", resource };
}

/** `apps/v1` and `deployments` as a name of a kind. */
export function resourceIn(apiVersion: string, resource: string): ResourceName {
  return { ...groupVersionOf(apiVersion), resource };
}

function pathOf({ group, version, resource }: ResourceName): string {
  return `${group}/${version}/${resource}`;
}

function asServed(kind: Kind): Kind {
  if (kind.type.group !== syncGroup) return kind;
  return { ...kind, type: { ...kind.type, verbs: ["get", "list"], hasStatus: false } };
}
