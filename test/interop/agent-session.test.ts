import { describe, expect, it } from "vitest";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import { eventually } from "./patience.ts";
import { projectId } from "./stock-edge.ts";
import { agentForTest, connectedAgent } from "./test-agent.ts";
import { ackOf, newHeader, type WireJson } from "./wire-json.ts";

/** The recorded cloud, played against our agent while the link is good. */

describe("an agent that joins a stock cloud", () => {
  it("asks for the CA, then for a certificate with the token's JWT, and says nothing of what it accepts", async () => {
    const { cloud } = await connectedAgent();
    const [authority, certificate] = cloud.asked;
    expect(cloud.asked.map(({ path }) => path)).toEqual(["/ca.crt", "/edge.crt"]);
    expect(authority?.headers).not.toHaveProperty("accept");
    expect(certificate?.headers).not.toHaveProperty("accept");
    expect(certificate?.headers).toMatchObject({
      authorization: `Bearer ${cloud.token.split(".").slice(1).join(".")}`,
      nodename: "edge-a",
      "content-length": String(certificate?.body.length),
    });
  });

  it("takes an empty answer for the refusal it is, and asks again", async () => {
    const edgeCertificate = (attempt: number) => (attempt === 1 ? { status: 200, body: "" } : undefined);
    const { cloud, logged } = await connectedAgent({ cloud: { edgeCertificate } });
    expect(cloud.asked.filter(({ path }) => path === "/edge.crt")).toHaveLength(2);
    expect(logged).toContainEqual(
      expect.objectContaining({
        event: "cannot join the hub",
        error: expect.objectContaining({ message: expect.stringContaining("an empty answer") }),
      }),
    );
  });
});

describe("an agent that opens its link to a stock cloud", () => {
  it("offers its own dialect, finds that it is not taken, and speaks KubeEdge's after this one dial", async () => {
    const { cloud, edge } = await connectedAgent();
    expect(cloud.dials).toHaveLength(1);
    expect(cloud.dials[0]).toMatchObject({ commonName: "system:node:edge-a", alpn: false });
    expect(edge.status()).toMatchObject({ joined: true, dialect: "kubeedge" });
  });

  it("sends the headers by which a stock cloud knows it, and none that it would stumble over", async () => {
    const { cloud } = await connectedAgent();
    const [request, ...headers] = cloud.dials[0]?.lines ?? [];
    expect(request).toBe(`GET /${projectId}/edge-a/events HTTP/1.1`);
    const named = Object.fromEntries(
      headers.map((line) => line.split(": ")).map(([name = "", value]) => [name.toLowerCase(), value]),
    );
    expect(named).toMatchObject({
      node_id: "edge-a",
      project_id: projectId,
      connectionuse: "msg",
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-version": "13",
      host: `127.0.0.1:${cloud.ports.nodes}`,
    });
    for (const name of ["origin", "sec-websocket-protocol", "sec-websocket-extensions", "cookie"])
      expect(named).not.toHaveProperty(name);
  });

  it("offers nothing if it is told to speak KubeEdge's dialect only", async () => {
    const { cloud } = await connectedAgent({ edge: { hub: { dialect: "kubeedge" } } });
    expect(cloud.dials[0]?.lines.join("\n")).not.toContain("hub-dialects");
  });

  it("sends its heartbeat first, and then at the configured interval", async () => {
    const { cloud, clock } = await agentForTest({ edge: { delivery: { keepaliveMs: 15_000 } } });
    const link = await cloud.nextLink();
    const [recorded] = messagesOf(readCapture("a-join-edged-disabled")) as [RecordedMessage];
    const beats = [await link.next()];
    expect(await link.sentSoFar()).toEqual([]);
    await clock.leap(14_800);
    expect(await link.sentSoFar()).toEqual([]);
    for (let i = 0; i < 3; i++) {
      await clock.leap(15_000);
      beats.push(await link.next());
    }
    for (const beat of beats) {
      expect(beat).toEqual({
        ...recorded.message,
        header: { msg_id: expect.any(String), timestamp: expect.any(Number) },
      });
    }
    expect(new Set(beats.map(({ header }) => header.msg_id)).size).toBe(4);
  });

  it("masks what it sends and sends no WebSocket ping before it is due", async () => {
    const { link } = await connectedAgent();
    await link.sentSoFar();
    expect(link.frames.map(({ opcode, isMasked }) => `${opcode} ${isMasked}`)).toEqual(["1 true", "1 true"]);
  });
});

