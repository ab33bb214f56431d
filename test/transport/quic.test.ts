import { describe, expect, it } from "vitest";
import { HubError } from "../../protocol/index.ts";
import { quicTransport } from "../../transport/index.ts";
import { conformance, endOf, Harness } from "./conformance.ts";

const under = {
  transport: quicTransport,
  url: (port: number): string => `quic://127.0.0.1:${port}/p/edge-1/events`,
};

describe("QUIC", () => {
  conformance(under);

  describe("dialled without waiting for the answer", () => {
    it("brings the first messages with the request", async () => {
      const one = new Harness(under);
      let letIn: () => void = () => undefined;
      await one.listen(
        {},
        {
          admit: () =>
            new Promise((resolve) => {
              letIn = () =>
                resolve({
                  dialect: "native",
                  accept: (connection) => void one.accepted.push(endOf(connection)),
                });
            }),
        },
      );
      let answered = false;
      const { connection, answered: answer } = await one.dialRaw({ early: true });
      void answer?.then(() => (answered = true));
      connection.send([Buffer.from("early")]);
      await expect.poll(() => letIn.length).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(answered).toBe(false);
      letIn();
      await expect.poll(() => one.accepted.length).toBe(1);
      expect((await one.accepted[0]?.start().got(1))?.map(String)).toEqual(["early"]);
      await answer;
    });

    it("ends with the refusal, and when to come again", async () => {
      const one = new Harness(under);
      const refusal = new HubError("E_BUSY", "not now", { retryAfterMs: 7_000 });
      await one.listen(
        {},
        {
          admit: () => {
            throw refusal;
          },
        },
      );
      const { connection, answered } = await one.dialRaw({ early: true });
      await expect(answered).rejects.toMatchObject({ code: "E_BUSY" });
      expect(await endOf(connection).start().closed).toEqual({
        code: "E_BUSY",
        text: "not now",
        remote: true,
        retryAfterMs: 7_000,
      });
    });
  });
});
