/** What is known of the way to the hub; kept across restarts. */
export interface PathMemory {
  /** UDP port that the hub has named; 0: none. */
  readonly announcedPort: number;
  /** How often in a row QUIC has failed where WebSocket did not. */
  readonly failures: number;
  /** QUIC is not tried before this moment; wall clock, ms. */
  readonly retryAt: number;
}

export interface PathOptions {
  readonly transport: "auto" | "wss" | "quic" | "webtransport";
  /** 0: the port that the hub names. */
  readonly quicPort: number;
}

/** The name under which the agent remembers it. */
export const pathNote = "path";
/** Where the transport is not configured, QUIC has so long before a WebSocket is dialled instead. */
export const quicAttemptMs = 2_000;

/** KubeEdge's port for its own QUIC, and ours. */
const usualQuicPort = 10_001;
/** After QUIC has failed it is tried again so much later, then after twice as long, … */
const firstRetryMs = 600_000;
const longestRetryMs = 86_400_000;
/** A connection that lasted so long was a good one, however it ended. */
const goodLinkMs = 60_000;

export const unknownPath: PathMemory = { announcedPort: 0, failures: 0, retryAt: 0 };

/** QUIC has failed lately. A clock that has been set back must not keep it out for years. */
export function isHeldBack({ retryAt }: PathMemory, wallTime: number): boolean {
  return wallTime < retryAt && retryAt - wallTime <= longestRetryMs;
}

/**
 * Decides over what the hub is dialled: QUIC where the hub takes it and the way there lets it through. Pure; `wallTime` is
 * the wall clock, since what is remembered outlives the process.
 */
export class PathChoice {
  readonly #options: PathOptions;
  #memory: PathMemory;

  constructor(options: PathOptions, memory: PathMemory = unknownPath) {
    this.#options = options;
    this.#memory = memory;
  }

  get memory(): PathMemory {
    return this.#memory;
  }

  /** The UDP port to dial now; `undefined`: dial no QUIC. */
  quicPort(wallTime: number): number | undefined {
    const { transport, quicPort } = this.#options;
    const port = quicPort || this.#memory.announcedPort;
    if (transport === "wss" || transport === "webtransport") return undefined;
    if (transport === "quic") return port || usualQuicPort;
    return port === 0 || isHeldBack(this.#memory, wallTime) ? undefined : port;
  }

  /** The hub has said by WebSocket on which port it takes QUIC; 0: on none. */
  announced(port: number): void {
    if (port === this.#memory.announcedPort) return;
    this.#memory = { announcedPort: port, failures: 0, retryAt: 0 };
  }

  /** A WebSocket has come up where QUIC has just failed. */
  quicFailed(wallTime: number): void {
    const { announcedPort, failures } = this.#memory;
    const pauseMs = Math.min(firstRetryMs * 2 ** failures, longestRetryMs);
    // Beyond that many the pause is the longest anyway.
    this.#memory = { announcedPort, failures: Math.min(failures + 1, 16), retryAt: wallTime + pauseMs };
  }

  /**
   * A QUIC connection has ended.
   *
   * @param isSilent Nothing was heard any more. Soon after it came up, that is a way that lets only the beginning through.
   */
  quicEnded(lastedMs: number, isSilent: boolean, wallTime: number): void {
    if (isSilent && lastedMs < goodLinkMs) this.quicFailed(wallTime);
    else this.#memory = { ...this.#memory, failures: 0, retryAt: 0 };
  }

  /** This machine is in another network: what was remembered is of the old one. */
  networkChanged(): void {
    this.#memory = { ...this.#memory, failures: 0, retryAt: 0 };
  }
}

/** Reads what {@link formatMemory} wrote; of anything else nothing is known. */
export function parseMemory(text: string | undefined): PathMemory {
  const [port, failures, retryAt, ...rest] = (text ?? "").split(" ").map(Number);
  const isWhole = [port, failures, retryAt].every((one) => Number.isSafeInteger(one) && (one as number) >= 0);
  if (!isWhole || rest.length > 0 || (port as number) > 65_535) return unknownPath;
  return { announcedPort: port as number, failures: failures as number, retryAt: retryAt as number };
}

/** As a line of text for {@link parseMemory}. */
export function formatMemory({ announcedPort, failures, retryAt }: PathMemory): string {
  return `${announcedPort} ${failures} ${Math.round(retryAt)}`;
}
