import { objectsOf, textOf } from "./fields.ts";
import type { Pod } from "./pod.ts";
import type { Reason } from "./pod-view.ts";

/** Settings of the kernel that a pod may have of its own. Pure. Source: kubelet's sysctl allowlist. */
const harmless: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_syncookies",
]);

/** By name, with dots. */
export function sysctlsOf({ security }: Pod): Record<string, string> {
  const entries = objectsOf(security.sysctls);
  return Object.fromEntries(entries.map(({ name, value }) => [dotted(textOf(name)), textOf(value)]));
}

/** Why a pod with these settings cannot run on any node that is careful; `undefined`: it can. */
export function sysctlProblem(pod: Pod): Reason | undefined {
  for (const name of Object.keys(sysctlsOf(pod))) {
    const refused = (why: string): Reason => ({
      reason: "SysctlForbidden",
      message: `Pod was rejected: forbidden sysctl: "${name.slice(0, 80)}" ${why}`,
    });
    if (!harmless.has(name)) return refused("not allowlisted");
    if (name.startsWith("net.") && pod.hostNetwork) return refused("not allowed with host net enabled");
    if (name.startsWith("kernel.") && pod.hostIpc) return refused("not allowed with host ipc enabled");
  }
  return undefined;
}

/** Slashes are taken for dots, as sysctl does. */
function dotted(name: string): string {
  return name.replaceAll("/", ".");
}
