import type { IncomingMessage } from "node:http";
import { parse } from "yaml";
import { ApiError } from "../../kubernetes/index.ts";
import { readProtobuf } from "./protobuf.ts";

/** Largest body of a request, as Kubernetes has it. */
export const maxBodyBytes = 3 << 20;
/** YAML that is no JSON takes a hundred times as long to read, and nothing else is done meanwhile. */
const maxYamlCharacters = 512 << 10;
/** Objects in objects. What is deeper cannot be gone through. */
const maxDepth = 1_000;

/**
 * Reads what a request carries.
 *
 * @returns `undefined` for nothing. Throws `BadRequest`, `UnsupportedMediaType` or `RequestEntityTooLarge`.
 */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  const document = await readDocument(request);
  if (isDeeperThan(maxDepth, document))
    throw new ApiError("BadRequest", `the object provided is unrecognized: exceeded max depth ${maxDepth}`);
  return document;
}

/** Without going down: what is too deep for that is what is looked for. */
function isDeeperThan(depth: number, document: unknown): boolean {
  let level: unknown[] = [document];
  for (let at = 0; level.length > 0; at++) {
    if (at > depth) return true;
    level = level.flatMap((value) =>
      typeof value === "object" && value !== null ? Object.values(value) : [],
    );
  }
  return false;
}

async function readDocument(request: IncomingMessage): Promise<unknown> {
  const bytes = await bytesOf(request);
  const type = mediaType(request);
  if (type === "application/vnd.kubernetes.protobuf") return readProtobuf(bytes);
  const text = bytes.toString("utf8");
  if (text.trim() === "") return undefined;
  if (type === "application/yaml" || type.endsWith("+yaml")) return readYaml(text);
  if (type !== "" && type !== "application/json" && !type.endsWith("+json") && type !== "text/plain") {
    const text = `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml`;
    throw new ApiError("UnsupportedMediaType", text);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError("BadRequest", `the object provided is unrecognized: ${(error as Error).message}`);
  }
}

/** Without its parameters, in lower case; empty if none is said. */
export function mediaType({ headers }: Pick<IncomingMessage, "headers">): string {
  return (headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** What clients call YAML is JSON nearly always: kubectl's applies are. */
function readYaml(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Then it is YAML of another form.
  }
  if (text.length > maxYamlCharacters) {
    const limit = `limit is ${maxYamlCharacters} for YAML that is not JSON`;
    throw new ApiError("RequestEntityTooLarge", `Request entity too large: ${limit}`);
  }
  try {
    // Looking for keys that are there twice takes time with the square of their number.
    return parse(text, { maxAliasCount: 100, logLevel: "silent", uniqueKeys: false });
  } catch (error) {
    throw new ApiError("BadRequest", `error converting YAML to JSON: ${(error as Error).message}`);
  }
}

/** What is too large is not read to its end: its sender is told, and the connection ends. */
async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): ApiError {
  const text = `Request entity too large: limit is ${maxBodyBytes}`;
  return new ApiError("RequestEntityTooLarge", text);
}
