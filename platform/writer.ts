import { setFlagsFromString } from "node:v8";
import { type MessagePort, Worker } from "node:worker_threads";
import { type ErrorCode, HubError } from "../protocol/index.ts";
import { type Database, type Outcome, runTransaction, storageError } from "./sqlite.ts";

/**
 * One writer for a database, off the main thread. Calls of one turn of the event loop go over together; the
 * worker puts everything that waits into one transaction, and while that one is being written to disk the
 * next one gathers. So the batch size follows the load, without a timer.
 */
export interface Writer<Op> {
  /**
   * Runs an operation in the next transaction.
   *
   * @param blob Bytes that go with it; copied before the call returns.
   * @returns The operation's result, once the transaction is durable. Rejects with a HubError.
   */
  call<T>(op: Op, blob?: Uint8Array): Promise<T>;
  /** As `call`, with an operation that is asked for only when the turn's calls go over: it can still grow. */
  callLater<T>(op: () => Op): Promise<T>;
  /** Finishes what was called, closes the database. */
  close(): Promise<void>;
}

/** Runs operations on the database; used on either side of the thread border. */
export interface OpHandler<Op> {
  readonly database: Database;
  readonly file: string;
  apply(op: Op, blob: Uint8Array | undefined): unknown;
  /** Rows written since the last commit are gone: forget what was derived from them. */
  rolledBack(): void;
  /** After a commit, while nothing waits: a piece of housekeeping. @returns True if there is more of it. */
  tidy?(): boolean;
}

interface Batch<Op> {
  readonly ops: readonly Op[];
  /** Offset and length of each operation's blob in `bytes`; length -1: none. */
  readonly spans: Int32Array;
  readonly bytes: Uint8Array | undefined;
}

type Answer =
  | { readonly results: readonly Plain[] }
  | { readonly ready: true }
  | { readonly failed: Failure };
type Plain = { readonly value: unknown } | { readonly failed: Failure };
interface Failure {
  readonly code: ErrorCode;
  readonly text: string;
  readonly retryable: boolean;
}

interface Caller {
  readonly resolve: (value: never) => void;
  readonly reject: (error: HubError) => void;
}

// ── the main thread's side ───────────────────────────────────────────────────────────────────────────────

/** What a worker's young objects have at once, MiB; V8 alone begins with 1. */
const youngMiB = 4;

/**
 * Starts the worker and waits until it has opened its database. Rejects with what opening threw.
 *
 * @param script The worker's module; it calls {@link serveWriter}.
 * @param onDeath The worker has died: nothing can be written any more.
 */
export async function startWriter<Op>(
  script: URL,
  data: unknown,
  onDeath: (error: HubError) => void,
): Promise<Writer<Op>> {
  // For what begins from now on: who keeps this thread's young heap small keeps the worker's from growing too.
  setFlagsFromString(`--min-semi-space-size=${youngMiB}`);
  const worker = new Worker(script, { workerData: data });
  const writer = new WorkerWriter<Op>(worker, onDeath);
  await writer.opened;
  return writer;
}

class WorkerWriter<Op> implements Writer<Op> {
  readonly opened: Promise<void>;
  readonly #worker: Worker;
  readonly #callers: Caller[] = [];
  #answered = 0;
  #ops: (Op | (() => Op))[] = [];
  #blobs: (Uint8Array | undefined)[] = [];
  #dead: HubError | undefined;
  #closing: Promise<void> | undefined;

