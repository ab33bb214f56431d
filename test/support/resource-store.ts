import type { ObjectKey } from "../../cloudhub/store/resource-store.ts";
import {
  openInlineResourceStore,
  type SqliteResourceStore,
} from "../../cloudhub/store/sqlite-resource-store.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { FakeClock } from "./fake-clock.ts";

export interface ResourceStoreLimits {
  readonly file?: string;
  readonly create?: boolean;
  readonly maxBytes?: number;
  readonly maxObjectCharacters?: number;
  readonly changes?: number;
  readonly characters?: number;
}

/** A store of objects on this thread, in memory unless a file is named. */
export function openResources(
  limits: ResourceStoreLimits = {},
  clock: Clock = new FakeClock(),
): Promise<SqliteResourceStore> {
  const { file = ":memory:", create = true, maxBytes = 0, maxObjectCharacters = 1_500_000 } = limits;
  const history = { changes: limits.changes ?? 1_000, characters: limits.characters ?? 1 << 30 };
  return openInlineResourceStore(
    { file, create, synchronous: "full", maxBytes, maxObjectCharacters, history },
    clock,
  );
}

export function keyOf(name: string, namespace = "default", type = "configmaps"): ObjectKey {
  return { type, namespace, name };
}

/** A ConfigMap that holds one value. */
export function objectOf(name: string, value: unknown = 1, namespace = "default"): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { value } };
}
