import { choice, flag, section, text, whole } from "../../platform/config.ts";

/** Names and defaults are KubeEdge's where it has the field. */
export const eventBusSection = section("EventBus: MQTT for the programs and devices of this node", {
  enable: flag(true, { description: "Run it" }),
  mqttMode: choice("internal", ["internal", "both", "external"] as const, {
    description:
      "internal: a broker inside the agent. external: a broker of yours. both: publish to and listen on both",
    minimal: true,
  }),
  mqttServerInternal: text("tcp://127.0.0.1:1884", {
    description: "Where the internal broker listens; tcp://, tls://, ws:// or wss://",
  }),
  mqttServerExternal: text("tcp://127.0.0.1:1883", { description: "The external broker" }),
  mqttQOS: whole(0, 0, 2, {
    description: "Quality of service of what the internal broker is given to publish",
  }),
  mqttRetain: flag(false, { description: "Whether that is retained" }),
  mqttSessionQueueSize: whole(100, 1, 1_000_000, {
    description: "Messages the internal broker keeps for a client that is away",
  }),
  mqttUsername: text("", { description: "User name; the internal broker then asks for it as well" }),
  mqttPassword: text("", { description: "Password", secret: true }),
  tlsMqttCAFile: text("", { description: "CA of the external broker; empty: the system's" }),
  tlsMqttCertFile: text("", {
    description: "Certificate shown to the external broker, or by the internal one",
  }),
  tlsMqttPrivateKeyFile: text("", { description: "Its private key" }),
  maxPayloadBytes: whole(1 << 20, 1, 256 << 20, {
    description: "Largest payload taken from a client; who sends a larger one is disconnected",
  }),
  wildcards: flag(false, {
    description: "Subscriptions of the cloud match with MQTT wildcards; false: exactly, as at KubeEdge",
  }),
});
