import { readTables } from "./notation.ts";
import type { Schema } from "./schema.ts";
import { authenticationTable, authorizationTable, certificatesTable, rbacTable } from "./tables/access.ts";
import { appsTable } from "./tables/apps.ts";
import { cloudVolumeTable } from "./tables/cloud-volume.ts";
import { containerTable } from "./tables/container.ts";
import { coordinationTable, discoveryTable, eventsTable } from "./tables/coordination.ts";
import { coreTable } from "./tables/core.ts";
import { customResourcesTable } from "./tables/custom-resources.ts";
import { deadLettersTable } from "./tables/dead-letters.ts";
import { groupsTable, rulesTable, syncsTable } from "./tables/kubeedge.ts";
import { devicesTable } from "./tables/kubeedge-devices.ts";
import { olderDevicesTable } from "./tables/kubeedge-older-devices.ts";
import { metaTable } from "./tables/meta.ts";
import { nodeTable } from "./tables/node.ts";
import { persistentVolumeTable } from "./tables/persistent-volume.ts";
import { podTable } from "./tables/pod.ts";
import { podStatusTable } from "./tables/pod-status.ts";
import { volumeTable } from "./tables/volume.ts";

const nativeTables = [
  metaTable,
  coreTable,
  podTable,
  containerTable,
  volumeTable,
  cloudVolumeTable,
  podStatusTable,
  nodeTable,
  persistentVolumeTable,
  appsTable,
  rbacTable,
  authenticationTable,
  authorizationTable,
  certificatesTable,
  customResourcesTable,
  eventsTable,
  coordinationTable,
  discoveryTable,
] as const;

const structuralTables = [
  devicesTable,
  olderDevicesTable,
  rulesTable,
  syncsTable,
  groupsTable,
  deadLettersTable,
] as const;

/** Definitions of all built-in kinds by full name: `io.k8s.api.core.v1.Pod`. */
export function builtInSchemas(): ReadonlyMap<string, Schema> {
  return readTables([...nativeTables, ...structuralTables]);
}

/** Where the definitions of a group are: `io.k8s.api.apps.v1`, `io.kubeedge.devices.v1beta1`. */
export function packageOf(group: string, version: string): string {
  if (group === "") return `io.k8s.api.core.${version}`;
  if (group === "apiextensions.k8s.io")
    return `io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.${version}`;
  if (isNativeGroup(group)) return `io.k8s.api.${group.split(".")[0]}.${version}`;
  return `${group.split(".").toReversed().join(".")}.${version}`;
}

/** True for groups that Kubernetes itself defines. */
export function isNativeGroup(group: string): boolean {
  return !group.includes(".") || group.endsWith(".k8s.io");
}
