import type { UpstreamDraft } from "../agent.ts";
import type { Device, Twin } from "./device.ts";
import { detailRequest, type Stamp, stateResult, twinResult } from "./documents.ts";

/** Messages for the cloud. Some have an object as content, some the text of one: as KubeEdge's DeviceTwin sends them. */

const fromTwin = { source: "twin", group: "resource" };

/** Values and versions of some properties of a device. */
export function twinsUpdated(device: string, stamp: Stamp, twins: ReadonlyMap<string, Twin>): UpstreamDraft {
  const resource = `device/${device}/twin/edge_updated`;
  return { ...fromTwin, operation: "update", resource, content: twinResult(stamp, twins) };
}

export function stateUpdated(device: Device, stamp: Stamp): UpstreamDraft {
  const content = JSON.stringify(stateResult(stamp, device));
  return { ...fromTwin, operation: "update", resource: `device/${device.id}/state/update`, content };
}

export function detailWanted(stamp: Stamp, node: string): UpstreamDraft {
  const content = JSON.stringify(detailRequest(stamp, node));
  return { ...fromTwin, operation: "get", resource: "membership/detail", content };
}
