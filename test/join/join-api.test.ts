import { once } from "node:events";
import { connect, createServer } from "node:net";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { startJoinApi } from "../../cloudhub/join/join-api.ts";
import { readCertificate } from "../../platform/certificate.ts";
import { silentLogger } from "../../platform/logger.ts";
import type { HubError, NodeId } from "../../protocol/index.ts";
import {
  closing,
  dayMs,
  edge1,
  errorOf,
  exchange,
  head,
  type JoinHub,
  keyAndRequest,
  newAuthority,
  openSocket,
  presentClock,
  readAnswer,
  requestCertificate,
  startJoinHub,
} from "./support.ts";

const maxBytes = 1 << 20;

describe("GET /ca.crt", () => {
  it("gives the CA in DER", async () => {
    const hub = await startJoinHub();
    const answer = await exchange(hub.url, head("GET /ca.crt"));
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ "content-type": "application/octet-stream" });
    expect(answer.body).toEqual(Buffer.from(hub.authority.caCertificateDer));
  });

  test.each(["GET /ca.crt/", "GET /ca.crt?x=1"])("tolerates %s", async (line) => {
    const hub = await startJoinHub();
    expect((await exchange(hub.url, head(line))).status).toBe(200);
  });

  test.each(["*/*", "application/json", "text/html;q=0.1", ""])(
    "tolerates the header Accept: %s",
    async (accept) => {
      const hub = await startJoinHub();
      expect((await exchange(hub.url, head("GET /ca.crt", { Accept: accept }))).status).toBe(200);
    },
  );

  it("answers several requests on one connection", async () => {
    const hub = await startJoinHub();
    const socket = await openSocket(hub.url);
    for (let i = 0; i < 3; i++) {
      const answer = readAnswer(socket);
      socket.write(head("GET /ca.crt"));
      expect((await answer).status).toBe(200);
    }
  });
});

describe("GET /node/<name>", () => {
  it("finds a node that has joined, and no other", async () => {
    const hub = await startJoinHub();
    await hub.store.saveNode(edge1, { joinedAt: 1 });
    await hub.store.saveNode("known" as NodeId, {});
    const answerFor = async (name: string) => await exchange(hub.url, head(`GET /node/${name}`));
    expect(await answerFor("edge-1")).toMatchObject({ status: 200, text: "Node found" });
    expect(await answerFor("edge-1/")).toMatchObject({ status: 200, text: "Node found" });
    expect(await answerFor("known")).toMatchObject({ status: 404, text: "Node not found" });
    expect(await answerFor("nobody")).toMatchObject({ status: 404, text: "Node not found" });
    expect(await answerFor("No_Name")).toMatchObject({ status: 404, text: "Node not found" });
    expect(await answerFor("n".repeat(253))).toMatchObject({ status: 404, text: "Node not found" });
    expect(hub.refusals).toEqual([]);
  });
});

