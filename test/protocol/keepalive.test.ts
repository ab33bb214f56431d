import { describe, expect, it } from "vitest";
import { hubKeepalive, Keepalive, nativeKeepalive, nodeKeepalive } from "../../protocol/keepalive.ts";
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

  describe("on a link where bytes count", () => {
    const careful = { ...quiet, longestPauseMs: 92, answerAfterMs: 25 };

    /** Pings, each answered after so long. @returns The pauses before them. */
    function pausesWith(answerMs: readonly number[]): number[] {
      const keepalive = new Keepalive(careful, 0);
      let now = 0;
      return answerMs.map((ms) => {
        const from = now;
        now = keepalive.nextWakeAt();
        expect(keepalive.poll(now)).toBe("ping");
        keepalive.heard(now + ms);
        return Math.round(now - from);
      });
    }

    it("begins with short pauses, and makes them longer while answers come fast", () => {
      const pauses = pausesWith(Array.from({ length: 40 }, () => 1));
      expect(pauses[0]).toBe(50);
      expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
      expect(pauses.at(-1)).toBe(92);
    });

    it("leaves three times the slowest answer of late, but pings no more often than it may", () => {
      const fast = Array.from({ length: 40 }, () => 1);
      expect(pausesWith([...fast, 10, 1]).at(-1)).toBe(70);
      expect(pausesWith([...fast, 10, ...fast]).at(-1)).toBe(92);
      expect(pausesWith([...fast, 30, 1]).at(-1)).toBe(50);
    });

    it("calls the link dead as soon as with short pauses", () => {
      const keepalive = new Keepalive(careful, 0);
      for (let i = 0, now = 0; i < 40; i++) {
        now = keepalive.nextWakeAt();
        keepalive.poll(now);
        keepalive.heard(now);
      }
      const heardAt = keepalive.nextWakeAt() - 92;
      expect(keepalive.poll(heardAt + 92)).toBe("ping");
      expect(keepalive.poll(heardAt + 99)).toBeUndefined();
      expect(keepalive.poll(heardAt + 100)).toBe("dead");
    });

    it("answers a ping once it has said nothing for a while, and then pings later itself", () => {
      const keepalive = new Keepalive({ ...careful, longestPauseMs: 50 }, 0);
      expect(keepalive.answers(24)).toBe(false);
      expect(keepalive.answers(25)).toBe(true);
      expect(keepalive.answers(26)).toBe(false);
      expect(keepalive.nextWakeAt()).toBe(75);
    });

    it("has one exchange for both sides, and no answers to answers", () => {
      const [hub, node] = [new Keepalive(hubKeepalive, 0), new Keepalive(nodeKeepalive, 0)];
      let said = 0;
      const day = 86_400_000;
      for (let now = 0; now < day; ) {
        now = Math.min(hub.nextWakeAt(), node.nextWakeAt());
        const [asks, other] = now === hub.nextWakeAt() ? [hub, node] : [node, hub];
        expect(asks.poll(now)).toBe("ping");
        said++;
        other.heard(now + 40);
        if (!other.answers(now + 40)) continue;
        said++;
        asks.heard(now + 80);
        expect(asks.answers(now + 80)).toBe(false);
      }
      expect(said / 2).toBeLessThan(day / 9_200 + 30);
    });
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
