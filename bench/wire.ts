import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What a TCP connection has carried so far, both ways. */
export interface Carried {
  /** The programs' bytes: TLS records with all that is in them. */
  readonly bytes: number;
  readonly received: number;
  /** Packets, those with acks alone included. */
  readonly segments: number;
}

/** IPv4 and TCP headers of each packet, the time stamp option included where the kernel uses it. */
export const headerBytes = readFileSync("/proc/sys/net/ipv4/tcp_timestamps", "utf8").startsWith("0")
  ? 40
  : 52;

/** All that is on the wire above Ethernet. */
export function onWire({ bytes, segments }: Carried): number {
  return bytes + headerBytes * segments;
}

/** What the connections to a port of this machine have carried, by the client's port: the kernel's own counters. */
export function carriedBy(port: number): Map<number, Carried> {
  const text = execFileSync("ss", ["-tinH", "state", "established", "sport", "=", `:${port}`], {
    encoding: "utf8",
  });
  const found = new Map<number, Carried>();
  for (const entry of text.split(/\n(?=\S)/)) {
    const client = /\S+:\d+\s+\S+:(\d+)/.exec(entry)?.[1];
    if (client === undefined) continue;
    const count = (name: string): number => Number(new RegExp(`\\b${name}:(\\d+)`).exec(entry)?.[1] ?? 0);
    const received = count("bytes_received");
    const bytes = count("bytes_sent") + received;
    found.set(Number(client), { bytes, received, segments: count("segs_out") + count("segs_in") });
  }
  return found;
}

/** What came between two looks. */
export function difference(after: Carried, before: Carried): Carried {
  return {
    bytes: after.bytes - before.bytes,
    received: after.received - before.received,
    segments: after.segments - before.segments,
  };
}

/** The only connection to a port. */
export function onlyCarried(port: number): Carried {
  const all = [...carriedBy(port).values()];
  if (all.length !== 1) throw new Error(`expected one connection to port ${port}, found ${all.length}`);
  return all[0] as Carried;
}