describe("other requests", () => {
  test.each([
    "HEAD /ca.crt",
    "POST /ca.crt",
    "PUT /edge.crt",
    "DELETE /node/edge-1",
    "OPTIONS /ca.crt/",
    "PROPFIND /edge.crt?x",
  ])("%s is answered with 405 and what is allowed", async (line) => {
    const hub = await startJoinHub();
    // The answer to a HEAD has no body, whatever its Content-Length says.
    const socket = await openSocket(hub.url);
    const [bytes] = await Promise.all([once(socket, "data"), socket.write(head(line))]);
    expect(String(bytes)).toMatch(/^HTTP\/1\.1 405 /);
    expect(String(bytes)).toMatch(/\r\nallow: GET\r\n/i);
  });

  it("a wrong method with any body is answered with 405", async () => {
    const hub = await startJoinHub();
    const request = head("POST /edge.crt", { "Content-Type": "a/b;;;", "Content-Length": 3 });
    expect(await exchange(hub.url, `${request}abc`)).toMatchObject({ status: 405 });
  });

  test.each([
    "GET /",
    "GET /x",
    "GET //",
    "GET /ca.crt/x",
    "GET /node",
    "GET /node/",
    "GET /node/a/b",
    "POST /nodeupgrade",
  ])("%s is answered with 404 and what there is", async (line) => {
    const hub = await startJoinHub();
    const answer = await exchange(hub.url, head(line));
    expect(answer.status).toBe(404);
    expect(answer.text).toMatch(/^E_NOT_FOUND: .*\/edge\.crt/);
  });

  test.each(["GET /node/%zz HTTP/1.1", "nonsense", "GET /ca.crt HTTP/9.9", "\u0016\u0003\u0001"])(
    "%j is answered with 400",
    async (line) => {
      const hub = await startJoinHub();
      const answer = await exchange(hub.url, `${line}\r\nHost: hub\r\n\r\n`);
      expect(answer.status).toBe(400);
      expect(answer.text).toMatch(/^E_BAD_MESSAGE: /);
      expect(hub.refusals).toEqual([{ code: "E_BAD_MESSAGE", address: "127.0.0.1" }]);
    },
  );

  it("with a head that is too long are answered with 431", async () => {
    const hub = await startJoinHub();
    const answer = await exchange(hub.url, head("GET /ca.crt", { Long: "x".repeat(20_000) }));
    expect(answer).toMatchObject({ status: 431 });
    expect(answer.text).toMatch(/^E_TOO_LARGE: /);
  });
});

describe("the body of GET /edge.crt", () => {
  async function ask(parts: (authorization: string) => (string | Uint8Array)[], hub?: JoinHub) {
    const live = hub ?? (await startJoinHub());
    return await exchange(live.url, parts(await live.bearer()));
  }

  it("may be chunked", async () => {
    const { request } = await keyAndRequest();
    const answer = await ask((authorization) => [
      head("GET /edge.crt", {
        Authorization: authorization,
        NodeName: edge1,
        "Transfer-Encoding": "chunked",
      }),
      ...[request.subarray(0, 10), request.subarray(10)].flatMap((chunk) => [
        `${chunk.length.toString(16)}\r\n`,
        chunk,
        "\r\n",
      ]),
      "0\r\n\r\n",
    ]);
    expect(answer.status).toBe(200);
  });

  it("may come byte by byte", async () => {
    const { request } = await keyAndRequest();
    const answer = await ask((authorization) => {
      const start = head("GET /edge.crt", {
        Authorization: authorization,
        NodeName: edge1,
        "Content-Length": request.length,
      });
      return [...Buffer.concat([Buffer.from(start), request])].map((byte) => Uint8Array.of(byte));
    });
    expect(answer.status).toBe(200);
  });

  it("may have any content type", async () => {
    const hub = await startJoinHub();
    const { request } = await keyAndRequest();
    const headers = { Authorization: await hub.bearer(), NodeName: edge1, "Content-Type": "text/;;" };
    expect(await requestCertificate(hub, request, { headers })).toMatchObject({ status: 200 });
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["text", Buffer.from("hello")],
    ["a MiB of zeroes", Buffer.alloc(maxBytes)],
    ["a certificate", undefined],
  ])("is refused if it is %s, and costs no use of the token", async (_name, body) => {
    const hub = await startJoinHub();
    const authorization = await hub.bearer({ uses: 1 });
    const garbage = body ?? hub.authority.caCertificateDer;
    const headers = { Authorization: authorization, NodeName: edge1 };
    const answer = await requestCertificate(hub, garbage, { headers });
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(
      /^E_BAD_MESSAGE: the certificate request cannot be read; send PKCS#10 in DER\n$/,
    );
    const { request } = await keyAndRequest();
    expect(await requestCertificate(hub, request, { headers })).toMatchObject({ status: 200 });
  });

  it("is refused at its first byte too many, announced or not", async () => {
    const hub = await startJoinHub();
    const headers = { Authorization: await hub.bearer(), NodeName: edge1 };
    const announced = await requestCertificate(hub, Buffer.alloc(maxBytes + 1), { headers });
    expect(announced.status).toBe(413);
    expect(announced.text).toMatch(/^E_TOO_LARGE: a certificate request has at most 1048576 bytes/);
    const chunk = Buffer.alloc(1 << 18);
    const chunks = Array.from({ length: 8 }, () => [
      `${chunk.length.toString(16)}\r\n`,
      chunk,
      "\r\n",
    ]).flat();
    const start = head("GET /edge.crt", { ...headers, "Transfer-Encoding": "chunked" });
    expect(await exchange(hub.url, [start, ...chunks, "0\r\n\r\n"])).toMatchObject({ status: 413 });
  });

  it("of somebody without a token is not waited for", async () => {
    const hub = await startJoinHub();
    const answer = await exchange(
      hub.url,
      head("GET /edge.crt", { NodeName: edge1, "Content-Length": 1_000 }),
    );
    expect(answer.status).toBe(401);
  });

  it("that ends in the middle costs no use of the token", async () => {
    const hub = await startJoinHub();
    const { request } = await keyAndRequest();
    const headers = { Authorization: await hub.bearer({ uses: 1 }), NodeName: edge1 };
    const socket = await openSocket(hub.url);
    socket.write(head("GET /edge.crt", { ...headers, "Content-Length": request.length }));
    socket.resume().end(request.subarray(0, 100));
    await once(socket, "close");
    expect(await requestCertificate(hub, request, { headers })).toMatchObject({ status: 200 });
  });
});

