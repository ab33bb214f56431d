import { readFileSync, writeFileSync } from "node:fs";
import { diskError } from "./disk.ts";
import type { Pod } from "./pod.ts";
import type { Mount } from "./runtime.ts";

const containerPath = "/etc/hosts";

/** A pod's `/etc/hosts`, as a kubelet writes it. Pure. @param nodeHosts The node's own, for pods in its network. */
export function hostsText(pod: Pod, podIp: string, nodeHosts: string): string {
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
    `${podIp}\t${pod.hostname}`,
  ];
  const own = pod.hostNetwork
    ? `# Kubernetes-managed hosts file (host network).\n${nodeHosts}`
    : `${lines.join("\n")}\n`;
  if (pod.hostAliases.length === 0) return own;
  const aliases = pod.hostAliases.map(({ ip, hostnames }) => [ip, ...hostnames].join("\t"));
  return `${own}\n# Entries added by HostAliases.\n${aliases.join("\n")}\n`;
}

/**
 * Mounts a pod's hosts file, unless the container has mounted something there itself, or has no address to write down.
 *
 * @param file Where it lies on the node. Throws `E_STORAGE` and the like.
 */
export function hostsMount(pod: Pod, podIp: string, mounts: readonly Mount[], file: string): Mount[] {
  if (podIp === "" || mounts.some((mount) => mount.containerPath === containerPath)) return [];
  try {
    writeFileSync(file, hostsText(pod, podIp, pod.hostNetwork ? readFileSync(containerPath, "utf8") : ""));
  } catch (error) {
    throw diskError(error, file);
  }
  return [{ hostPath: file, containerPath, readOnly: false }];
}
