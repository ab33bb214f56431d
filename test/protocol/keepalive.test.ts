import { describe, expect, it } from "vitest";
import { Keepalive, nativeKeepalive } from "../../protocol/keepalive.ts";
import { randomOf, seeds } from "../support/seeds.ts";

/** Asks every millisecond. @returns When it said what. */
function said(
  keepalive: Keepalive,
  untilMs: number,
  { heardAt = [], sentAt = [] }: { heardAt?: readonly number[]; sentAt?: readonly number[] } = {},
): string[] {
  const words: string[] = [];
  for (let now = 0; now <= untilMs; now++) {
    if (heardAt.includes(now)) keepalive.heard(now);
    if (sentAt.includes(now)) keepalive.sent(now);
    const word = keepalive.poll(now);
    if (word) words.push(`${word} at ${now}`);
    if (word === "dead") break;
  }
  return words;
}

describe("a keepalive", () => {
  const quiet = { pingEveryMs: 50, pingAlways: false, deadAfterMs: 100 };

  it("pings after saying nothing, and calls the link dead after hearing nothing for longer", () => {
    expect(said(new Keepalive(quiet, 0), 200)).toEqual(["ping at 50", "dead at 100"]);
  });

  it("pings though it hears something: the peer, too, wants to hear", () => {
    const heardAt = [40, 80, 120];
    expect(said(new Keepalive(quiet, 0), 150, { heardAt })).toEqual([
      "ping at 50",
      "ping at 100",
      "ping at 150",
    ]);
  });

  it("does not ping while it sends", () => {
    expect(said(new Keepalive(quiet, 0), 99, { sentAt: [40, 80] })).toEqual([]);
  });

  it("counts the silence from what it heard last", () => {
    expect(said(new Keepalive(quiet, 0), 300, { heardAt: [60] }).at(-1)).toBe("dead at 160");
  });

  it("pings on schedule, whatever it hears and sends, if told so", () => {
    const always = { pingEveryMs: 50, pingAlways: true, deadAfterMs: Number.POSITIVE_INFINITY };
    expect(said(new Keepalive(always, 0), 160, { heardAt: [40], sentAt: [49, 90] })).toEqual([
      "ping at 50",
      "ping at 100",
      "ping at 150",
    ]);
  });

  it("never pings, or never gives up, if told so", () => {
    const never = Number.POSITIVE_INFINITY;
    const silent = new Keepalive({ pingEveryMs: never, pingAlways: false, deadAfterMs: 100 }, 0);
    expect(said(silent, 300)).toEqual(["dead at 100"]);
    const patient = new Keepalive({ pingEveryMs: never, pingAlways: true, deadAfterMs: never }, 0);
    expect(said(patient, 300)).toEqual([]);
    expect(patient.nextWakeAt()).toBe(never);
  });

  it("begins when it is made", () => {
    const late = new Keepalive(quiet, 1_000);
    expect(late.nextWakeAt()).toBe(1_050);
    expect(late.poll(1_049)).toBeUndefined();
    expect(late.poll(1_050)).toBe("ping");
  });

  it("says dead rather than ping when it is asked too late for either, and says it again", () => {
    const slept = new Keepalive(quiet, 0);
    expect([slept.poll(5_000), slept.poll(5_001)]).toEqual(["dead", "dead"]);
  });

  it("takes back that the link is dead if something was heard after all", () => {
    const slept = new Keepalive(quiet, 0);
    expect(slept.poll(5_000)).toBe("dead");
    slept.heard(5_000);
    expect(slept.poll(5_000)).toBe("ping");
    expect(slept.nextWakeAt()).toBe(5_050);
  });

  it("between our own halves says something every 5 s and finds a dead link in 10 s", () => {
    expect(nativeKeepalive).toEqual({ pingEveryMs: 5_000, pingAlways: false, deadAfterMs: 10_000 });
  });

  it.each(seeds(50))(
    "says nothing before the moment it named, and something at that moment, seed %i",
    (seed) => {
      const random = randomOf(seed);
      const whole = (to: number): number => Math.floor(random() * to);
      const options = {
        pingEveryMs: 1 + whole(100),
        pingAlways: random() < 0.5,
        deadAfterMs: 1 + whole(300),
      };
      const keepalive = new Keepalive(options, 0);
      let now = 0;
      for (let i = 0; i < 50; i++) {
        const at = keepalive.nextWakeAt();
        expect(at).toBeGreaterThan(now);
        expect(keepalive.poll(at - 1)).toBeUndefined();
        now = at;
        if (keepalive.poll(now) === "dead") return;
        if (random() < 0.3) continue;
        now += whole(Math.max(keepalive.nextWakeAt() - now, 1));
        keepalive.heard(now);
      }
    },
  );
});