describe("what the recorded cloud sends", () => {
  it.each([
    "c-crud",
    "d-ack-withheld-resend",
    "d-offline-half-open",
    "d-offline-connection-reset",
    "d-edgecore-restart",
    "e-router",
    "f-device",
    "g-metaserver",
    "h-node-delete",
  ])("is acked as the recorded edge has acked it: %s", async (name) => {
    const { link } = await connectedAgent();
    const conversation = messagesOf(readCapture(name));
    const pushed = messagesOf(conversation, "cloud");
    const byParent = Map.groupBy(
      messagesOf(conversation, "edge").filter(({ message }) => message.route.operation === "response"),
      ({ message }) => message.header.parent_msg_id,
    );
    for (const { bytes, message } of pushed) {
      link.sendBytes(bytes);
      if (!byParent.has(message.header.msg_id)) continue;
      const [recorded] = byParent.get(message.header.msg_id) as [RecordedMessage];
      expect(await link.next()).toEqual({ ...recorded.message, header: headerOfAnswer(message) });
    }
    expect(await link.sentSoFar()).toEqual([]);
  });

  it("is acked with whole numbers as timestamps, and nothing else that Go could stumble over", async () => {
    const { link } = await connectedAgent();
    const [pushed] = messagesOf(readCapture("c-crud"), "cloud") as [RecordedMessage];
    link.sendBytes(pushed.bytes);
    const header = `"msg_id":"[-0-9a-f]{36}","parent_msg_id":"${pushed.message.header.msg_id}","timestamp":\\d{13}`;
    const route =
      '"source":"edgecontroller","group":"resource","operation":"response","resource":"default/pod/p1"';
    expect(await link.nextText()).toMatch(
      new RegExp(`^{"header":{${header}},"route":{${route}},"content":"OK"}\n$`),
    );
  });

  it("is on the disk when it is acked", async () => {
    const { edge, link } = await connectedAgent();
    const pushed = messagesOf(readCapture("h-node-delete"), "cloud");
    for (const { bytes, message } of pushed) {
      link.sendBytes(bytes);
      await link.next();
      const stored = edge.store.meta.get(message.route.resource ?? "");
      expect(JSON.parse(Buffer.from(stored?.value ?? []).toString())).toEqual(message.content);
      expect(stored?.version).toBe(message.header.resourceversion);
    }
    expect(edge.status().resources).toBe(pushed.length);
  });

  it("twice is acked twice and changes nothing the second time", async () => {
    const { edge, link } = await connectedAgent();
    const [pushed] = messagesOf(readCapture("d-ack-withheld-resend"), "cloud") as [RecordedMessage];
    let changes = 0;
    edge.store.onChange(() => changes++);
    for (let i = 0; i < 3; i++) link.sendBytes(pushed.bytes);
    const acks = await link.take(3);
    expect(new Set(acks.map(({ header }) => header.parent_msg_id))).toEqual(
      new Set([pushed.message.header.msg_id]),
    );
    expect(new Set(acks.map(({ header }) => header.msg_id)).size).toBe(3);
    expect(changes).toBe(1);
  });

  it("as an update of something unknown is stored: after a reconnect nothing comes as insert", async () => {
    const { edge, link } = await connectedAgent();
    const [update] = messagesOf(readCapture("d-offline-connection-reset"), "cloud") as [RecordedMessage];
    expect(update.message.route).toMatchObject({ operation: "update", resource: "default/pod/pnew" });
    link.sendBytes(update.bytes);
    await link.next();
    expect(edge.store.meta.get("default/pod/pnew")?.version).toBe("404");
  });

  it("as a deletion with nothing but name and uid, and without version, deletes what is there", async () => {
    const { edge, link } = await connectedAgent();
    const deletion = messagesOf(readCapture("d-offline-connection-reset"), "cloud").find(
      ({ message }) => message.route.resource === "default/secret/so",
    ) as RecordedMessage;
    const { metadata } = deletion.message.content as { metadata: object };
    link.send({
      header: { ...newHeader(), resourceversion: "389" },
      route: { ...deletion.message.route, operation: "insert" },
      content: { kind: "Secret", apiVersion: "v1", metadata },
    });
    await link.next();
    expect(edge.status().resources).toBe(1);
    link.sendBytes(deletion.bytes);
    expect(await link.next()).toMatchObject({
      header: { parent_msg_id: deletion.message.header.msg_id },
      content: "OK",
    });
    expect(edge.status().resources).toBe(0);
  });

  it("is put together from Go's fragments", async () => {
    const { edge, link } = await connectedAgent();
    const [podPatch, pod] = messagesOf(readCapture("b-pod-lifecycle-fragments"), "cloud") as [
      RecordedMessage,
      RecordedMessage,
    ];
    for (const { bytes, message } of [podPatch, pod]) {
      link.sendBytes(bytes);
      expect((await link.next()).header.parent_msg_id).toBe(message.header.msg_id);
    }
    expect(edge.store.meta.get("default/pod/pb")?.version).toBe("490");
    for (const length of [5_000, 8_100, 9_000, 200_000]) {
      const large = objectOf(`large-${length}`, { data: { text: "x".repeat(length) } });
      link.send(large);
      expect((await link.next()).header.parent_msg_id).toBe(large.header.msg_id);
    }
    expect(edge.status().resources).toBe(5);
  });
});