  constructor(worker: Worker, onDeath: (error: HubError) => void) {
    this.#worker = worker;
    let opened: { resolve(): void; reject(error: HubError): void };
    this.opened = new Promise((resolve, reject) => {
      opened = { resolve, reject };
    });
    worker.on("message", (answer: Answer) => {
      if ("ready" in answer) opened.resolve();
      else if ("failed" in answer) opened.reject(revived(answer.failed));
      else this.#answer(answer.results);
    });
    const died = (text: string, cause?: unknown): void => {
      if (this.#closing !== undefined) return;
      this.#dead = new HubError("E_INTERNAL", text, { cause });
      opened.reject(this.#dead);
      for (const caller of this.#callers.splice(0)) caller.reject(this.#dead);
      onDeath(this.#dead);
    };
    worker.on("error", (error) =>
      died(`the database writer failed: ${error instanceof Error ? error.message : error}`, error),
    );
    worker.on("exit", (code) => this.#dead ?? died(`the database writer ended with code ${code}`));
  }

  call<T>(op: Op, blob?: Uint8Array): Promise<T> {
    return this.#call(op, blob);
  }

  callLater<T>(op: () => Op): Promise<T> {
    return this.#call(op, undefined);
  }

  #call<T>(op: Op | (() => Op), blob: Uint8Array | undefined): Promise<T> {
    if (this.#dead) return Promise.reject(this.#dead);
    if (this.#closing !== undefined) return Promise.reject(new HubError("E_CLOSED", "the store is closed"));
    if (this.#ops.length === 0) setImmediate(() => this.#flush());
    this.#ops.push(op);
    this.#blobs.push(blob);
    return new Promise<T>((resolve, reject) =>
      this.#callers.push({ resolve: resolve as Caller["resolve"], reject }),
    );
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#flush();
      const ended = new Promise((resolve) => this.#worker.once("exit", resolve));
      this.#worker.postMessage("close");
      await ended;
      for (const caller of this.#callers.splice(0))
        caller.reject(new HubError("E_CLOSED", "the store is closed"));
    })();
    return this.#closing;
  }

  #flush(): void {
    if (this.#ops.length === 0 || this.#dead) return;
    const { spans, bytes } = gather(this.#blobs);
    const ops = this.#ops.map((op) => (typeof op === "function" ? (op as () => Op)() : op));
    const batch: Batch<Op> = { ops, spans, bytes };
    this.#ops = [];
    this.#blobs = [];
    this.#worker.postMessage(batch, bytes ? [bytes.buffer as ArrayBuffer] : []);
  }

  #answer(results: readonly Plain[]): void {
    for (const result of results) {
      const caller = this.#callers[this.#answered++] as Caller;
      if ("failed" in result) caller.reject(revived(result.failed));
      else caller.resolve(result.value as never);
    }
    if (this.#answered > 4096 || this.#answered === this.#callers.length) {
      this.#callers.splice(0, this.#answered);
      this.#answered = 0;
    }
  }
}

/** All blobs in one buffer, which changes hands instead of being copied once more. */
function gather(blobs: readonly (Uint8Array | undefined)[]): {
  spans: Int32Array;
  bytes: Uint8Array | undefined;
} {
  const spans = new Int32Array(blobs.length * 2);
  let length = 0;
  blobs.forEach((blob, i) => {
    spans[2 * i] = length;
    spans[2 * i + 1] = blob === undefined ? -1 : blob.length;
    length += blob?.length ?? 0;
  });
  if (length === 0) return { spans, bytes: undefined };
  const bytes = new Uint8Array(length);
  blobs.forEach((blob, i) => {
    if (blob) bytes.set(blob, spans[2 * i] as number);
  });
  return { spans, bytes };
}

function revived(failure: Failure): HubError {
  return new HubError(failure.code, failure.text, { retryable: failure.retryable });
}

// ── the worker's side ────────────────────────────────────────────────────────────────────────────────────

/** Serves a {@link Writer} from a worker thread until it is closed. `open` runs at once; its error goes to the starter. */
export function serveWriter<Op>(port: MessagePort, open: () => OpHandler<Op>): void {
  let handler: OpHandler<Op>;
  try {
    handler = open();
  } catch (error) {
    port.postMessage({ failed: plainError(error, "the database") } satisfies Answer);
    port.close();
    return;
  }
  let waiting: Batch<Op>[] = [];
  const drain = (): void => {
    const batches = waiting;
    waiting = [];
    if (batches.length > 0) port.postMessage({ results: runBatches(handler, batches) } satisfies Answer);
    tidySoon();
  };
  const tidySoon = (): void => {
    setImmediate(() => {
      if (waiting.length === 0 && handler.database.open && handler.tidy?.()) tidySoon();
    });
  };
  port.on("message", (message: Batch<Op> | "close") => {
    if (message === "close") {
      drain();
      handler.database.close();
      port.close();
      return;
    }
    if (waiting.length === 0) setImmediate(drain);
    waiting.push(message);
  });
  port.postMessage({ ready: true } satisfies Answer);
}

/** The same operations on this thread, for tests and small stores. */
export function inlineWriter<Op>(handler: OpHandler<Op>): Writer<Op> {
  let ops: { op: () => Op; blob: Uint8Array | undefined; caller: Caller }[] = [];
  let closed = false;
  const flush = (): void => {
    const batch = ops;
    ops = [];
    if (batch.length === 0) return;
    const outcomes = runTransaction(
      handler.database,
      batch.map(({ op, blob }) => {
        const asked = op();
        return () => handler.apply(asked, blob);
      }),
      () => handler.rolledBack(),
    );
    batch.forEach(({ caller }, i) => {
      settle(caller, plainOutcome(outcomes[i] as Outcome, handler.file));
    });
    while (handler.tidy?.());
  };
  const add = <T>(op: () => Op, blob: Uint8Array | undefined): Promise<T> => {
    if (closed) return Promise.reject(new HubError("E_CLOSED", "the store is closed"));
    if (ops.length === 0) setImmediate(flush);
    return new Promise<T>((resolve, reject) => {
      ops.push({ op, blob, caller: { resolve: resolve as Caller["resolve"], reject } });
    });
  };
  return {
    call: (op, blob) => add(() => op, blob && new Uint8Array(blob)),
    callLater: (op) => add(op, undefined),
    close() {
      if (closed) return Promise.resolve();
      flush();
      closed = true;
      handler.database.close();
      return Promise.resolve();
    },
  };
}

function settle(caller: Caller, result: Plain): void {
  if ("failed" in result) caller.reject(revived(result.failed));
  else caller.resolve(result.value as never);
}

function runBatches<Op>(handler: OpHandler<Op>, batches: readonly Batch<Op>[]): Plain[] {
  const works: (() => unknown)[] = [];
  for (const { ops, spans, bytes } of batches) {
    ops.forEach((op, i) => {
      const length = spans[2 * i + 1] as number;
      const start = spans[2 * i] as number;
      const blob = length < 0 ? undefined : (bytes ?? empty).subarray(start, start + length);
      works.push(() => handler.apply(op, blob));
    });
  }
  const outcomes = runTransaction(handler.database, works, () => handler.rolledBack());
  return outcomes.map((outcome) => plainOutcome(outcome, handler.file));
}

const empty = new Uint8Array(0);

function plainOutcome(outcome: Outcome, file: string): Plain {
  return outcome.ok ? { value: outcome.value } : { failed: plainError(outcome.error, file) };
}

function plainError(error: unknown, file: string): Failure {
  const known = storageError(error, file);
  return { code: known.code, text: known.message, retryable: known.retryable };
}
