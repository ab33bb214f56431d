import { HubError, shown } from "../../protocol/index.ts";

/** Where a broker listens. */
export interface BrokerUrl {
  readonly scheme: "tcp" | "tls" | "ws" | "wss";
  readonly host: string;
  readonly port: number;
  /** Of WebSockets; begins with a slash. */
  readonly path: string;
}

const schemes: Readonly<Record<string, BrokerUrl["scheme"]>> = {
  tcp: "tcp",
  mqtt: "tcp",
  tls: "tls",
  ssl: "tls",
  mqtts: "tls",
  ws: "ws",
  wss: "wss",
};
const usualPorts = { tcp: 1883, tls: 8883, ws: 80, wss: 443 } as const;

/** Reads a URL in KubeEdge's forms. @param option Its name, for the error. Throws `E_BAD_OPTION`. */
export function parseBrokerUrl(text: string, option: string): BrokerUrl {
  const found = /^([a-z]+):\/\/(\[[0-9a-fA-F:.]+\]|[^:/?#@\s]+)(?::(\d{1,5}))?(\/[^?#\s]*)?$/.exec(text);
  const scheme = schemes[found?.[1] ?? ""];
  const port = found?.[3] === undefined ? undefined : Number(found[3]);
  if (found === null || scheme === undefined || (port !== undefined && port > 65_535)) {
    throw new HubError(
      "E_BAD_OPTION",
      `${option} must be tcp://, tls://, ws:// or wss:// with a host and a port, got ${shown(text)}`,
    );
  }
  const host = (found[2] as string).replace(/^\[|\]$/g, "");
  return { scheme, host, port: port ?? usualPorts[scheme], path: found[4] ?? "/" };
}

export function isEncrypted({ scheme }: BrokerUrl): boolean {
  return scheme === "tls" || scheme === "wss";
}

/** An address that only programs of this machine can reach. */
export function isLoopback({ host }: BrokerUrl): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}
