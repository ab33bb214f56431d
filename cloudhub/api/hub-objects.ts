import type { KubeObject, ResourceName } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import type { HubApi } from "../../protocol/index.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import { Authorizer } from "./authorizer.ts";
import { defaultBindings, defaultRoles } from "./cluster-roles.ts";
import { expireEvents } from "./event-expiry.ts";
import { GarbageCollector, type KeeperParts } from "./garbage-collector.ts";
import { lastingNamespaces } from "./kind-rules.ts";
import { coreResource, Kinds } from "./kinds.ts";
import { NamespaceKeeper } from "./namespace-keeper.ts";
import { evict } from "./pod-eviction.ts";
import { Registry } from "./registry.ts";
import { accessReview } from "./reviews.ts";
import { ServiceAccountTokens } from "./service-account-tokens.ts";
import { syncViews } from "./sync-views.ts";

export interface HubObjectsParts {
  readonly store: ResourceStore;
  readonly hub: Pick<HubApi, "nodes" | "resources">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where the keys are kept. */
  readonly dataDir: string;
  readonly caPem: string;
}

/** A hub's objects with what looks after them. */
export interface HubObjects {
  readonly store: ResourceStore;
  readonly registry: Registry;
  readonly tokens: ServiceAccountTokens;
  close(): Promise<void>;
}

const rbac = (resource: string): ResourceName => ({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  resource,
});

/** Makes the objects ready for use: what every hub has is there when it resolves. */
export async function openObjects(parts: HubObjectsParts): Promise<HubObjects> {
  const { store, clock, log, hub } = parts;
  const kinds = new Kinds();
  const registry = new Registry({ store, clock, kinds, views: syncViews({ hub, store, kinds }) });
  const tokens = await ServiceAccountTokens.open(parts.dataDir, { store, clock });
  registry.answer("serviceaccounts/token", (account, request) => tokens.issue(account, request));
  const authorizer = new Authorizer(store);
  registry.answerQuestion("SubjectAccessReview", (question) => accessReview(authorizer, question));
  registry.answer("pods/eviction", (pod, eviction) => evict(registry, pod, eviction));
  await furnish(registry, store);
  const keeper: KeeperParts = { registry, store, clock, log };
  const namespaces = new NamespaceKeeper(keeper, parts.caPem);
  const collector = new GarbageCollector(keeper);
  const stopExpiry = expireEvents(keeper);
  return {
    store,
    registry,
    tokens,
    async close() {
      stopExpiry();
      await namespaces.close();
      await collector.close();
    },
  };
}

/** Namespaces and roles that every hub has. Roles that a newer version knows better are brought up to date. */
async function furnish(registry: Registry, store: ResourceStore): Promise<void> {
  const namespaces = lastingNamespaces
    .filter((name) => store.get({ type: "namespaces", namespace: "", name }) === undefined)
    .map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } }));
  // All at once: that is one sync to the disk.
  await Promise.all([
    ...namespaces.map((namespace) => registry.create(coreResource("namespaces"), namespace)),
    ...defaultRoles().map((object) => ensure(registry, store, { resource: "clusterroles", object })),
    ...defaultBindings().map((object) =>
      ensure(registry, store, { resource: "clusterrolebindings", object }),
    ),
  ]);
}

async function ensure(
  registry: Registry,
  store: ResourceStore,
  { resource, object }: { resource: string; object: KubeObject },
): Promise<void> {
  const { name = "" } = object.metadata;
  const type = `${resource}.rbac.authorization.k8s.io`;
  const found = store.get({ type, namespace: "", name })?.object;
  if (found === undefined) return void (await registry.create(rbac(resource), object));
  const { annotations } = found.metadata;
  if (annotations?.["rbac.authorization.kubernetes.io/autoupdate"] !== "true" || object.rules === undefined)
    return;
  await registry.revise(rbac(resource), { name }, (old) => ({ ...old, rules: object.rules }));
}
