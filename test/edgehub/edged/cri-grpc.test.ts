import { createServer } from "node:http2";
import { describe, expect, it, onTestFinished } from "vitest";
import { GrpcClient } from "../../../edgehub/edged/cri/grpc-client.ts";
import { systemClock } from "../../../platform/clock.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type Answer, frame, listen, respond, socketPath } from "./grpc-server.ts";

const fine = respond(frame("fine"), 1, { "grpc-status": "0" });

function client(path: string, clock = systemClock): GrpcClient {
  const made = new GrpcClient({ path }, clock);
  onTestFinished(() => made.close());
  return made;
}

const call = async (grpc: GrpcClient, method = "/a.B/C", timeoutMs = 60_000): Promise<string> =>
  Buffer.from(await grpc.unary(method, Buffer.from("question"), timeoutMs)).toString();

describe("a call", () => {
  it("sends its message and its time, and gives the answer", async () => {
    const path = socketPath();
    const seen: unknown[] = [];
    const server = createServer();
    server.on("stream", async (stream, headers) => {
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      seen.push(headers[":path"], headers["grpc-timeout"], headers.te, Buffer.concat(chunks));
      fine(stream, "", Buffer.alloc(0));
    });
    await new Promise<void>((done) => server.listen(path, done));
    onTestFinished(() => void server.close());
    expect(await call(client(path), "/runtime.v1.RuntimeService/Version", 1_500)).toBe("fine");
    expect(seen).toEqual(["/runtime.v1.RuntimeService/Version", "1500m", "trailers", frame("question")]);
  });

  it.each([1, 2, 9])("gives an answer that comes in %i pieces", async (pieces) => {
    const path = socketPath();
    await listen(path, respond(frame("an answer"), pieces, { "grpc-status": "0" }));
    expect(await call(client(path))).toBe("an answer");
  });

  it("gives a large answer, and many at once", async () => {
    const path = socketPath();
    const large = "x".repeat(3 << 20);
    await listen(path, respond(frame(large), 7, { "grpc-status": "0" }));
    const grpc = client(path);
    const answers = await Promise.all([1, 2, 3, 4].map(() => call(grpc)));
    expect(answers.map((one) => one.length)).toEqual([1, 2, 3, 4].map(() => large.length));
  });

  it("fails with the server's status and words", async () => {
    const path = socketPath();
    const trailers = { "grpc-status": "5", "grpc-message": "no such pod: %C3%A4%25" };
    await listen(path, respond(Buffer.alloc(0), 1, trailers));
    await expect(call(client(path))).rejects.toMatchObject({ status: 5, message: "no such pod: ä%" });
  });

  it("fails with a status that comes without a body", async () => {
    const path = socketPath();
    await listen(path, (stream) =>
      stream.respond({ ":status": 200, "grpc-status": "12", "grpc-message": "100%" }, { endStream: true }),
    );
    await expect(call(client(path))).rejects.toMatchObject({ status: 12, message: "100%" });
  });

  it.each<[string, Answer]>([
    ["breaks off", (stream) => stream.close(2)],
    ["ends without a status", respond(frame("fine"), 1, {})],
    ["is no gRPC", (stream) => stream.respond({ ":status": 404 }, { endStream: true })],
    ["is half a message", respond(frame("fine").subarray(0, 7), 1, { "grpc-status": "0" })],
    ["is two messages", respond(Buffer.concat([frame("a"), frame("b")]), 1, { "grpc-status": "0" })],
    ["is empty", respond(Buffer.alloc(0), 1, { "grpc-status": "0" })],
    ["is compressed", respond(Buffer.from("\x01\0\0\0\x01a"), 1, { "grpc-status": "0" })],
  ])("fails when the answer %s", async (_, answer) => {
    const path = socketPath();
    await listen(path, answer);
    await expect(call(client(path))).rejects.toMatchObject({ name: "CallFailure" });
  });

  it("does not keep more of an answer than its limit", async () => {
    const path = socketPath();
    await listen(path, respond(Buffer.alloc(17 << 20), 17, { "grpc-status": "0" }));
    await expect(call(client(path))).rejects.toMatchObject({ status: 8 });
  });

  it("ends when its time is over, and the server learns of it", async () => {
    const path = socketPath();
    const asked = Promise.withResolvers<void>();
    const cancelled = Promise.withResolvers<void>();
    await listen(path, (stream) => {
      stream.once("close", () => cancelled.resolve());
      asked.resolve();
    });
    const clock = new FakeClock();
    const answer = call(client(path, clock), "/a.B/C", 5_000);
    await asked.promise;
    await clock.advance(5_000);
    await expect(answer).rejects.toMatchObject({ status: 4 });
    await cancelled.promise;
  });
});

describe("the connection", () => {
  it("is made again after the server was restarted", async () => {
    const path = socketPath();
    const grpc = client(path);
    await expect(call(grpc)).rejects.toMatchObject({ status: 14 });
    const close = await listen(path, fine);
    expect(await call(grpc)).toBe("fine");
    await close();
    await expect(call(grpc)).rejects.toMatchObject({ status: 14 });
    await listen(path, fine);
    expect(await call(grpc)).toBe("fine");
  });

  it("is left when the server says goodbye", async () => {
    const path = socketPath();
    const said = Promise.withResolvers<void>();
    await listen(path, (stream, method, request) => {
      fine(stream, method, request);
      if (method === "/last") stream.session?.goaway();
      said.resolve();
    });
    const grpc = client(path);
    expect(await call(grpc, "/last")).toBe("fine");
    await said.promise;
    expect(await call(grpc, "/next")).toBe("fine");
  });

  it("takes its calls with it when it breaks", async () => {
    const path = socketPath();
    await listen(path, (stream) => stream.session?.destroy());
    const grpc = client(path);
    const answers = await Promise.allSettled([call(grpc), call(grpc), call(grpc)]);
    expect(answers.map((one) => one.status === "rejected" && one.reason.status)).toEqual([14, 14, 14]);
  });

  it("is not made after the client was closed", async () => {
    const path = socketPath();
    await listen(path, fine);
    const grpc = client(path);
    expect(await call(grpc)).toBe("fine");
    await grpc.close();
    await expect(call(grpc)).rejects.toMatchObject({ status: 1 });
  });
});
