import { choice, flag, type OptionsOf, section, text, whole } from "../../platform/config.ts";

/** Names and defaults are KubeEdge's where it has the field. */
export const eventBusSection = section("EventBus: MQTT for the programs and devices of this node", {
  enable: flag(true, { description: "Run it" }),
  mqttMode: choice("internal", ["internal", "both", "external"] as const, {
    description:
      "internal: a broker inside the agent. external: a broker of yours. both: publish to and listen on both",
    minimal: true,
  }),
  mqttServerInternal: text("tcp://127.0.0.1:1884", {
    description: "Where the internal broker listens; tcp://, tls://, ws:// or wss://; port 0: a free one",
  }),
  internalUsername: text("", { description: "User name the internal broker asks for; empty: for none" }),
  internalPassword: text("", { description: "Its password", secret: true }),
  internalCertFile: text("", {
    description: "Certificate of the internal broker, PEM; for tls:// and wss://",
  }),
  internalPrivateKeyFile: text("", { description: "Its private key" }),
  internalMaxClients: whole(1_000, 1, 100_000, { description: "Connections to the internal broker at once" }),
  mqttQOS: whole(0, 0, 2, {
    description: "Quality of service of what the agent publishes at the internal broker",
  }),
  mqttRetain: flag(false, { description: "Whether that is retained" }),
  mqttSessionQueueSize: whole(100, 1, 1_000_000, {
    description: "Messages the internal broker keeps for a client that is away",
  }),
  mqttServerExternal: text("tcp://127.0.0.1:1883", {
    description: "The external broker; tcp://, tls://, ws:// or wss://",
  }),
  mqttClientID: text("", {
    description:
      "Client id there; it names the session in which the broker keeps messages. Empty: edgehub-<node>",
  }),
  mqttUsername: text("", { description: "User name there" }),
  mqttPassword: text("", { description: "Password there", secret: true }),
  tlsMqttCAFile: text("", { description: "CA of the external broker, PEM; empty: those Node.js knows" }),
  tlsMqttCertFile: text("", { description: "Certificate shown to the external broker" }),
  tlsMqttPrivateKeyFile: text("", { description: "Its private key" }),
  maxPayloadBytes: whole(1 << 20, 1, 256 << 20, {
    description:
      "Largest payload taken. Who sends the internal broker a larger one is disconnected; from the external one it is ignored",
  }),
  wildcards: flag(false, {
    description:
      "Subscriptions of the cloud match with MQTT wildcards; false: exactly, as KubeEdge's rules do",
  }),
});

export type EventBusOptions = OptionsOf<typeof eventBusSection>;
