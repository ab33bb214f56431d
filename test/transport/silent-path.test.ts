import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { dialWebSocket } from "../../transport/index.ts";

/** A server that is stopped with its queue of connections full: the kernel drops whatever else comes, without a word. */
async function silentPort(): Promise<number> {
  const script = `require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () {
    console.log(this.address().port);
  })`;
  const server: ChildProcess = spawn(process.execPath, ["-e", script], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = (await once(server.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
  const port = Number(line.toString());
  server.kill("SIGSTOP");
  const fillers: Socket[] = [];
  onTestFinished(() => {
    for (const one of fillers) one.destroy();
    server.kill("SIGKILL");
  });
  for (let i = 0; i < 8; i++) fillers.push(connect({ port, host: "127.0.0.1" }).on("error", () => {}));
  await Promise.race(fillers.map((one) => once(one, "connect")));
  return port;
}

const dial = (port: number, connectTimeoutMs?: number) =>
  dialWebSocket(
    `wss://127.0.0.1:${port}/`,
    {
      headers: {},
      tls: {},
      offerNative: true,
      handshakeTimeoutMs: 2_000,
      ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      maxMessageBytes: 1_000,
      probeEveryMs: 0,
    },
    new AbortController().signal,
  );

it("gives a dial up soon that nobody answers, and says so", async () => {
  const port = await silentPort();
  await expect(dial(port, 200)).rejects.toMatchObject({ code: "E_TIMEOUT" });
});

it("waits for an answer as long as for the handshake, unless it is told otherwise", async () => {
  const port = await silentPort();
  await expect(dial(port)).rejects.toMatchObject({ code: "E_LINK_LOST" });
});