describe("slow and silent clients", () => {
  const api = { requestTimeoutMs: 100 };

  test.each([
    ["says nothing", ""],
    ["stops in the middle of the head", "GET /ca.crt HTTP/1.1\r\nHost:"],
  ])("one that %s is cut off", async (_name, bytes) => {
    const hub = await startJoinHub({ api });
    const answer = await exchange(hub.url, bytes);
    expect(answer.status).toBe(408);
    expect(answer.text).toMatch(/^E_TIMEOUT: /);
    expect(hub.refusals).toEqual([{ code: "E_TIMEOUT", address: "127.0.0.1" }]);
  });

  it("one that stops in the middle of the body is cut off", async () => {
    const hub = await startJoinHub({ api });
    const headers = { Authorization: await hub.bearer(), NodeName: edge1, "Content-Length": 300 };
    expect(await exchange(hub.url, [head("GET /edge.crt", headers), "abc"])).toMatchObject({ status: 408 });
  });

  it("one that never finishes its TLS handshake is cut off", async () => {
    const hub = await startJoinHub({ api });
    const socket = connect(hub.api.port, "127.0.0.1").resume();
    socket.on("error", () => undefined);
    await once(socket, "close");
    expect(hub.refusals).toEqual([{ code: "E_IDENTITY", address: "127.0.0.1" }]);
  });

  it("more connections than allowed are dropped", async () => {
    const hub = await startJoinHub({ api: { maxConnections: 2 } });
    const held = [await openSocket(hub.url), await openSocket(hub.url)];
    await expect(openSocket(hub.url)).rejects.toThrow();
    held[0]?.destroy();
    held[1]?.write(head("GET /ca.crt"));
    await once(held[1] ?? held[0] ?? process, "data");
  });
});

