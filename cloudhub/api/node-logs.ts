import { ApiError, type KubeObject } from "../../kubernetes/index.ts";
import { type Clock, pause } from "../../platform/clock.ts";
import {
  asHubError,
  contentOf,
  type HubApi,
  HubError,
  type Message,
  maxLogWaitMs,
  type PodLogPage,
  type PodLogQuery,
  podLogsGroup,
  volatile,
} from "../../protocol/index.ts";
import type { PodLogOptions, PodLogs } from "./pod-logs.ts";

export interface NodeLogsParts {
  readonly hub: Pick<HubApi, "request">;
  /** How a node is connected now; `undefined`: it is not. */
  readonly dialectOf: (node: string) => "native" | "kubeedge" | undefined;
  /** The pod as it is now; `undefined`: it is gone. */
  readonly podNow: (namespace: string, name: string) => KubeObject | undefined;
  readonly clock: Clock;
}

/** How long a node waits for lines before it answers that there are none. */
const waitMs = Math.min(20_000, maxLogWaitMs);
/** How long the last lines of a container that has just ended are waited for: its end can be known before them. */
const lastWordsMs = 2_000;
/** A pod that was deleted by force may write on for a while: it is not listened to for longer. */
const mostLastWordsMs = 30_000;
/** How long an answer may take beside that. */
const answerMs = 10_000;
/** A log that is followed may be out of reach so long. */
const patienceMs = 60_000;
const askAgainMs = 1_000;

/** How long to wait for the next piece of a log. Pure. */
class Patience {
  /** True: the next empty piece is the end. */
  isOver: boolean;
  readonly #follow: boolean;
  #wasRunning = false;
  #overSince: number | undefined;

  constructor(follow: boolean) {
    this.#follow = follow;
    this.isOver = !follow;
  }

  /**
   * @param ended The container has ended, as far as is known.
   * @returns Milliseconds; `undefined`: it has gone on after its end for long enough.
   */
  next(ended: boolean, now: number): number | undefined {
    if (!this.#follow) return 0;
    if (!ended) {
      this.#wasRunning = true;
      return waitMs;
    }
    this.isOver = true;
    this.#overSince ??= now;
    if (now - this.#overSince > mostLastWordsMs) return undefined;
    return this.#wasRunning ? lastWordsMs : 0;
  }
}

/** One log that is being read. */
interface Reading {
  readonly pod: KubeObject;
  readonly node: string;
  readonly query: PodLogQuery;
  readonly options: PodLogOptions;
}

/** The logs of pods that our agents run: asked for piece by piece, so that a cut link loses nothing. */
export class NodeLogs implements PodLogs {
  readonly #parts: NodeLogsParts;

  constructor(parts: NodeLogsParts) {
    this.#parts = parts;
  }

  /**
   * Resolves with the first piece at hand, so that what cannot be had is an answer and no broken stream. Pieces of a log
   * that is followed come until the container or its pod ends, or the signal.
   *
   * Rejects with `BadRequest` for a container that has no log, `ServiceUnavailable` if its node is away,
   * `MethodNotAllowed` if a stock edgecore runs it, `Timeout`, `Invalid`; with `E_ABORTED` after the signal.
   */
  async read(
    pod: KubeObject,
    options: PodLogOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const query = queryOf(pod, options, this.#parts.clock.wallTime());
    const { nodeName } = (pod.spec ?? {}) as { readonly nodeName?: string };
    // As Kubernetes does: a pod that no node has yet has an empty log.
    if (!nodeName) return nothing();
    this.#requireReachable(nodeName);
    try {
      const first = await this.#ask(nodeName, query, signal);
      return this.#pieces({ pod, node: nodeName, query, options }, first, signal);
    } catch (error) {
      const failure = asHubError(error);
      if (failure.code === "E_ABORTED") throw failure;
      throw apiErrorOf(failure, nodeName, query);
    }
  }

  async *#pieces(reading: Reading, first: PodLogPage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { options, query } = reading;
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
    const patience = new Patience(options.follow);
    for (let page = first; ; ) {
      const bytes = Buffer.from(page.bytes, "base64");
      if (bytes.length > 0) yield bytes.subarray(0, Math.min(left, bytes.length));
      left -= bytes.length;
      if (page.ended || left <= 0 || signal.aborted) return;
      if (bytes.length === 0 && patience.isOver) return;
      // Looked at before the next piece is asked for: what was written before the end is in it, or comes soon.
      const wait = patience.next(this.#isOver(reading), this.#parts.clock.now());
      if (wait === undefined) return;
      page = await this.#next(reading, { ...query, position: page.position, waitMs: wait }, signal);
    }
  }

  /** Asks until there is an answer, also over a link that goes and comes back. */
  async #next({ node }: Reading, query: PodLogQuery, signal: AbortSignal): Promise<PodLogPage> {
    const { clock } = this.#parts;
    for (const since = clock.now(); ; ) {
      try {
        return await this.#ask(node, query, signal);
      } catch (error) {
        const { code } = asHubError(error);
        const mayPass = code === "E_LINK_LOST" || code === "E_TIMEOUT" || code === "E_BACKLOG_FULL";
        if (!signal.aborted && (!mayPass || clock.now() - since > patienceMs)) throw error;
      }
      if (!(await pause(clock, askAgainMs, signal)))
        return { bytes: "", position: query.position, ended: true };
    }
  }

  async #ask(node: string, query: PodLogQuery, signal: AbortSignal): Promise<PodLogPage> {
    const draft = {
      node,
      source: "cloudhub",
      group: podLogsGroup,
      operation: "query",
      resource: `${query.namespace}/podlogs/${query.pod}`,
      delivery: volatile,
      content: query,
    };
    return pageOf(await this.#parts.hub.request(draft, { timeoutMs: query.waitMs + answerMs, signal }));
  }

  #requireReachable(node: string): void {
    const dialect = this.#parts.dialectOf(node);
    if (dialect === "native") return;
    if (dialect === undefined) throw away(node);
    const text = `node ${node} runs a KubeEdge edgecore, whose logs need CloudStream, which this hub does not have`;
    throw new ApiError("MethodNotAllowed", text);
  }

  /** Has the container ended, as far as its node has said? What it writes after another start is another log. */
  #isOver({ pod, query }: Reading): boolean {
    const now = this.#parts.podNow(query.namespace, query.pod);
    if (now === undefined || now.metadata.uid !== pod.metadata.uid) return true;
    const status = (now.status ?? {}) as PodStatus;
    if (status.phase === "Succeeded" || status.phase === "Failed") return true;
    const all = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])];
    const { state, lastState } = all.find((one) => one.name === query.container) ?? {};
    // Between two starts it waits, and writes nothing.
    const isBetween = state?.waiting !== undefined && lastState?.terminated !== undefined;
    return state?.terminated !== undefined || isBetween;
  }
}

