import { createHash } from "node:crypto";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { onTestFinished } from "vitest";
import { readCertificate } from "../../platform/certificate.ts";
import { issueCertificate, readRequest } from "../../platform/x509.ts";
import { vectors } from "../join/vectors.ts";
import { kubeEdgeCa } from "./certificates.ts";
import { patiently } from "./patience.ts";
import { RawWebSocket } from "./raw-websocket.ts";

/** What cloudcore 1.15 does on its two ports, with the CA of the vectors. Source: wire protocol §2, §6. */

/** A request on the certificate port. */
export interface Asked {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** A dial on the port for nodes. */
export interface Dial {
  /** Head of the upgrade request, line by line. */
  readonly lines: readonly string[];
  /** Common name of the client's certificate. */
  readonly commonName: string | undefined;
  /** Protocol that was negotiated for the TLS session; false: the client offered none. */
  readonly alpn: string | false | null;
}

export interface StockCloudOptions {
  /** Answers the upgrade. Default: as cloudcore. `undefined`: with silence. */
  readonly answer?: (accept: string) => string | undefined;
  /** Certificate and key of the port for nodes. Default: those of a KubeEdge cloud, with their empty DNS name. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Takes each link; then {@link StockCloud.nextLink} gives none. */
  readonly onLink?: (link: RawWebSocket) => void;
  /** Answers `/edge.crt` instead of issuing a certificate: status and body. */
  readonly edgeCertificate?: (attempt: number) => { status: number; body: string } | undefined;
}

export class StockCloud {
  readonly asked: Asked[] = [];
  readonly dials: Dial[] = [];
  /** The token of this cloud, good for ever. */
  readonly token = vectors.tokens.find((one) => one.name === "valid-hs256")?.token ?? "";
  readonly #options: StockCloudOptions;
  readonly #nodes: TlsServer;
  readonly #join: HttpsServer;
  readonly #tcp = new Map<number | undefined, Socket>();
  readonly #links: RawWebSocket[] = [];
  #waiting: ((link: RawWebSocket) => void) | undefined;

  private constructor(options: StockCloudOptions) {
    this.#options = options;
    const { certPem } = vectors.cloudcore.emptyDnsNameVariant;
    const own = { cert: certPem, key: vectors.cloudcore.keyPem };
    const common = { ca: vectors.ca.certPem, requestCert: true };
    this.#nodes = createTlsServer({ ...own, ...options.tls, ...common, ALPNProtocols: ["h2", "http/1.1"] });
    this.#nodes.on("connection", (tcp: Socket) => this.#tcp.set(tcp.remotePort, tcp));
    this.#nodes.on("secureConnection", (tls) => this.#dialled(tls));
    this.#join = createHttpsServer({ ...own, ...common, rejectUnauthorized: false }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const one = { path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks) };
        void this.#answer(one).then(({ status, body }) => response.writeHead(status).end(body));
      });
    });
  }

  /** A cloud for one test. */
  static async start(options: StockCloudOptions = {}): Promise<StockCloud> {
    const cloud = new StockCloud(options);
    for (const server of [cloud.#nodes, cloud.#join])
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => cloud.#close());
    return cloud;
  }

  get ports(): { nodes: number; join: number } {
    return { nodes: portOf(this.#nodes), join: portOf(this.#join) };
  }

  /** The next link that is opened, or that was and has not been asked for yet. */
  nextLink(): Promise<RawWebSocket> {
    const first = this.#links.shift();
    if (first !== undefined) return Promise.resolve(first);
    const coming = new Promise<RawWebSocket>((resolve) => {
      this.#waiting = resolve;
    });
    return patiently("a link", coming);
  }

  #dialled(tls: TLSSocket): void {
    tls.on("error", () => undefined);
    let head = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      tls.off("data", read);
      const lines = head.toString("latin1", 0, end).split("\r\n");
      this.dials.push({ lines, commonName: commonNameOf(tls), alpn: tls.alpnProtocol });
      this.#upgrade(tls, lines, head.subarray(end + 4));
    };
    tls.on("data", read);
  }

  #upgrade(tls: TLSSocket, lines: readonly string[], rest: Buffer): void {
    const answer = (this.#options.answer ?? switching)(acceptOf(lines));
    if (answer === undefined) return;
    tls.write(answer);
    if (!answer.startsWith("HTTP/1.1 101 ")) return void tls.end();
    const link = new RawWebSocket({ tcp: this.#tcp.get(tls.remotePort) as Socket, tls }, "cloud", rest);
    if (this.#options.onLink) this.#options.onLink(link);
    else if (this.#waiting) this.#waiting(link);
    else this.#links.push(link);
    this.#waiting = undefined;
  }

  async #answer(one: Asked): Promise<{ status: number; body: string | Uint8Array }> {
    this.asked.push(one);
    const { accept, authorization } = one.headers;
    if (accept !== undefined && !String(accept).includes("*/*")) return { status: 406, body: "" };
    if (one.path === "/ca.crt") return { status: 200, body: kubeEdgeCa.certificate };
    const attempt = this.asked.filter(({ path }) => path === "/edge.crt").length;
    const instead = this.#options.edgeCertificate?.(attempt);
    if (instead) return instead;
    const [, ...jwt] = this.token.split(".");
    if (authorization !== `Bearer ${jwt.join(".")}`)
      return { status: 401, body: "Invalid authorization token" };
    return { status: 200, body: await issued(one.body) };
  }

  #close(): void {
    this.#nodes.close();
    this.#join.close();
    this.#join.closeAllConnections();
    for (const tcp of this.#tcp.values()) tcp.destroy();
  }
}

/** What cloudcore answers to an upgrade. */
export function switching(accept: string): string {
  const lines = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** As 1.15: the name that was asked for, whatever it is. */
async function issued(request: Uint8Array): Promise<Uint8Array> {
  const time = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 365 * 86_400_000 };
  return await issueCertificate(kubeEdgeCa, {
    ...(await readRequest(request)),
    ...time,
    usages: ["clientAuth"],
  });
}

function acceptOf(lines: readonly string[]): string {
  const key = lines.find((line) => /^sec-websocket-key: /i.test(line))?.slice(19) ?? "";
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

function commonNameOf(tls: TLSSocket): string | undefined {
  const raw = tls.getPeerX509Certificate()?.raw;
  return raw && readCertificate(raw).commonName;
}

function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}
