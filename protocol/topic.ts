/** MQTT topic filters. Source: MQTT 3.1.1 §4.7. */

/** Does a subscription to this filter get messages of this topic? */
export function topicMatches(filter: string, topic: string): boolean {
  return levelsMatch(filter.split("/"), topic.split("/"));
}

/** {@link topicMatches} of what has been split at its slashes. */
export function levelsMatch(filter: readonly string[], topic: readonly string[]): boolean {
  // Wildcards do not reach into the topics that servers keep for themselves.
  if (topic[0]?.startsWith("$") && filter[0] !== topic[0]) return false;
  for (let i = 0; i < filter.length; i++) {
    const level = filter[i];
    if (level === "#") return true;
    if (i >= topic.length) return false;
    if (level !== "+" && level !== topic[i]) return false;
  }
  return filter.length === topic.length;
}

/** A filter one can subscribe to: `+` and `#` fill whole levels, `#` the last one. */
export function isTopicFilter(filter: string): boolean {
  if (filter === "" || filter.includes("\0")) return false;
  const levels = filter.split("/");
  return levels.every(
    (level, i) => !/[+#]/.test(level) || level === "+" || (level === "#" && i === levels.length - 1),
  );
}
