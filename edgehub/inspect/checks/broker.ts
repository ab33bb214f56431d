import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import mqtt, { type IClientOptions } from "mqtt";
import { HubError } from "../../../protocol/index.ts";
import { isEncrypted, parseBrokerUrl } from "../../eventbus/broker-url.ts";
import type { EventBusOptions } from "../../eventbus/options.ts";
import { type Check, type CheckContext, failed, ok, type Verdict } from "./verdict.ts";

const protocols = { tcp: "mqtt", tls: "mqtts", ws: "ws", wss: "wss" } as const;

/** The broker inside the agent; it is there while the agent runs. */
export const internalBrokerCheck: Check = {
  name: "broker",
  async run({ options: { eventBus }, isRunning, timeoutMs }) {
    if (!eventBus.enable || eventBus.mqttMode === "external" || !isRunning) return undefined;
    const url = parseBrokerUrl(eventBus.mqttServerInternal, "eventBus.mqttServerInternal");
    if (url.port === 0) return undefined;
    const { internalUsername: username, internalPassword: password } = eventBus;
    // It is this machine's own, whoever has signed its certificate.
    const terms = { username, password, rejectUnauthorized: false };
    return await lookAt(eventBus.mqttServerInternal, terms, {
      timeoutMs,
      credentials: "eventBus.internalUsername and internalPassword",
      away: "see the agent's log: it could not open its broker, or runs with another configuration than is given here",
    });
  },
};

/** The broker beside the agent. */
export const externalBrokerCheck: Check = {
  name: "external broker",
  async run({ options: { eventBus }, timeoutMs }: CheckContext) {
    if (!eventBus.enable || eventBus.mqttMode === "internal") return undefined;
    const { mqttUsername: username, mqttPassword: password } = eventBus;
    let tls: IClientOptions;
    try {
      tls = tlsOf(eventBus);
    } catch (error) {
      if (error instanceof HubError) throw error;
      const text = error instanceof Error ? error.message : String(error);
      return failed(
        `a file for ${eventBus.mqttServerExternal} cannot be read: ${text}`,
        "set eventBus.tlsMqttCAFile, tlsMqttCertFile and tlsMqttPrivateKeyFile to files that the agent may read",
      );
    }
    return await lookAt(
      eventBus.mqttServerExternal,
      { username, password, ...tls },
      {
        timeoutMs,
        credentials: "eventBus.mqttUsername and mqttPassword",
        away: "start the broker (systemctl status mosquitto), or set eventBus.mqttServerExternal",
      },
    );
  },
};

function tlsOf({ mqttServerExternal, ...files }: EventBusOptions): IClientOptions {
  if (!isEncrypted(parseBrokerUrl(mqttServerExternal, "eventBus.mqttServerExternal"))) return {};
  const read = (path: string): string | undefined => (path === "" ? undefined : readFileSync(path, "utf8"));
  const [ca, cert, key] = [files.tlsMqttCAFile, files.tlsMqttCertFile, files.tlsMqttPrivateKeyFile].map(read);
  return { ...(ca ? { ca } : {}), ...(cert && key ? { cert, key } : {}) };
}

/** Connects as a client of its own, says nothing, and leaves. */
function lookAt(
  address: string,
  { username, password, ...terms }: IClientOptions,
  words: { timeoutMs: number; credentials: string; away: string },
): Promise<Verdict> {
  const { scheme, host, port, path } = parseBrokerUrl(address, "the broker's address");
  return new Promise((resolve) => {
    const client = mqtt.connect({
      protocol: protocols[scheme],
      host,
      port,
      ...(scheme === "ws" || scheme === "wss" ? { path } : {}),
      clientId: `edgehub-check-${randomUUID().slice(0, 8)}`,
      clean: true,
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: words.timeoutMs,
      ...(username ? { username } : {}),
      ...(password ? { password } : {}),
      ...terms,
    });
    const finish = (verdict: Verdict): void => {
      resolve(verdict);
      client.end(true);
    };
    client.once("connect", () => finish(ok(`${address} lets the agent in`)));
    client.on("error", (error) => finish(brokerFailure(address, error, words)));
    client.once("close", () => finish(failed(`${address} ends the connection`, words.away)));
  });
}

function brokerFailure(
  address: string,
  error: Error & { code?: unknown },
  { credentials, away }: { credentials: string; away: string },
): Verdict {
  const { code, message } = error;
  // Return codes of MQTT 3.1.1.
  if (code === 4 || code === 5)
    return failed(`${address} refuses the user name or the password`, `set ${credentials}`);
  if (/CERT|SIGNATURE|SIGNED|ISSUER/.test(String(code)))
    return failed(
      `${address} has a certificate that is not trusted: ${message}`,
      "set eventBus.tlsMqttCAFile to the broker's CA, and an address that its certificate names",
    );
  if (code === "ECONNREFUSED") return failed(`nothing listens at ${address}`, away);
  return failed(`${address}: ${message || String(code)}`, away);
}
