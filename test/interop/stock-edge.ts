import { randomBytes } from "node:crypto";
import type { ConnectionOptions } from "node:tls";
import { expect, onTestFinished } from "vitest";
import { readCertificate } from "../../platform/certificate.ts";
import { bytesOf, type EdgeVector, vectors } from "../join/vectors.ts";
import { ask, headOf, openPipe, type RawAnswer } from "./raw-http.ts";
import { RawWebSocket } from "./raw-websocket.ts";

/** What edgecore 1.15 sends and does, played on raw sockets. Source: wire protocol §2, §6.6, §7. */

export const projectId = "e632aba927ea4ac2b575ec1603d56f10";

/** What a node shows in the TLS handshake. */
export type Credentials = Required<Pick<ConnectionOptions, "cert" | "key">>;

/** What a stock edge says to open its link: these headers, spelt so, in this order. */
export function upgradeLines(
  node: string,
  port: number,
  { failedDials = 0, key = randomBytes(16).toString("base64") } = {},
): string[] {
  return [
    `GET /${projectId}/${node}/events HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "User-Agent: Go-http-client/1.1",
    "Connection: Upgrade",
    // Each failed dial leaves one behind.
    ...Array.from({ length: failedDials + 1 }, () => "Connectionuse: msg"),
    `Node_id: ${node}`,
    `Project_id: ${projectId}`,
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    "Upgrade: websocket",
  ];
}

/** The two requests with which a stock edge gets its certificate. */
export const joinLines = {
  authority: (port: number): string[] => [
    "GET /ca.crt HTTP/1.1",
    `Host: 127.0.0.1:${port}`,
    "User-Agent: Go-http-client/1.1",
    "Accept-Encoding: gzip",
  ],
  certificate: (port: number, node: string, terms: { token: string; bytes: number }): string[] => [
    "GET /edge.crt HTTP/1.1",
    `Host: 127.0.0.1:${port}`,
    "User-Agent: Go-http-client/1.1",
    `Content-Length: ${terms.bytes}`,
    `Authorization: Bearer ${terms.token.split(".").slice(1).join(".")}`,
    `Nodename: ${node}`,
    "Accept-Encoding: gzip",
  ],
};

/** Joins as a stock edge does: same requests, a certificate request made by Go. */
export async function joinAsStockEdge(port: number, node: string, token: string): Promise<Credentials> {
  const { csrDerHex, keyPem } = madeByGo("release-1.15");
  const request = bytesOf(csrDerHex);
  const lines = joinLines.certificate(port, node, { token, bytes: request.length });
  const pipe = await openPipe(port);
  const { status, body } = await ask(pipe, Buffer.concat([Buffer.from(headOf(lines)), request]));
  pipe.tls.destroy();
  expect(`${status} ${status === 200 ? "" : body}`).toBe("200 ");
  return { cert: readCertificate(body).pem, key: keyPem };
}

/** Key, certificate request and certificate of an edge, as Go's programs made them under the CA of the vectors. */
export function madeByGo(style: EdgeVector["style"]): EdgeVector {
  const found = vectors.edge.find((one) => one.style === style);
  if (found === undefined) throw new Error(`the vectors have no edge of ${style}`);
  return found;
}

/** The answer to an upgrade, and the WebSocket if it is one. */
export interface Upgraded extends RawAnswer {
  readonly socket: RawWebSocket | undefined;
}

/** Asks for an upgrade. Rejects with what befell the connection if there is no answer at all. */
export async function upgrade(
  port: number,
  tls: ConnectionOptions,
  lines: readonly string[],
): Promise<Upgraded> {
  const pipe = await openPipe(port, tls);
  onTestFinished(() => void pipe.tcp.destroy());
  const answer = await ask(pipe, headOf(lines));
  const socket = answer.status === 101 ? new RawWebSocket(pipe, "edge", answer.rest) : undefined;
  return { ...answer, socket };
}

/** A node that has joined and can open links. */
export interface StockEdge {
  readonly node: string;
  readonly port: number;
  readonly credentials: Credentials;
}

/** Opens a link; the hub must take it. */
export async function connect(edge: StockEdge): Promise<RawWebSocket> {
  const { status, body, socket } = await upgrade(
    edge.port,
    edge.credentials,
    upgradeLines(edge.node, edge.port),
  );
  if (socket === undefined) throw new Error(`refused: ${status} ${body}`);
  return socket;
}
