import type { Clock } from "../../platform/clock.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { passes } from "./check.ts";
import type { Container } from "./pod.ts";
import {
  countResult,
  initialCount,
  noProbes,
  type Probe,
  type ProbeCount,
  type ProbeVerdict,
} from "./probe.ts";
import type { Runtime, RuntimeContainer } from "./runtime.ts";

type Kind = "startup" | "liveness" | "readiness";

interface ProberParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly runtime: Pick<Runtime, "exec">;
  /** A verdict has changed. */
  changed(): void;
}

/** Probes running containers, each in its own rhythm. */
export class Prober {
  readonly #parts: ProberParts;
  readonly #watched = new Map<string, ContainerProbes>();
  readonly #complaints: OncePer;

  constructor(parts: ProberParts) {
    this.#parts = parts;
    this.#complaints = new OncePer(parts.clock, 3_600_000);
  }

  /** What the probes of a running container say; the first call begins them. @param address Of the pod. */
  verdict(container: Container, running: RuntimeContainer, address: string): ProbeVerdict {
    if (!container.startup && !container.liveness && !container.readiness) return noProbes;
    let watched = this.#watched.get(running.id);
    if (watched === undefined) {
      watched = new ContainerProbes(
        { ...this.#parts, address, complaints: this.#complaints },
        container,
        running,
      );
      this.#watched.set(running.id, watched);
    }
    return watched.verdict();
  }

  /** Ends the probes of containers that do not run. @param running Ids. */
  keep(running: ReadonlySet<string>): void {
    for (const [id, watched] of this.#watched) {
      if (running.has(id)) continue;
      watched.stop();
      this.#watched.delete(id);
    }
  }
}

class ContainerProbes {
  readonly #parts: ProberParts & { readonly address: string; readonly complaints: OncePer };
  readonly #container: Container;
  readonly #running: RuntimeContainer;
  readonly #counts = new Map<Kind, ProbeCount>();
  readonly #stop = new AbortController();

  constructor(
    parts: ProberParts & { readonly address: string; readonly complaints: OncePer },
    container: Container,
    running: RuntimeContainer,
  ) {
    this.#parts = parts;
    this.#container = container;
    this.#running = running;
    for (const kind of ["startup", "liveness", "readiness"] as const) {
      const probe = container[kind];
      if (probe === undefined) continue;
      this.#counts.set(kind, initialCount(kind));
      const age = parts.clock.wallTime() - (running.startedAt ?? running.createdAt);
      this.#later(kind, probe, Math.max(0, probe.initialDelaySeconds * 1_000 - age));
    }
  }

  verdict(): ProbeVerdict {
    const startup = this.#counts.get("startup");
    const started = startup?.passing ?? true;
    const ready = started && (this.#counts.get("readiness")?.passing ?? true);
    const dead = this.#isDead(startup)
      ? "startup"
      : this.#counts.get("liveness")?.passing === false
        ? "liveness"
        : undefined;
    const graceSeconds = dead && this.#container[dead]?.graceSeconds;
    return { started, ready, dead: dead && { probe: dead, graceSeconds } };
  }

  stop(): void {
    this.#stop.abort();
  }

  /** Not started is no death yet: only a whole run of failures is. */
  #isDead(startup: ProbeCount | undefined): boolean {
    const threshold = this.#container.startup?.failureThreshold ?? 1;
    return startup !== undefined && !startup.passing && startup.last === false && startup.run >= threshold;
  }

  #later(kind: Kind, probe: Probe, delayMs: number): void {
    if (this.#stop.signal.aborted) return;
    const cancel = this.#parts.clock.after(delayMs, () => {
      this.#stop.signal.removeEventListener("abort", cancel);
      void this.#round(kind, probe);
    });
    this.#stop.signal.addEventListener("abort", cancel, { once: true });
  }

  async #round(kind: Kind, probe: Probe): Promise<void> {
    const started = this.#counts.get("startup")?.passing ?? true;
    const isDue = kind === "startup" ? !started : started;
    if (isDue) {
      const ok = await this.#check(probe);
      if (this.#stop.signal.aborted) return;
      const before = JSON.stringify(this.verdict());
      this.#counts.set(kind, countResult(this.#counts.get(kind) ?? initialCount(kind), ok, probe));
      if (JSON.stringify(this.verdict()) !== before) this.#parts.changed();
    }
    if (kind !== "startup" || !this.#counts.get("startup")?.passing)
      this.#later(kind, probe, probe.periodSeconds * 1_000);
  }

  async #check({ check, timeoutSeconds }: Probe): Promise<boolean> {
    const { clock, runtime, address, log, complaints } = this.#parts;
    if (check.kind === "unsupported") {
      if (complaints.pass(check.type) !== undefined)
        log.warn("probes of this type are not supported and count as passed", { type: check.type });
      return true;
    }
    const target = { id: this.#running.id, container: this.#container, address };
    return await passes({ clock, runtime }, check, { ...target, timeoutMs: timeoutSeconds * 1_000 });
  }
}