describe("an answer", () => {
  it("that nobody waits for is acked all the same, and not stored", async () => {
    const { edge, link } = await connectedAgent();
    const { route, content } = objectOf("limits");
    const answer = {
      header: { ...newHeader(), parent_msg_id: "a-query-long-forgotten" },
      route: { ...route, operation: "response" },
      content,
    };
    link.send(answer);
    expect(await link.next()).toEqual({ ...ackOf(answer), header: headerOfAnswer(answer) });
    expect(edge.status().resources).toBe(0);
  });
});

describe("a message that cannot be kept", () => {
  it("is answered with an error in the name of metamanager, and its repeat is acked when there is room again", async () => {
    const { edge, link } = await connectedAgent({
      edge: { store: { maxBytes: 200_000, synchronous: "normal" } },
    });
    const large = objectOf("large", { data: { text: "x".repeat(400_000) } });
    link.send(large);
    const error = await link.next();
    expect(error).toEqual({
      header: headerOfAnswer(large),
      route: { ...large.route, source: "metamanager", operation: "error" },
      content: expect.stringMatching(/no room/),
    });
    const small = { ...large, content: { kind: "ConfigMap" } };
    link.send(small);
    expect(await link.next()).toMatchObject({ route: { operation: "response" }, content: "OK" });
    expect(edge.status().resources).toBe(1);
  });

  it("is answered with an error if it has no object in it", async () => {
    const { link } = await connectedAgent();
    const empty = { ...objectOf("limits"), content: null };
    link.send(empty);
    expect(await link.next()).toMatchObject({
      header: headerOfAnswer(empty),
      route: { source: "metamanager", operation: "error" },
    });
  });
});

describe("what the edge has to say", () => {
  it("goes up in order and leaves the outbox when it is written, for a stock cloud acks nothing", async () => {
    const { edge, link } = await connectedAgent();
    const uploads = [1, 2, 3].map((value) => ({
      source: "bus",
      group: "user",
      operation: "upload",
      resource: "default/test/up",
      content: { value },
    }));
    for (const upload of uploads) await edge.publish(upload);
    const sent = await link.take(3);
    expect(sent).toEqual(
      uploads.map(({ content, ...route }) => ({
        header: { msg_id: expect.any(String), timestamp: expect.any(Number) },
        route,
        content,
      })),
    );
    await eventually(() => edge.status().outbox.messages).toBe(0);
  });

  it("has the form of the recorded edge's own messages, byte for byte", async () => {
    const { edge, link } = await connectedAgent();
    const [, membership] = messagesOf(readCapture("a-join-edged-disabled"), "edge") as [
      RecordedMessage,
      RecordedMessage,
    ];
    const { header, route, content } = membership.message;
    await edge.publish({
      ...route,
      resource: route.resource ?? "",
      operation: route.operation ?? "",
      id: header.msg_id,
      content,
    });
    const text = await link.nextText();
    expect(text.replace(/"timestamp":\d+/, "")).toBe(membership.text.replace(/"timestamp":\d+/, ""));
  });
});

it.each(["ping", "config"])(
  "answers the transport's own operation %s, which reaches no module",
  async (operation) => {
    const { edge, link } = await connectedAgent();
    const asked = { ...objectOf("limits"), route: { ...objectOf("limits").route, operation } };
    link.send(asked);
    expect(await link.next()).toEqual({
      header: headerOfAnswer(asked),
      route: { ...asked.route, operation: "response" },
      content: "ack",
    });
    expect(edge.status().resources).toBe(0);
  },
);

/** A ConfigMap as the cloud inserts it. */
function objectOf(name: string, more: object = {}): WireJson {
  return {
    header: { ...newHeader(), resourceversion: "7" },
    route: {
      source: "edgecontroller",
      group: "resource",
      operation: "insert",
      resource: `default/configmap/${name}`,
    },
    content: { kind: "ConfigMap", apiVersion: "v1", metadata: { name, namespace: "default" }, ...more },
  };
}

function headerOfAnswer({ header }: WireJson): unknown {
  return { msg_id: expect.any(String), parent_msg_id: header.msg_id, timestamp: expect.any(Number) };
}