describe("refusals", () => {
  it("are all counted, and logged once per address and code a minute, with how many were held back", async () => {
    const hub = await startJoinHub();
    const refused = (): Promise<unknown> => exchange(hub.url, head("GET /edge.crt", { NodeName: edge1 }));
    for (let i = 0; i < 3; i++) await refused();
    const lines = (): unknown[] =>
      hub.logged.filter(({ event }) => event === "join refused").map(({ fields }) => fields);
    expect(hub.refusals).toEqual(Array(3).fill({ code: "E_BAD_TOKEN", address: "127.0.0.1" }));
    expect(lines()).toMatchObject([{ address: "127.0.0.1", held: 0, error: { code: "E_BAD_TOKEN" } }]);
    await exchange(hub.url, head("GET /x"));
    expect(lines()).toMatchObject([{}, { error: { code: "E_NOT_FOUND" } }]);
    await hub.clock.advance(60_000);
    await refused();
    expect(lines()).toMatchObject([{}, {}, { held: 2, error: { code: "E_BAD_TOKEN" } }]);
  });

  it("and joins never show a token in the log", async () => {
    const hub = await startJoinHub();
    const { request } = await keyAndRequest();
    const authorization = await hub.bearer();
    const headers = { Authorization: authorization, NodeName: edge1 };
    await requestCertificate(hub, request, { headers });
    await requestCertificate(hub, request, { headers: { ...headers, Authorization: `${authorization}x` } });
    const text = hub.logged
      .map(({ event, fields }) => [
        event,
        ...Object.values(fields).map((one) => `${one} ${(one as Error).stack}`),
      ])
      .join();
    expect(hub.logged.map(({ event }) => event)).toEqual(["node joined", "join refused"]);
    for (const part of authorization.split(/[ .]/).slice(1)) expect(text).not.toContain(part);
  });

  it("tell nothing of a fault in the hub but where to look", async () => {
    const clock = presentClock();
    const refusals: HubError[] = [];
    const api = await startJoinApi(
      { host: "127.0.0.1", port: 0 },
      {
        authority: await newAuthority(clock),
        enrolment: { enrol: () => Promise.reject(new TypeError("secret detail")) },
        store: { node: () => undefined },
        clock,
        log: silentLogger,
        refused: (error) => refusals.push(error),
        admitted: () => undefined,
      },
    );
    onTestFinished(() => closing(api, clock));
    const answer = await exchange(`https://127.0.0.1:${api.port}`, head("GET /edge.crt"));
    expect(answer).toMatchObject({
      status: 500,
      text: "E_INTERNAL: a fault in the hub; its log says more\n",
    });
    expect(refusals[0]?.cause).toMatchObject({ message: "secret detail" });
  });
});

describe("listening", () => {
  it("says that a port is taken", async () => {
    const other = createServer();
    other.listen(0, "127.0.0.1");
    await once(other, "listening");
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const error = await errorOf(() => startJoinHub({ api: { port } }));
    expect(error.code).toBe("E_PORT_TAKEN");
    expect(error.message).toMatch(
      `127.0.0.1:${port} is taken by another process; stop it or configure another port`,
    );
  });

  it("says that an address is not this machine's", async () => {
    expect((await errorOf(() => startJoinHub({ api: { host: "192.0.2.1" } }))).code).toBe("E_BAD_OPTION");
  });

  it("speaks TLS 1.2 and 1.3, nothing older", async () => {
    const hub = await startJoinHub();
    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      const socket = await openSocket(hub.url, { minVersion: version, maxVersion: version });
      expect(socket.getProtocol()).toBe(version);
    }
    const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(openSocket(hub.url, old)).rejects.toThrow();
  });

  it("shows another certificate once it has one, and still nothing older than TLS 1.2", async () => {
    const clock = presentClock();
    const hub = await startJoinHub({ authority: await newAuthority(clock) });
    const before = (await openSocket(hub.url)).getPeerX509Certificate()?.serialNumber;
    await clock.advance(3_640 * dayMs);
    expect(await hub.authority.refreshServer()).toBe(true);
    hub.api.setTls(hub.authority.serverTls());
    const after = (await openSocket(hub.url)).getPeerX509Certificate()?.serialNumber.toLowerCase();
    expect(after).not.toBe(before?.toLowerCase());
    expect(after).toBe(readCertificate(hub.authority.serverTls().cert).serial);
    const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(openSocket(hub.url, old)).rejects.toThrow();
  });

  it("closes twice, and while clients hold connections open", async () => {
    const hub = await startJoinHub();
    const socket = await openSocket(hub.url);
    const closed = once(socket, "close");
    const first = hub.api.close();
    expect(hub.api.close()).toBe(first);
    await hub.clock.advance(1_000);
    await first;
    await closed;
    await expect(openSocket(hub.url)).rejects.toThrow();
  });
});
