import { readFileSync } from "node:fs";
import { HubError } from "../../protocol/index.ts";
import type { LocalBus } from "../local-bus.ts";
import type { ModuleFactory } from "../supervisor.ts";
import type { Broker, BrokerParts } from "./broker.ts";
import { type BrokerUrl, isEncrypted, parseBrokerUrl } from "./broker-url.ts";
import { EventBus } from "./event-bus.ts";
import type { EventBusOptions } from "./options.ts";

type BrokerFactory = (parts: BrokerParts) => Broker;

/**
 * EventBus as it is configured. Of the two brokers, only the code of those in use is loaded.
 *
 * @param twin Whether DeviceTwin runs.
 * Rejects with `E_BAD_OPTION`.
 */
export async function eventBusModule(
  options: EventBusOptions & { readonly twin: boolean },
  bus: LocalBus,
): Promise<ModuleFactory> {
  const { mqttMode } = options;
  const brokers: BrokerFactory[] = [];
  if (mqttMode !== "external") brokers.push(await internalBroker(options));
  if (mqttMode !== "internal") brokers.push(await externalBroker(options));
  return (agent, failed) => new EventBus({ agent, bus, brokers, failed }, options);
}

async function internalBroker(options: EventBusOptions): Promise<BrokerFactory> {
  const { mqttServerInternal, internalCertFile, internalPrivateKeyFile, internalUsername } = options;
  const url = parseBrokerUrl(mqttServerInternal, "eventBus.mqttServerInternal");
  requireTogether({ internalCertFile, internalPrivateKeyFile });
  if (isEncrypted(url) !== (internalCertFile !== ""))
    throw new HubError(
      "E_BAD_OPTION",
      "eventBus.internalCertFile and a mqttServerInternal of tls:// or wss:// go together",
    );
  const { EmbeddedBroker } = await import("./embedded-broker.ts");
  const credentials =
    internalUsername === "" ? undefined : { username: internalUsername, password: options.internalPassword };
  return (parts) =>
    new EmbeddedBroker(parts, {
      url,
      tls: () => ({ cert: fileOf(internalCertFile), key: fileOf(internalPrivateKeyFile) }),
      credentials,
      maxClients: options.internalMaxClients,
      maxPayloadBytes: options.maxPayloadBytes,
      sessionQueueSize: options.mqttSessionQueueSize,
      qos: options.mqttQOS as 0 | 1 | 2,
      retain: options.mqttRetain,
    });
}

async function externalBroker(options: EventBusOptions): Promise<BrokerFactory> {
  const { mqttServerExternal, tlsMqttCAFile, tlsMqttCertFile, tlsMqttPrivateKeyFile } = options;
  const url: BrokerUrl = parseBrokerUrl(mqttServerExternal, "eventBus.mqttServerExternal");
  requireTogether({ tlsMqttCertFile, tlsMqttPrivateKeyFile });
  if (!isEncrypted(url) && tlsMqttCAFile + tlsMqttCertFile !== "")
    throw new HubError(
      "E_BAD_OPTION",
      "eventBus.tlsMqtt… files need a mqttServerExternal of tls:// or wss://",
    );
  const { ExternalBroker } = await import("./external-broker.ts");
  return (parts) =>
    new ExternalBroker(parts, {
      url,
      clientId: options.mqttClientID === "" ? `edgehub-${parts.agent.node}` : options.mqttClientID,
      username: options.mqttUsername,
      password: options.mqttPassword,
      tls: () => ({
        ca: fileOf(tlsMqttCAFile),
        cert: fileOf(tlsMqttCertFile),
        key: fileOf(tlsMqttPrivateKeyFile),
      }),
      maxPayloadBytes: options.maxPayloadBytes,
    });
}

function requireTogether(files: Readonly<Record<string, string>>): void {
  const names = Object.keys(files).map((name) => `eventBus.${name}`);
  const given = Object.values(files).filter((file) => file !== "").length;
  if (given !== 0 && given !== names.length)
    throw new HubError("E_BAD_OPTION", `${names.join(" and ")} go together`);
}

/** A PEM file, read anew each time: certificates are renewed. `undefined`: none is named. */
function fileOf(path: string): string | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new HubError(
      "E_BAD_OPTION",
      `cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
}
