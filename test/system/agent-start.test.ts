import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { type EdgeHub, startEdge } from "../../edgehub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { Program, temporaryDirectory } from "../support/processes.ts";

function emptyDirectory(): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return path;
}

/** The agent as a process, with all its modules on free ports and no hub. */
function startAgent(dataDir: string): Program {
  const program = new Program("edgehub/main.ts", [
    ...["--node", "edge-1", "--dataDir", dataDir, "--hub.token", "none", "--hub.join", "https://127.0.0.1:1"],
    ...["--eventBus.mqttServerInternal", "tcp://127.0.0.1:0", "--serviceBus.enable", "true"],
    ...["--metaServer.enable", "true", "--metaServer.port", "0"],
    ...["--edged.enable", "true", "--edged.runtime", "process"],
  ]);
  onTestFinished(async () => void (await program.kill()));
  return program;
}

describe("an agent that is ended while it starts", () => {
  it("finishes its start and stops cleanly at SIGTERM", async () => {
    const dataDir = emptyDirectory();
    const first = startAgent(dataDir);
    await first.logged("internal broker listens");
    // The network is back: no reason to end.
    process.kill(first.pid, "SIGHUP");
    process.kill(first.pid, "SIGTERM");
    expect(await first.ended).toBe(0);
    expect(first.lines.at(-1)?.event).toBe("stopping");
    await startAgent(dataDir).logged("MetaServer listens");
  });

  // From before its directory is made until after it runs.
  test.each([0, 1, 2, 3, 4, 5, 6, 7])(
    "starts again after SIGKILL at step %i of its first start",
    async (step) => {
      const dataDir = emptyDirectory();
      const first = startAgent(dataDir);
      await pause(150 + 60 * step);
      await first.kill();
      await startAgent(dataDir).logged("MetaServer listens");
    },
  );
});

const isMounted = (path: string): boolean => spawnSync("mountpoint", ["-q", path]).status === 0;

/** A disk of so many bytes; `undefined`: this user cannot make one. */
function smallDisk(bytes: number): string | undefined {
  const path = emptyDirectory();
  spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path]);
  if (!isMounted(path)) return undefined;
  onTestFinished(() => void spawnSync("umount", ["-l", path]));
  return path;
}

describe("a disk that is full", () => {
  const start = async (dataDir: string): Promise<EdgeHub> => {
    const edge = await startEdge(
      {
        node: "edge-1",
        dataDir,
        hub: { token: "none", join: "https://127.0.0.1:1" },
        eventBus: { enable: true, mqttServerInternal: "tcp://127.0.0.1:0" },
        metaServer: { enable: true, port: 0 },
        edged: { enable: true, runtime: "process" },
      },
      { log: silentLogger },
    );
    onTestFinished(() => edge.close());
    return edge;
  };
  const report = (edge: EdgeHub) =>
    edge.publish({ group: "user", operation: "upload", resource: "t", content: "x".repeat(20_000) });

  it("refuses what it cannot keep, goes on when there is room, and has all it accepted", async ({ skip }) => {
    const disk = smallDisk(4 << 20);
    if (disk === undefined) return skip("this user may not mount");
    const dataDir = join(disk, "edge");
    const ballast = join(disk, "ballast");
    const edge = await start(dataDir);
    await report(edge);
    fill(ballast);
    const refused = async (): Promise<number> => {
      for (let accepted = 0; accepted < 500; accepted++) {
        const error: unknown = await report(edge).then(
          () => undefined,
          (cause: unknown) => cause,
        );
        if (error === undefined) continue;
        expect(error).toMatchObject({ code: "E_STORAGE_FULL", retryable: true });
        return accepted;
      }
      throw new Error("the disk is never full");
    };
    await refused();
    const kept = edge.status().outbox.messages;
    // Nothing of what was refused is counted, however often that happens.
    for (let tries = 0; tries < 5; tries++) await refused();
    expect(edge.status().outbox.messages).toBe(kept);
    rmSync(ballast);
    await report(edge);
    expect(edge.status().outbox.messages).toBe(kept + 1);
    await edge.close();
    expect((await start(dataDir)).status().outbox.messages).toBe(kept + 1);
  });

  it("says what is wrong when there is no room to start", async ({ skip }) => {
    const disk = smallDisk(1 << 20);
    if (disk === undefined) return skip("this user may not mount");
    mkdirSync(join(disk, "edge"));
    fill(join(disk, "ballast"));
    await expect(start(join(disk, "edge"))).rejects.toMatchObject({
      code: expect.stringMatching(/^E_STORAGE/),
      message: expect.stringMatching(/free space|no space/i),
    });
    rmSync(join(disk, "ballast"));
    expect((await start(join(disk, "edge"))).status().outbox.messages).toBe(0);
  });
});

/** Writes until the disk is full. */
function fill(file: string): void {
  for (const size of [1 << 16, 1 << 12]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: "a" });
    } catch (error) {
      expect(error).toMatchObject({ code: "ENOSPC" });
    }
  }
}
