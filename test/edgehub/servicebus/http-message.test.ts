import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import {
  answerContent,
  answerHeaders,
  errorAnswer,
  readCall,
} from "../../../edgehub/servicebus/http-message.ts";
import { urlsMeant } from "../../../edgehub/servicebus/target-urls.ts";
import { contentOf, type Message } from "../../../protocol/index.ts";
import { fromRouter } from "./support.ts";

const limit = 5_000_000;

function recorded(direction: string, match: (route: Record<string, string>) => boolean) {
  const file = join(import.meta.dirname, "../../fixtures/captures/e-router.jsonl");
  for (const line of readFileSync(file, "utf8").trim().split("\n")) {
    const { dir, message } = JSON.parse(line);
    if (dir === direction && message !== undefined && match(message.route)) return message;
  }
  throw new Error("not in the recording");
}

function refusalOf(message: Message): { status: number; text: string } {
  const read = readCall(message, limit);
  if (!("refusal" in read)) throw new Error("was not refused");
  return { status: read.refusal.status, text: Buffer.from(read.refusal.body).toString() };
}

describe("a call from the cloud", () => {
  it("is read as KubeEdge's router wrote it", () => {
    const { route, content } = recorded("cloud->edge", ({ resource }) => resource === "28081:/target");
    const read = readCall(fromRouter({ resource: route.resource, content }), limit);
    expect(read).toEqual({
      call: {
        port: 28081,
        path: "/target",
        method: "POST",
        headers: {
          Accept: ["*/*"],
          "Content-Type": ["application/x-www-form-urlencoded"],
          "User-Agent": ["curl/7.88.1"],
        },
        body: Buffer.from('{"q":1}'),
      },
    });
  });

  it("keeps colons and queries of its path", () => {
    const read = readCall(fromRouter({ resource: "80:/at/10:30?x=a:b", content: { method: "GET" } }), limit);
    expect(read).toMatchObject({ call: { path: "/at/10:30?x=a:b" } });
  });

  it("loses headers of the connection, and those the connection names", () => {
    const header = {
      Connection: ["X-Trace, close"],
      "x-trace": ["1"],
      TE: ["gzip"],
      Host: ["h"],
      "X-Keep": ["2"],
    };
    const read = readCall(fromRouter({ resource: "80:/", content: { method: "GET", header } }), limit);
    expect(read).toMatchObject({ call: { headers: { "X-Keep": ["2"], Accept: ["*/*"] } } });
    expect("call" in read && Object.keys(read.call.headers)).toHaveLength(2);
  });

  test.each([
    ["no port", { resource: "/target", content: { method: "GET" } }, 400],
    ["port 0", { resource: "0:/target", content: { method: "GET" } }, 400],
    ["a port beyond 65535", { resource: "65536:/target", content: { method: "GET" } }, 400],
    ["no content", { resource: "80:/", content: null }, 400],
    ["content that is a text", { resource: "80:/", content: "GET" }, 400],
    ["content that is no JSON", { resource: "80:/", content: Buffer.from("{") }, 400],
    ["headers that are no lists", { resource: "80:/", content: { method: "GET", header: { a: "b" } } }, 400],
    [
      "a header's name with a line break",
      { resource: "80:/", content: { header: { "a\r\nb": ["c"] } } },
      400,
    ],
    ["a body that is no base64", { resource: "80:/", content: { method: "PUT", body: "*" } }, 400],
    ["a method that is none", { resource: "80:/", content: { method: "GET /" } }, 400],
    ["CONNECT", { resource: "80:/", content: { method: "CONNECT" } }, 400],
    ["too large a body", { resource: "80:/", content: { method: "PUT", body: "A".repeat(6_700_000) } }, 413],
  ])("is refused with %s", (_, draft, status) => {
    expect(refusalOf(fromRouter(draft)).status).toBe(status);
  });
});

describe("an answer to the cloud", () => {
  it("has the fields of the recorded one, without the headers of the connection", () => {
    const { content } = recorded(
      "edge->cloud",
      ({ source, resource }) => source === "servicebus" && !resource,
    );
    const raw = Object.entries(content.header as Record<string, string[]>).flatMap(([name, [value = ""]]) => [
      name.toLowerCase(),
      value,
    ]);
    const mine = answerContent({
      status: 200,
      headers: answerHeaders(raw),
      body: Buffer.from(content.body, "base64"),
    });
    const { Connection: _, "Keep-Alive": __, ...header } = content.header;
    expect(contentOf({ content: mine })).toEqual({ ...content, header });
    expect(Object.keys(contentOf({ content: mine }) as object)).toEqual(Object.keys(content));
  });

  it("says that it is the agent's own", () => {
    expect(contentOf({ content: answerContent(errorAnswer(404, "error to call service")) })).toEqual({
      header: { Server: ["kubeedge-edgecore"] },
      status_code: 404,
      body: Buffer.from("error to call service").toString("base64"),
    });
  });
});

describe("a stop", () => {
  it("means the URL that start registered, though KubeEdge's router lost a slash", () => {
    const known = ["http://127.0.0.1:28080/x", "http://127.0.0.1:28080/y"];
    expect(urlsMeant("http:/127.0.0.1:28080/x", known)).toEqual([known[0]]);
  });

  it("means only the URL that is the same text, if there is one", () => {
    expect(urlsMeant("http://h/p", ["http://h/p", "http://h//p"])).toEqual(["http://h/p"]);
    expect(urlsMeant("http://h/q", ["http://h/p"])).toEqual([]);
  });
});
