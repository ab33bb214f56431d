import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { get } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, onTestFinished } from "vitest";
import { LaterRequests } from "../../cloudhub/http/later-requests.ts";
import { startHub } from "../../cloudhub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { freePort } from "../support/free-port.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { hubOptions } from "../support/world.ts";

describe("requests that come before what answers them is open", () => {
  const request = {} as IncomingMessage;
  const response = (): ServerResponse & { destroyed: boolean } =>
    Object.assign(new EventEmitter(), {
      destroyed: false,
      destroy(this: { destroyed: boolean }) {
        this.destroyed = true;
      },
    }) as unknown as ServerResponse & { destroyed: boolean };

  it("wait, and are answered in their order", () => {
    const requests = new LaterRequests();
    const answered: ServerResponse[] = [];
    const [first, gone, second, third] = [response(), response(), response(), response()];
    for (const one of [first, gone, second]) requests.listener(request, one);
    gone.destroy();
    expect(answered).toEqual([]);
    requests.open((_request, one) => answered.push(one));
    requests.listener(request, third);
    expect(answered).toEqual([first, second, third]);
  });

  it("are not left waiting if it is never opened", () => {
    const requests = new LaterRequests();
    const [before, after] = [response(), response()];
    requests.listener(request, before);
    requests.close();
    requests.listener(request, after);
    expect([before.destroyed, after.destroyed]).toEqual([true, true]);
  });
});

/** Tries until somebody listens. */
async function listening(port: number): Promise<void> {
  for (;;) {
    const socket = connect({ host: "127.0.0.1", port });
    const connected = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

it("listens while its objects are still being opened, and answers requests once they are", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const dataDir = join(path, "hub");
  const [nodes, api] = [await freePort(), await freePort()];
  const options = hubOptions(dataDir, {
    nodes: { host: "127.0.0.1", port: nodes },
    api: { host: "127.0.0.1", port: api },
  });
  const first = await startHub(options, { log: silentLogger });
  await first.close();

  // The database of the objects cannot be opened while somebody else has it to himself.
  const lock = new Database(join(dataDir, "resources.db"));
  lock.pragma("locking_mode = EXCLUSIVE");
  lock.exec("BEGIN EXCLUSIVE");
  let started = false;
  const starting = startHub(options, { log: silentLogger }).then((hub) => {
    started = true;
    return hub;
  });
  await listening(nodes);
  await listening(api);
  const status = new Promise<number | undefined>((resolve, reject) =>
    get({ host: "127.0.0.1", port: api, path: "/healthz", ca: first.ca.pem }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).once("error", reject),
  );
  const early = !started;
  lock.exec("COMMIT");
  lock.close();
  const hub = await starting;
  onTestFinished(() => hub.close());
  expect(early).toBe(true);
  expect(await status).toBe(200);
});