interface PodStatus {
  readonly phase?: string;
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly initContainerStatuses?: readonly ContainerStatus[];
}

interface ContainerStatus {
  readonly name?: string;
  readonly state?: { readonly terminated?: unknown; readonly waiting?: unknown };
  readonly lastState?: { readonly terminated?: unknown };
}

/** @param now Wall clock, ms. Throws `Invalid`, `BadRequest`. */
function queryOf({ metadata }: KubeObject, options: PodLogOptions, now: number): PodLogQuery {
  const { namespace = "", name = "", uid = "" } = metadata;
  const { container, previous, timestamps, tailLines = -1 } = options;
  return {
    namespace,
    pod: name,
    uid,
    container,
    previous,
    position: "",
    tailLines,
    sinceMs: sinceOf(options, now),
    timestamps,
    waitMs: 0,
  };
}

function sinceOf({ sinceSeconds, sinceTime }: PodLogOptions, now: number): number {
  if (sinceSeconds !== undefined && sinceTime !== undefined)
    throw new ApiError("Invalid", "at most one of sinceTime and sinceSeconds may be given");
  if (sinceSeconds !== undefined) return Math.max(Math.floor(now) - sinceSeconds * 1_000, 1);
  if (sinceTime === undefined) return 0;
  const at = Date.parse(sinceTime);
  if (Number.isNaN(at)) throw new ApiError("BadRequest", "sinceTime must be a time as of RFC 3339");
  return Math.max(Math.floor(at), 1);
}

/** Throws what the node says. */
function pageOf(answer: Message): PodLogPage {
  const content = (contentOf(answer) ?? {}) as Partial<PodLogPage & { code: string; text: string }>;
  const { bytes, position, ended, code, text } = content;
  if (answer.operation !== "error" && typeof bytes === "string" && typeof position === "string")
    return { bytes, position, ended: ended === true };
  const known = code === "E_NOT_FOUND" || code === "E_BACKLOG_FULL" ? code : "E_INTERNAL";
  throw new HubError(known, String(text ?? "the node gave no log").slice(0, 500));
}

function apiErrorOf(error: HubError, node: string, { pod, container }: PodLogQuery): ApiError {
  switch (error.code) {
    case "E_NOT_FOUND":
      return new ApiError(
        "BadRequest",
        `container "${container}" in pod "${pod}" has no such log: ${error.message}`,
      );
    case "E_UNKNOWN_NODE":
    case "E_LINK_LOST":
      return away(node);
    case "E_TIMEOUT":
      return new ApiError(
        "Timeout",
        `node ${node} has not sent the log of container "${container}" in pod "${pod}" in time; is edged on there, and its agent up to date?`,
      );
    case "E_BACKLOG_FULL":
      return new ApiError("TooManyRequests", `node ${node}: ${error.message}`);
    default:
      return new ApiError("InternalError", `node ${node}: ${error.message}`);
  }
}

function away(node: string): ApiError {
  const text = `node ${node} is not connected; on the node itself: edgehub logs`;
  return new ApiError("ServiceUnavailable", text);
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // A log without a line.
}
