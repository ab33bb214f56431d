import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { checkOptions } from "../../../platform/config.ts";
import { counted, formatAge, formatBytes } from "../../../platform/quantities.ts";
import { loadIdentity, renewAt } from "../../identity.ts";
import { type EdgeOptions, edgeSchema } from "../../options.ts";
import { isReadable, readEdge } from "../place.ts";
import { type Check, failed, newToken, ok, type Verdict, warning } from "./verdict.ts";

/** What lies on this machine. */

/** Does the agent run? */
export const agentCheck: Check = {
  name: "agent",
  run({ isRunning, place, options }) {
    if (!isReadable(place.directory) && hasToken(options))
      return warning(`has not run on ${place.directory} yet`, "start it: edgehub --config FILE");
    if (!isReadable(place.directory))
      return failed(
        `there is no directory ${place.directory}`,
        "name the agent's directory with --data-dir, or start the agent once: edgehub --config FILE",
      );
    if (isRunning) return ok(`runs on ${place.directory}`);
    return warning(`does not run on ${place.directory}`, "start it: edgehub --config FILE");
  },
};

/** Without a configuration this machine's name stands there, which says nothing. */
function isConfigured(node: string): boolean {
  return node !== checkOptions(edgeSchema, {}).node;
}

function hasToken({ hub }: EdgeOptions): boolean {
  return hub.token !== "" || hub.tokenFile !== "";
}

/** The node's certificate and its end. */
export const certificateCheck: Check = {
  name: "certificate",
  run({ options, place, isRunning, wallTime }) {
    for (const name of ["", "identity.pem", "ca.crt"]) isReadable(join(place.directory, name));
    const identity = loadIdentity(place.directory);
    const { node, renewCertificate } = options;
    if (identity === undefined) {
      if (!hasToken(options)) return failed("this node has not joined, and has no token", newToken);
      const advice = isRunning
        ? "see what is said of join, and the agent's log"
        : "start the agent: it joins with its token";
      return warning("this node has not joined yet", advice);
    }
    const now = wallTime();
    const end = `${new Date(identity.notAfter).toISOString()} (${formatAge(identity.notAfter, now)})`;
    if (now > identity.notAfter)
      return failed(`of ${identity.node}, has ended: ${end}`, `is the clock right? If so, ${newToken}`);
    if (now < identity.notBefore)
      return failed(
        `of ${identity.node}, is not valid before ${new Date(identity.notBefore).toISOString()}`,
        "set this machine's clock",
      );
    if (node !== identity.node && isConfigured(node))
      return failed(
        `is of ${identity.node}, the configuration says ${node}`,
        `set node: ${identity.node}, or use another dataDir`,
      );
    if (renewCertificate && now > renewAt(identity))
      return warning(
        `of ${identity.node}, ends ${end}, and should have been renewed`,
        "see the agent's log, and what is said of join",
      );
    return ok(`of ${identity.node}, ends ${end}`);
  },
};

const fewBytes = 64 << 20;
const lowBytes = 512 << 20;

/** Space for the database, and for pods. */
export const diskCheck: Check = {
  name: "disk",
  async run({ place }) {
    const path = existing(place.directory);
    const { bavail, bsize, blocks, files, ffree } = await statfs(path);
    return diskVerdict(path, {
      freeBytes: bavail * bsize,
      allBytes: blocks * bsize,
      hasFiles: files === 0 || ffree > 0,
    });
  },
};

/** The directory, or the nearest one above it that is there already. */
function existing(directory: string): string {
  const path = resolve(directory);
  return existsSync(path) || dirname(path) === path ? path : existing(dirname(path));
}

/** @param disk `hasFiles`: a file can still be made. */
export function diskVerdict(
  path: string,
  disk: { freeBytes: number; allBytes: number; hasFiles: boolean },
): Verdict {
  const { freeBytes, allBytes, hasFiles } = disk;
  const text = `${formatBytes(freeBytes)} of ${formatBytes(allBytes)} free at ${path}`;
  const advice = `free space on that disk: du -xh --max-depth 1 ${path}`;
  if (!hasFiles)
    return failed(
      `no more files can be made at ${path}`,
      "remove files there: its inodes are used up (df -i)",
    );
  if (freeBytes < fewBytes) return failed(text, advice);
  if (freeBytes < lowBytes || freeBytes < allBytes / 20) return warning(text, advice);
  return ok(text);
}

/** A larger database is not read as a whole: that would take long, and wear nobody down but the disk. */
const examinedBytes = 64 << 20;
const restore =
  "stop the agent and restore the file from a backup; or, to begin anew, empty the agent's directory and join again";

/** The agent's database, and what waits in it. */
export const databaseCheck: Check = {
  name: "database",
  run({ place, options, wallTime }) {
    // Of an agent that has never run nothing is missing.
    if (!isReadable(place.directory)) return undefined;
    isReadable(place.database);
    return readEdge(place.database, (database): Verdict => {
      const pages = Number(database.pragma("page_count", { simple: true }));
      const size = pages * Number(database.pragma("page_size", { simple: true }));
      const isExamined = size <= examinedBytes;
      const verdict = isExamined ? database.pragma("quick_check(1)", { simple: true }) : "ok";
      if (verdict !== "ok") return failed(`${place.database} is damaged: ${verdict}`, restore);
      const row = database
        .prepare(
          `SELECT count(*) AS waiting, coalesce(sum(size), 0) AS bytes, min(accepted_at) AS oldest,
            (SELECT count(*) FROM refused) AS refused FROM outbox`,
        )
        .get() as { waiting: number; bytes: number; oldest: number | null; refused: number };
      const age = row.oldest === null ? "" : `, the oldest since ${formatAge(row.oldest, wallTime())}`;
      const text = `${formatBytes(size)}, ${isExamined ? "no damage" : "too large to be examined here"}; ${counted(row.waiting, "message")} for the hub${age}`;
      const { maxMessages, maxBytes } = options.outbox;
      if (row.waiting > maxMessages * 0.8 || row.bytes > maxBytes * 0.8)
        return warning(
          `${text}: the outbox is nearly full`,
          "see why they do not leave: the hub's check, and edgehub get messages",
        );
      if (row.refused > 0)
        return warning(`${text}; ${row.refused} refused by the hub`, "see why: edgehub get messages");
      return ok(text);
    });
  },
};
