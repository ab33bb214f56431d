import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../support/free-port.ts";
import { messagesOf, type RecordedMessage, readCapture, type Side } from "./capture.ts";
import { eventually } from "./patience.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { connectedAgent } from "./test-agent.ts";
import type { WireJson } from "./wire-json.ts";

/** The recorded clouds' router and dynamic controller, played against our agent; programs of the node speak HTTP. */

/** The first recorded message that fits. */
function recorded(capture: string, from: Side, fits: (message: WireJson) => boolean): WireJson {
  const found = messagesOf(readCapture(capture), from).find(({ message }: RecordedMessage) => fits(message));
  if (found === undefined) throw new Error(`${capture} has no such message`);
  return found.message;
}

async function listening(answer: RequestListener = () => undefined): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const anyHeader = { msg_id: expect.any(String), timestamp: expect.any(Number) };

describe("ServiceBus under a stock cloud", () => {
  it("answers the recorded request as the recorded edge did, without the headers of its own connection", async () => {
    const request = recorded("e-router", "cloud", ({ route }) => route.resource === "28081:/target");
    const answer = recorded(
      "e-router",
      "edge",
      ({ header }) => header.parent_msg_id === request.header.msg_id,
    );
    const port = await listening((asked, response) => {
      let body = "";
      asked.on("data", (chunk) => {
        body += chunk;
      });
      asked.on("end", () => {
        const text = `edge-app got ${body}`;
        response.writeHead(200, { "x-oracle": "yes", "content-length": text.length }).end(text);
      });
    });
    const { link } = await connectedAgent({ edge: { serviceBus: { enable: true, port: 0 } } });
    link.send({ ...request, route: { ...request.route, resource: `${port}:/target` } });
    const content = answer.content as { header: Record<string, readonly string[]> };
    const { Connection: _, "Keep-Alive": __, ...header } = content.header;
    expect(await link.next()).toEqual({
      header: { ...anyHeader, parent_msg_id: request.header.msg_id },
      route: answer.route,
      content: { ...content, header: { ...header, Date: [expect.any(String)] } },
    });
  });

  it("takes a program's call up and the recorded answer back, from start to stop of the rule", async () => {
    const of = (operation: string) => (message: WireJson) =>
      message.route.operation === operation && /^http:/.test(message.route.resource ?? "");
    const port = await freePort();
    const { link } = await connectedAgent({ edge: { serviceBus: { enable: true, port } } });
    const call = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}`, {
        method: "POST",
        body: '{"method":"POST","targetURL":"http://127.0.0.1:28080/x","payload":{"v":1}}',
      });
    const refused = (): Promise<boolean> =>
      call().then(
        () => false,
        () => true,
      );
    expect(await refused()).toBe(true);
    link.send(recorded("e-router", "cloud", of("start")));
    const reply = await eventuallyCalled(call);
    const sent = await link.next();
    expect(sent).toEqual({ ...recorded("e-router", "edge", of("upload")), header: anyHeader });
    const answer = recorded("e-router", "cloud", of("response"));
    link.send({ ...answer, header: { ...answer.header, parent_msg_id: sent.header.msg_id } });
    expect(await (await reply.response).json()).toEqual({
      code: 200,
      msg: "receive response from cloud successfully",
      body: answer.content,
    });
    link.send(recorded("e-router", "cloud", of("stop")));
    await eventually(refused).toBe(true);
  });

  /** Calls as soon as the API listens. */
  async function eventuallyCalled(call: () => Promise<Response>): Promise<{ response: Promise<Response> }> {
    let response: Promise<Response> | undefined;
    await eventually(async () => {
      response = call();
      return await Promise.race([
        response.then(
          () => "answered",
          () => "refused",
        ),
        wait(100, "called"),
      ]);
    }).toBe("called");
    return { response: response as Promise<Response> };
  }
});

describe("MetaServer under a stock cloud", () => {
  const path = "/api/v1/namespaces/default/configmaps";
  const isApplication = (verb: string) => (message: WireJson) =>
    (message.content as { Verb?: string } | null)?.Verb === verb;

  /** The agent's open watches, none, are the recorded ones. */
  async function exchangeSync(link: RawWebSocket): Promise<void> {
    const sync = recorded("g-metaserver", "edge", ({ route }) => route.resource === "watchapp/sync");
    expect(await link.next()).toEqual({ ...sync, header: anyHeader });
  }

  /** An agent that has taken back the watches of an earlier life. */
  async function withMetaServer() {
    const port = await freePort();
    const edge = { node: "edge-m", metaServer: { enable: true, port } };
    const { link } = await connectedAgent({ edge });
    await exchangeSync(link);
    const ask = (verb: string, where: string, body?: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}${where}`, {
        method: verb,
        ...(body === undefined ? {} : { body, headers: { "content-type": "application/json" } }),
      });
    return { link, ask };
  }

  /** The agent's application is the recorded one; it gets the recorded answer. */
  async function exchange(link: RawWebSocket, verb: string): Promise<void> {
    const wanted = recorded("g-metaserver", "edge", isApplication(verb));
    const answer = recorded("g-metaserver", "cloud", isApplication(verb));
    const question = await link.next();
    expect(question).toEqual({ ...wanted, header: anyHeader });
    link.send({ ...answer, header: { ...answer.header, parent_msg_id: question.header.msg_id } });
  }

  it.each([
    ["get", "GET", `${path}/cmm`, undefined],
    ["list", "GET", path, undefined],
    [
      "create",
      "POST",
      path,
      '{"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"cmedge","namespace":"default"}}',
    ],
    ["delete", "DELETE", `${path}/cmedge`, undefined],
  ])("passes %s on as the recorded edge did, and its answer back", async (verb, method, where, body) => {
    const { link, ask } = await withMetaServer();
    const reply = ask(method, where, body);
    await exchange(link, verb);
    const answer = recorded("g-metaserver", "cloud", isApplication(verb)).content as {
      RespBody: string | null;
    };
    const got = await (await reply).json();
    if (answer.RespBody === null)
      expect(got).toMatchObject({ status: "Success", details: { name: "cmedge" } });
    else expect(got).toEqual(JSON.parse(Buffer.from(answer.RespBody, "base64").toString()));
  });

  it("tells a watch what the recorded cloud sends, acks it, and takes the watch back", async () => {
    const { link, ask } = await withMetaServer();
    const response = await ask("GET", `${path}?watch=true`);
    await exchange(link, "watch");
    const pushed = messagesOf(readCapture("g-metaserver"), "cloud").filter(({ message }) =>
      ["insert", "update", "delete"].includes(message.route.operation ?? ""),
    );
    for (const { message } of pushed) {
      link.send(message);
      const ack = await link.next();
      expect(ack).toMatchObject({ header: { parent_msg_id: message.header.msg_id }, content: "OK" });
    }
    const reader = (response.body as ReadableStream<Uint8Array>)
      .pipeThrough(new TextDecoderStream())
      .getReader();
    let text = "";
    while (text.split("\n").length <= pushed.length) text += (await reader.read()).value ?? "";
    const events = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events.map(({ type, object }) => `${type} ${object.metadata.resourceVersion}`)).toEqual(
      pushed.map(({ message: { route, header } }) => `${eventOf(route.operation)} ${header.resourceversion}`),
    );
    expect(events.map(({ object }) => object)).toEqual(pushed.map(({ message }) => message.content));
    await reader.cancel();
    await exchangeSync(link);
  });

  function eventOf(operation: string | undefined): string {
    return operation === "insert" ? "ADDED" : operation === "update" ? "MODIFIED" : "DELETED";
  }
});
