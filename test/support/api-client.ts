import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { gunzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import type { World } from "./world.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text as JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text as it is, everything else as JSON. */
  readonly body?: unknown;
  /** `undefined` in a field: no token. */
  readonly token?: string | undefined;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

/** Plain HTTPS to a hub's API, as the admin unless something else is said. */
export class ApiClient {
  readonly url: string;
  readonly ca: string;
  /** The bearer token of the admin. */
  readonly token: string;
  readonly #agent: Agent;

  constructor({ hub }: Pick<World, "hub">) {
    const { url, token, ca } = JSON.parse(readFileSync(hub.adminFile, "utf8"));
    this.url = url;
    this.ca = ca;
    this.token = token;
    this.#agent = new Agent({ ca, keepAlive: true, maxSockets: 5_000 });
    onTestFinished(() => this.#agent.destroy());
  }

  async send(path: string, sent: Sent = {}): Promise<Answer> {
    const response = await this.open(path, sent);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const text = (response.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes).toString(
      "utf8",
    );
    const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      body: isJson && text !== "" ? JSON.parse(text) : {},
    };
  }

  /** The answer before anything of it is read. */
  open(
    path: string,
    { method = "GET", headers = {}, body, certificate, ...rest }: Sent = {},
  ): Promise<IncomingMessage> {
    const token = "token" in rest ? rest.token : this.token;
    const bytes = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const agent = certificate === undefined ? this.#agent : new Agent({ ca: this.ca, ...certificate });
    const all = {
      ...(token === undefined || certificate !== undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(bytes === undefined
        ? {}
        : { "content-type": "application/json", "content-length": String(Buffer.byteLength(bytes)) }),
      ...headers,
    };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.url), { method, headers: all, agent }, resolve);
      sent.on("error", reject);
      sent.end(bytes);
    });
  }
}
