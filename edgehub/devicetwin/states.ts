import { type Device, isNamespaced } from "./device.ts";

const states = {
  name: new Set(["online", "offline", "ok", "unknown", "disconnected"]),
  namespaced: new Set(["online", "offline", "ok", "unknown", "unhealthy"]),
};

/**
 * The device after it has said its state, in any letter case. When it was online last is a text of local time for a
 * device of KubeEdge 1.15, set by every state; later it is RFC 3339, and empty unless it is online or ok.
 *
 * @returns `undefined`: there is no such state.
 */
export function withState(device: Device, state: string, now: number): Device | undefined {
  const word = state.toLowerCase();
  const namespaced = isNamespaced(device.id);
  if (!states[namespaced ? "namespaced" : "name"].has(word)) return undefined;
  const isUp = word === "online" || word === "ok";
  if (!namespaced) return { ...device, state, lastOnline: localTime(now) };
  return { ...device, state, lastOnline: isUp ? `${new Date(now).toISOString().slice(0, 19)}Z` : "" };
}

/** `2026-11-20 10:04:45`, in the time zone of this machine. */
function localTime(now: number): string {
  const date = new Date(now);
  const two = (count: number): string => String(count).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
