import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { type AuditEntry, AuditLog } from "../../../cloudhub/api/audit-log.ts";
import { readRequest } from "../../../cloudhub/api/request-info.ts";
import { silentLogger } from "../../../platform/logger.ts";
import { temporaryDirectory } from "../../support/processes.ts";

const entry = (name: string): AuditEntry => {
  const target = `/api/v1/namespaces/default/pods/${name}`;
  return {
    id: name,
    info: readRequest("GET", target),
    target,
    user: { name: "admin", groups: ["system:masters"] },
    address: "127.0.0.1",
    userAgent: "kubectl/v1.32",
    code: 200,
    receivedAt: 0,
    answeredAt: 1,
  };
};

function file(): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return join(path, "audit.log");
}

const idsIn = (path: string): string[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).auditID);

it("goes on in the file that is there", async () => {
  const path = file();
  for (const id of ["a", "b"]) {
    const audit = await AuditLog.open({ file: path, maxBytes: 1 << 20, keepFiles: 1 }, silentLogger);
    audit.add(entry(id));
    await audit.close();
  }
  expect(idsIn(path)).toEqual(["a", "b"]);
});

it("begins a new file when one is full, and keeps so many", async () => {
  const path = file();
  const audit = await AuditLog.open({ file: path, maxBytes: 700, keepFiles: 2 }, silentLogger);
  for (const id of ["a", "b", "c", "d", "e"]) {
    audit.add(entry(id));
    await audit.settled();
  }
  await audit.close();
  expect([`${path}.2`, `${path}.1`, path].map(idsIn)).toEqual([["c"], ["d"], ["e"]]);
  expect(existsSync(`${path}.3`)).toBe(false);
});

it("cannot begin where nothing can be written", async () => {
  const options = { file: join(file(), "no/such"), maxBytes: 1_024, keepFiles: 1 };
  await expect(AuditLog.open(options, silentLogger)).rejects.toMatchObject({ code: "E_BAD_OPTION" });
});
