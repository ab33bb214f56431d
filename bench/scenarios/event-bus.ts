import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import mqtt, { type MqttClient } from "mqtt";
import { agentWarmUpMs, Process } from "../programs.ts";
import type { Figure, Scenario } from "../scenario.ts";

const payload = Buffer.alloc(100, "0");
/** Messages that the device has sent and the broker has not confirmed. */
const windows = [
  { inFlight: 1_000, words: "1,000 in flight", goal: 10_000 },
  { inFlight: 20, words: "20 in flight", goal: undefined },
] as const;

/** A stock MQTT client publishes to the agent's own broker, as fast as that confirms; there is no hub. */
export const eventBus: Scenario = {
  name: "event-bus",
  describes: "QoS 1 messages of one device into the agent's outbox",
  async run({ directory, rounds, roundMs }, say) {
    const figures: Figure[] = [];
    for (const { inFlight, words, goal } of windows) {
      say(words);
      const agent = startAgent(join(directory, String(inFlight)));
      const { port } = await agent.logged("internal broker listens");
      const load = new Load(await connect(`mqtt://127.0.0.1:${port}`), inFlight);
      await pause(agentWarmUpMs);
      const values: number[] = [];
      for (let round = 0; round < rounds; round++) values.push(await load.rate(roundMs));
      await load.stop();
      await agent.end();
      figures.push({
        name: `QoS 1 messages/s of one device into the outbox, ${words}`,
        unit: "1/s",
        rounds: values,
        ...(goal === undefined ? {} : { goal }),
      });
    }
    return figures;
  },
};

/** An agent as users run it, before it has joined. */
function startAgent(dataDir: string): Process {
  const flags = {
    node: "edge-1",
    dataDir,
    "hub.server": "wss://127.0.0.1:1",
    "hub.join": "https://127.0.0.1:1",
    "hub.token": "x".repeat(64),
    "eventBus.mqttServerInternal": "tcp://127.0.0.1:0",
  };
  return new Process(
    "dist/edgehub/main.js",
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
  );
}

function connect(url: string): Promise<MqttClient> {
  return mqtt.connectAsync(url, { reconnectPeriod: 0 }, false);
}

/** Keeps so many publishes in flight. */
class Load {
  readonly #client: MqttClient;
  #confirmed = 0;
  #open = 0;
  #stopped = false;
  #idle: () => void = () => {};

  constructor(client: MqttClient, inFlight: number) {
    this.#client = client;
    for (let i = 0; i < inFlight; i++) this.#publish();
  }

  /** Confirmed messages per second. */
  async rate(roundMs: number): Promise<number> {
    const [before, startedAt] = [this.#confirmed, performance.now()];
    await pause(roundMs);
    return ((this.#confirmed - before) * 1_000) / (performance.now() - startedAt);
  }

  /** Ends when all is confirmed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#client.endAsync(true);
  }

  #publish(): void {
    this.#open++;
    this.#client.publish("line/user/reading", payload, { qos: 1 }, (error) => {
      this.#open--;
      if (error) throw error;
      this.#confirmed++;
      if (!this.#stopped) this.#publish();
      else if (this.#open === 0) this.#idle();
    });
  }
}
