import { once } from "node:events";
import { request } from "node:https";
import { expect, it, vi } from "vitest";
import { failureLevel } from "../../../cloudhub/api/failure-level.ts";
import { asApiError } from "../../../cloudhub/api/responses.ts";
import { ApiError } from "../../../kubernetes/index.ts";
import type { Fields, Logger } from "../../../platform/logger.ts";
import { HubError } from "../../../protocol/index.ts";
import { ApiClient } from "../../support/api-client.ts";
import { startWorld } from "../../support/world.ts";

/** What the log says of requests that fail, and how loud. */

const maps = "/api/v1/namespaces/default/configmaps";

function levels(): { log: Logger; lines: [string, string, Fields][] } {
  const lines: [string, string, Fields][] = [];
  const at =
    (level: string) =>
    (event: string, fields: Fields = {}): void =>
      void lines.push([level, event, fields]);
  const log: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: () => log,
  };
  return { log, lines };
}

it("counts a client that goes before its body has come, and blames nobody for it", async () => {
  const { log, lines } = levels();
  const api = new ApiClient(await startWorld({}, { log }));
  const sent = request(new URL(maps, api.url), {
    method: "POST",
    ca: api.ca,
    headers: {
      authorization: `Bearer ${api.token}`,
      "content-type": "application/json",
      "content-length": "1000",
      // Its answer says that the request has begun.
      expect: "100-continue",
    },
  });
  sent.on("error", () => undefined);
  sent.flushHeaders();
  await once(sent, "continue");
  sent.write('{"metadata":');
  sent.destroy();
  await vi.waitFor(async () =>
    expect((await api.send("/metrics")).text).toContain('hub_api_requests_total{verb="create",code="499"} 1'),
  );
  expect(lines.filter(([, event]) => event.includes("API"))).toEqual([
    ["debug", "a client of the API has gone", expect.objectContaining({ verb: "create", path: maps })],
  ]);
});

it("warns of what was waited for in vain, by its name", async () => {
  const { log, lines } = levels();
  const api = new ApiClient(await startWorld({}, { log }));
  const asked = `${maps}?resourceVersion=900000000000000&resourceVersionMatch=NotOlderThan`;
  expect(await api.send(asked)).toMatchObject({ status: 504, body: { reason: "Timeout" } });
  expect(lines.filter(([, event]) => event.includes("API"))).toEqual([
    [
      "warn",
      "a request to the API could not be done now",
      expect.objectContaining({
        verb: "list",
        error: expect.objectContaining({
          message: expect.stringContaining("Too large resource version: 900000000000000, current: "),
        }),
      }),
    ],
  ]);
});

const reset = Object.assign(new Error("aborted"), { code: "ECONNRESET" });
const silent = new ApiError("Timeout", "node edge-1 has not sent the log");

it.each([
  ["what a client's going ends", reset, true, "debug"],
  ["a wait that its going ends", new HubError("E_ABORTED", "gave up"), true, "debug"],
  ["a reset of another connection", reset, false, "error"],
  ["a mistake of the server, whoever still listens", new TypeError("x is undefined"), true, "error"],
  ["a full disk", new HubError("E_STORAGE_FULL", "full"), false, "error"],
  ["a node that does not answer", silent, false, "warn"],
  ["a node that is away", new ApiError("ServiceUnavailable", "node edge-1 is away"), false, "warn"],
  ["an answer that makes no sense", new ApiError("InternalError", "no log"), false, "error"],
  ["what is not there", new ApiError("NotFound", "none"), false, undefined],
])("says %s as it deserves", (_name, error, isGone, level) => {
  expect(failureLevel(error, asApiError(error), isGone)).toBe(level);
});
