import { formatDuration } from "../../platform/quantities.ts";

/** Strokes that the device program reported while the link was down. */
export interface DeviceFacts {
  readonly confirmed: number;
  /** In the cloud before the link was healed, and after. */
  readonly takenBefore: number;
  readonly taken: number;
}

export interface PodFacts {
  readonly process: number;
  /** Parts counted when hub and agent were killed. */
  readonly atKill: number;
  /** Parts counted when there was still no hub. */
  readonly withoutHub: number;
}

export interface ServiceFacts {
  readonly path: string;
  readonly status: number;
  readonly text: string;
  readonly ms: number;
}

export interface NodeFacts {
  readonly device: DeviceFacts;
  readonly pod: PodFacts;
  readonly service: ServiceFacts;
}

/** What the second half of the demo has shown, in numbers. Pure. */
export function nodeLines({ device, pod, service }: NodeFacts, totalMs: number): string[] {
  return [
    "",
    `NOTHING STOPPED: the node worked on without link, without hub and through a death of its agent.`,
    "",
    `  device        ${device.confirmed} reports confirmed without a link, ${device.takenBefore} of them in the cloud; then ${device.taken} of ${device.confirmed}, in order`,
    `  pod           process ${pod.process} all the time: ${pod.atKill} parts when hub and agent were killed, ${pod.withoutHub} before the hub was back, none missing`,
    `  service       GET ${service.path}: ${service.status} in ${formatDuration(service.ms)} through hub, link and ServiceBus; the same ${service.text.length} characters as on the node`,
    `  all of it     ${formatDuration(totalMs)}`,
  ];
}

/** What the pod has written. @param log In the form of CRI: time, stream, `F`, line. */
export function partsIn(log: string): { process: number; part: number }[] {
  const lines = log.matchAll(/^\S+ stdout F process (\d+) part (\d+)$/gm);
  return [...lines].map(([, process, part]) => ({ process: Number(process), part: Number(part) }));
}
