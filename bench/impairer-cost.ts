/**
 * What the impairer itself costs: `npm exec -- node bench/impairer-cost.ts [seconds]`.
 *
 * Senders and target are this process, the impairer is another one; its processor time is what
 * `process.cpuUsage` says there. Each message of 300 bytes is answered with 40; `late` is how much later than
 * the profile's delay a message arrives, the target's own waiting included.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { startImpairer } from "../testbed/impairer/impairer.ts";
import type { ProfileFields } from "../testbed/impairer/profile.ts";

const messagesPerSecond = 5_000;
const messageBytes = 300;
const answer = Buffer.alloc(40);

interface Case {
  readonly connections: number;
  readonly profile: ProfileFields;
}

interface Usage {
  readonly cpuMs: number;
  readonly residentBytes: number;
}

const cases: Case[] = [0, 25, 300, 600].flatMap((delayMs) =>
  [1, 50, 1_000].map((connections) => ({ connections, profile: { delayMs } })),
);
cases.push({ connections: 1_000, profile: { delayMs: 300, jitterMs: 25, lossPercent: 2 } });

/** The process that is measured: says its port, then its usage whenever asked. */
async function serve(target: number, profile: ProfileFields): Promise<void> {
  const impairer = await startImpairer({
    listen: { host: "127.0.0.1", port: 0 },
    target: { host: "127.0.0.1", port: target },
    profile,
    seed: 1,
  });
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1_000, residentBytes: process.memoryUsage.rss() });
  });
  process.send?.(impairer.port);
}

async function usageOf(child: ChildProcess): Promise<Usage> {
  const answered = once(child, "message");
  child.send("usage");
  const [usage] = await answered;
  return usage as Usage;
}

/** Takes messages, answers each, and notes how late it was. */
async function startTarget(lateMs: number[], delayMs: number): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    let left: Buffer = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      left = left.length === 0 ? chunk : Buffer.concat([left, chunk]);
      const now = performance.now();
      for (; left.length >= messageBytes; left = left.subarray(messageBytes)) {
        lateMs.push(now - left.readDoubleLE(0) - delayMs);
        socket.write(answer);
      }
    });
  });
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 });
  await once(server, "listening");
  return server;
}

/** Sends round robin, evenly over time. */
async function send(sockets: readonly Socket[], seconds: number): Promise<void> {
  const startedAt = performance.now();
  const total = messagesPerSecond * seconds;
  for (let sent = 0; sent < total; await pause(1)) {
    const now = performance.now();
    for (; sent < Math.min(total, ((now - startedAt) / 1_000) * messagesPerSecond); sent++) {
      const message = Buffer.alloc(messageBytes);
      message.writeDoubleLE(now);
      sockets[sent % sockets.length]?.write(message);
    }
  }
}

async function measure({ connections, profile }: Case, seconds: number): Promise<string> {
  const delayMs = profile.delayMs ?? 0;
  const lateMs: number[] = [];
  const target = await startTarget(lateMs, delayMs);
  const child = fork(import.meta.filename, [
    `${(target.address() as AddressInfo).port}`,
    JSON.stringify(profile),
  ]);
  const [port] = await once(child, "message");
  const sockets = Array.from({ length: connections }, () =>
    connect({ port, host: "127.0.0.1", noDelay: true }),
  );
  for (const socket of sockets) socket.on("error", () => {}).resume();
  await pause(3 * delayMs + 500);
  await send(sockets, 1);
  await pause(8 * delayMs + 200);
  lateMs.length = 0;
  const before = await usageOf(child);
  await send(sockets, seconds);
  const after = await usageOf(child);
  await pause(8 * delayMs + 200);
  child.kill();
  for (const socket of sockets) socket.destroy();
  target.close();
  const cpuMs = after.cpuMs - before.cpuMs;
  lateMs.sort((a, b) => a - b);
  const late = (share: number): string => (lateMs[Math.floor(share * (lateMs.length - 1))] ?? 0).toFixed(1);
  return [
    JSON.stringify(profile).padEnd(50),
    `${connections}`.padStart(5),
    `${lateMs.length}/${messagesPerSecond * seconds}`.padStart(13),
    `${(cpuMs / seconds / 10).toFixed(1)} %`.padStart(8),
    `${((cpuMs * 1_000) / lateMs.length).toFixed(1)} us/msg`.padStart(13),
    `late ${late(0.5)} / ${late(0.99)} ms`.padStart(20),
    `${Math.round(after.residentBytes / 2 ** 20)} MiB`.padStart(8),
  ].join(" ");
}

const [first, second] = process.argv.slice(2);
if (process.send && first !== undefined && second !== undefined) {
  await serve(Number(first), JSON.parse(second) as ProfileFields);
} else {
  for (const one of cases) console.log(await measure(one, Number(first ?? 10)));
}
