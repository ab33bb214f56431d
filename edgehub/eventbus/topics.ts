import { isTopicFilter as isFilter, levelsMatch } from "../../protocol/index.ts";

/** MQTT topics, and where a message on one goes. Source: MQTT 3.1.1 §4.7; KubeEdge's EventBus. */

/** `twin`: to DeviceTwin. `cloud`: up to the cloud. `local`: nowhere but to the broker's other clients. */
export type Route = "twin" | "cloud" | "local";

/** DeviceTwin's; a device's id is one level as in KubeEdge 1.15, or `<namespace>/<name>` as in later ones. */
const twinFilters = [
  "$hw/events/device/+/state/update",
  "$hw/events/device/+/+/state/update",
  "$hw/events/device/+/twin/+",
  "$hw/events/device/+/+/twin/+",
  "$hw/events/node/+/membership/get",
];
/** What goes up without the cloud having asked for it. */
const uploadFilters = ["$hw/events/upload/#", "SYS/dis/upload_records", "+/user/#"];

/** The deepest topic the internal broker can match. */
const maxLevels = 100;
/** MQTT's own limit, in UTF-8. */
const maxTopicBytes = 65_535;

const levelsOf = (text: string): readonly string[] => text.split("/");
const twinLevels = twinFilters.map(levelsOf);
const uploadLevels = uploadFilters.map(levelsOf);

/** Filters of everything that leaves the broker whatever the cloud asks for. @param twin Whether DeviceTwin runs. */
export function ownFilters(twin: boolean): readonly string[] {
  return twin ? [...twinFilters, ...uploadFilters] : uploadFilters;
}

/**
 * Where a message goes.
 *
 * @param twin Whether DeviceTwin runs.
 * @param wanted Whether the cloud has subscribed to a topic.
 */
export function routeOf(topic: string, twin: boolean, wanted: (topic: string) => boolean): Route {
  const levels = levelsOf(topic);
  if (twin && twinLevels.some((filter) => levelsMatch(filter, levels))) return "twin";
  if (uploadLevels.some((filter) => levelsMatch(filter, levels)) || wanted(topic)) return "cloud";
  return "local";
}

export function hasWildcard(filter: string): boolean {
  return filter.includes("+") || filter.includes("#");
}

/** A topic that can be published to. U+FFFD is what is left of bytes that are not UTF-8. */
export function isTopicName(topic: string): boolean {
  return isUsable(topic) && !hasWildcard(topic);
}

/** A filter that can be subscribed to. */
export function isTopicFilter(filter: string): boolean {
  return isUsable(filter) && isFilter(filter);
}

function isUsable(text: string): boolean {
  return (
    text !== "" &&
    !text.includes("\0") &&
    !text.includes("\ufffd") &&
    (text.length <= maxTopicBytes / 3 || new TextEncoder().encode(text).length <= maxTopicBytes) &&
    levelsOf(text).length <= maxLevels
  );
}
