import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import {
  builtInKinds,
  type KubeObject,
  readObject,
  strategicMergePatch,
  withManagedFields,
} from "../../kubernetes/index.ts";

/** Status patches of a real edgecore 1.15, and what a real API server (1.26) made of them. */

interface Message {
  readonly header: { readonly msg_id: string; readonly parent_msg_id?: string };
  readonly route: { readonly resource: string; readonly operation: string };
  readonly content: unknown;
}

const file = join(import.meta.dirname, "../fixtures/captures/b-pod-lifecycle-edged.jsonl");
const messages = readFileSync(resolve(file), "utf8")
  .trim()
  .split("\n")
  .map((line) => (JSON.parse(line) as { message?: Message }).message)
  .filter((message) => message?.route?.resource.includes("/podpatch/"))
  .filter((message) => message !== undefined);

const exchanges = messages
  .filter(({ route }) => route.operation === "patch")
  .map(({ header, content }) => {
    const answer = messages.find(({ header: { parent_msg_id: parent } }) => parent === header.msg_id);
    const answered = (answer?.content ?? {}) as { Object?: object };
    return {
      patch: JSON.parse(String(content)) as object,
      result: { apiVersion: "v1", kind: "Pod", ...answered.Object } as KubeObject,
    };
  });

const found = builtInKinds().find(({ type }) => type.kind === "Pod");
if (found === undefined) throw new Error("no Pod");
const pod = found;

function read(object: unknown): KubeObject {
  return readObject(pod, object).object;
}

/** Fields of the status, without the marks that maps themselves were set, and of null, which we do not keep. */
function statusFields({ metadata }: KubeObject): object {
  const entries = (metadata.managedFields ?? []) as { subresource?: string; fieldsV1: object }[];
  const fields = entries.find(({ subresource }) => subresource === "status")?.fieldsV1 ?? {};
  return plain(fields, "");
}

function plain(fields: object, element: string): object {
  const entries = Object.entries(fields)
    .filter(([key]) => key !== "f:lastProbeTime" && (key !== "." || element.startsWith("k:")))
    .map(([key, below]) => [key, plain(below, key)]);
  return Object.fromEntries(entries);
}

describe("patches of a pod's status", () => {
  it("are there, one after the other", () => {
    expect(exchanges.length).toBeGreaterThanOrEqual(3);
    expect(JSON.stringify(exchanges)).toContain("$setElementOrder/conditions");
  });

  it.each(exchanges.slice(1).map(({ patch }, index) => [index + 1, patch] as const))(
    "number %d makes what the API server made of it",
    (index, patch) => {
      const before = read(exchanges[index - 1]?.result);
      const after = read(exchanges[index]?.result);
      const patched = read(strategicMergePatch(pod, before, patch));
      expect(patched.status).toEqual(after.status);
      expect(patched.spec).toEqual(after.spec);
      const writer = { fieldManager: "cloudcore", subresource: "status", time: "2026-11-20T10:11:54Z" };
      expect(statusFields(withManagedFields(pod, before, patched, writer))).toEqual(statusFields(after));
    },
  );
});
