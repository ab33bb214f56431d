import { counted, formatAge, formatBytes } from "../../platform/quantities.ts";
import type { Database } from "../../platform/sqlite.ts";
import { singleLine } from "../../platform/table.ts";
import { contentOf } from "../../protocol/index.ts";
import { findMessage, type Upward, upwardMessages } from "./messages.ts";
import { Sections } from "./sections.ts";

/** Longer contents are cut; `get messages -o json` has all of them. */
const mostShown = 16_384;

/**
 * All that is known of a message on its way up.
 *
 * @param wanted Its position, id or resource path. @param now Wall clock, ms. Throws `E_NOT_FOUND`, `E_BAD_OPTION`.
 */
export function describeMessage(database: Database, wanted: string, now: number): string {
  const { waiting, refused } = upwardMessages(database);
  const found = findMessage([...refused, ...waiting], wanted);
  const { message, position, size, at, expiresAt, refusal } = found;
  const place = waiting.indexOf(found);
  const before = waiting.slice(0, Math.max(place, 0));
  const time = `${new Date(at).toISOString()} (${formatAge(at, now)})`;
  return new Sections()
    .fields([
      ["Message", message.id],
      ["Position", position],
      ["State", refusal ? "refused by the hub; it is not sent again" : "waiting"],
      ["Refused because", refusal && `${refusal.code}: ${refusal.text}`],
      [refusal ? "Refused" : "Accepted", time],
      [
        "Before it",
        refusal
          ? undefined
          : `${counted(before.length, "message")} (${formatBytes(before.reduce((sum, one) => sum + one.size, 0))})`,
      ],
      ["Expires", expiresAt === undefined ? undefined : formatAge(expiresAt, now)],
      ["Resource", message.resource.path],
      ["Operation", message.operation],
      ["Group", message.group],
      ["Source", message.source],
      ["Answers", message.parentId],
      ["Version", message.resourceVersion],
      ["Delivery", message.delivery.kind],
      ["Size", formatBytes(size)],
    ])
    .list("Content", contentLines(message)).text;
}

function contentLines(message: Upward["message"]): string[] {
  const content = contentOf(message);
  const text = typeof content === "string" ? content : JSON.stringify(content, undefined, 2);
  const shown =
    text.length > mostShown ? `${text.slice(0, mostShown)}\n… (edgehub get messages -o json has all)` : text;
  // Line ends stay, other control characters do not.
  return shown.split("\n").map((line) => singleLine(line));
}
