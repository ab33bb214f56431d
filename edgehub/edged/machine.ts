import { statfsSync } from "node:fs";
import { arch, availableParallelism, networkInterfaces, release, totalmem } from "node:os";
import { textIn } from "./disk.ts";
import { bytesOf } from "./quantity.ts";

/** What this machine is and has. */
export interface MachineFacts {
  hostIp(): string;
  allocatable(): { cpuMillis: number; memoryBytes: number };
  capacity(): { cpus: number; memoryBytes: number };
  /** What is left; `undefined`: nobody knows. */
  free(directory: string): {
    memoryBytes: number | undefined;
    diskBytes: number | undefined;
    diskTotalBytes: number | undefined;
    processes: number | undefined;
  };
  info(): MachineInfo;
}

export interface MachineInfo {
  readonly machineID: string;
  readonly systemUUID: string;
  readonly bootID: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly operatingSystem: string;
  readonly architecture: string;
}

/** What Go, and so Kubernetes, calls architectures that Node.js names otherwise. */
const goArchitectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386", ppc64: "ppc64le" };

/** A kubelet keeps so much memory from pods. */
export const memoryReserveBytes = 100 << 20;

/** The facts, read from the system each time. */
export function machineFacts(): MachineFacts {
  return {
    hostIp: firstAddress,
    allocatable: () => ({
      cpuMillis: availableParallelism() * 1_000,
      memoryBytes: Math.max(totalmem() - memoryReserveBytes, 0),
    }),
    capacity: () => ({ cpus: availableParallelism(), memoryBytes: totalmem() }),
    free: (directory) => ({ ...diskOf(directory), memoryBytes: freeMemory(), processes: freeProcesses() }),
    info: machineInfo,
  };
}

/** The first address others can reach, IPv4 first; this machine's own if there is none. */
function firstAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const outer = all.filter((one) => !one.internal && !one.address.startsWith("fe80"));
  return (outer.find((one) => one.family === "IPv4") ?? outer[0])?.address ?? "127.0.0.1";
}

function machineInfo(): MachineInfo {
  const machineID =
    textIn("/etc/machine-id") || textIn("/proc/sys/kernel/random/boot_id").replaceAll("-", "");
  return {
    machineID,
    systemUUID: textIn("/sys/class/dmi/id/product_uuid") || machineID,
    bootID: textIn("/proc/sys/kernel/random/boot_id"),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(textIn("/etc/os-release"))?.[1] ?? process.platform,
    operatingSystem: process.platform,
    architecture: goArchitectures[arch()] ?? arch(),
  };
}

function freeMemory(): number | undefined {
  const kibibytes = /^MemAvailable:\s+(\d+) kB/m.exec(textIn("/proc/meminfo"))?.[1];
  return kibibytes === undefined ? undefined : bytesOf(`${kibibytes}Ki`);
}

function freeProcesses(): number | undefined {
  const max = Number(textIn("/proc/sys/kernel/pid_max"));
  const running = Number(/\/(\d+)/.exec(textIn("/proc/loadavg"))?.[1] ?? Number.NaN);
  return Number.isFinite(max - running) ? max - running : undefined;
}

function diskOf(directory: string): { diskBytes: number | undefined; diskTotalBytes: number | undefined } {
  try {
    const { bavail, blocks, bsize } = statfsSync(directory);
    return { diskBytes: bavail * bsize, diskTotalBytes: blocks * bsize };
  } catch {
    return { diskBytes: undefined, diskTotalBytes: undefined };
  }
}
