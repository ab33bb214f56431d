import { systemClock } from "../../platform/clock.ts";
import { isDirectoryLocked } from "../../platform/instance-lock.ts";
import { formatDuration, parseDuration } from "../../platform/quantities.ts";
import { type Colour, coloured, singleLine } from "../../platform/table.ts";
import { asHubError, HubError } from "../../protocol/index.ts";
import { type Identity, loadIdentity } from "../identity.ts";
import { HubAnswers } from "./checks/ask-hub.ts";
import { externalBrokerCheck, internalBrokerCheck } from "./checks/broker.ts";
import { clockCheck, hubCheck, joinCheck } from "./checks/hub.ts";
import { portsCheck, runtimeCheck } from "./checks/local.ts";
import { agentCheck, certificateCheck, databaseCheck, diskCheck } from "./checks/node.ts";
import { quicCheck, webTransportCheck } from "./checks/transports.ts";
import { type Check, type CheckContext, failed, type Verdict } from "./checks/verdict.ts";
import type { Command, Given } from "./command.ts";
import type { InspectionIo } from "./io.ts";
import { formatOf, formatOption, formatted } from "./output.ts";
import { isReadable, placeOf } from "./place.ts";

const checks: readonly Check[] = [
  agentCheck,
  certificateCheck,
  hubCheck,
  quicCheck,
  webTransportCheck,
  joinCheck,
  clockCheck,
  diskCheck,
  databaseCheck,
  internalBrokerCheck,
  externalBrokerCheck,
  runtimeCheck,
  portsCheck,
];

type Finding = Verdict & { readonly check: string };

export const check: Command = {
  name: "check",
  usage: "",
  summary: "looks at all that this node needs, and says what to do about what is wrong",
  detail: `Give it the agent's configuration: --config FILE. It changes nothing, and works whether the agent runs or not. The hub
is asked whether it would let this node in, without a connection in its name: an agent that is connected stays so.
Exit code 1: something failed; warnings do not count.`,
  examples: [
    ["edgehub check --config edgehub.yaml", "all of it"],
    ["edgehub check -c edgehub.yaml -o json", "for monitoring"],
  ],
  options: [
    formatOption,
    { name: "timeout", value: "DURATION", description: "how long each check may take; default 5s" },
  ],
  words: { min: 0, max: 0 },
  async run(given, io) {
    const format = formatOf(given);
    const context = contextOf(given, io);
    const findings = (await Promise.all(checks.map((one) => look(one, context)))).filter(
      (one) => one !== undefined,
    );
    if (format === "table") io.out(`${linesOf(findings, io.columns !== undefined).join("\n")}\n`);
    else io.out(formatted(findings, format));
    return findings.some(({ state }) => state === "failed") ? 1 : 0;
  },
};

function contextOf(given: Given, io: InspectionIo): CheckContext {
  const { options } = given;
  const timeoutMs = parseDuration(given.text("timeout") ?? "5s");
  const place = placeOf(options);
  const startedAt = systemClock.now();
  const wallTime = (): number => io.now + systemClock.now() - startedAt;
  const identity = quietly((): Identity | undefined => loadIdentity(place.directory));
  return {
    options,
    place,
    identity,
    isRunning: quietly(() => isReadable(place.directory) && isDirectoryLocked(place.directory)),
    hub: new HubAnswers(options, identity, { timeoutMs, wallTime }),
    timeoutMs,
    wallTime,
  };
}

/** What cannot be told here, a check tells. */
function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

async function look({ name, run }: Check, context: CheckContext): Promise<Finding | undefined> {
  try {
    const verdict = await inTime(context, run);
    return verdict && { check: name, ...verdict };
  } catch (error) {
    return { check: name, ...failureOf(error) };
  }
}

async function inTime(context: CheckContext, run: Check["run"]): Promise<Verdict | undefined> {
  let cancel: () => void = () => {};
  // Those that wait for somebody give up by themselves, and can say more.
  const patienceMs = context.timeoutMs * 1.2;
  const late = new Promise<never>((_, reject) => {
    const text = `no result within ${formatDuration(patienceMs)}`;
    cancel = systemClock.after(patienceMs, () => reject(new HubError("E_TIMEOUT", text)));
  });
  try {
    return await Promise.race([run(context), late]);
  } finally {
    cancel();
  }
}

/** Of a check that could not be made. */
function failureOf(error: unknown): Verdict {
  const { code, message } = asHubError(error);
  if (code === "E_NOT_FOUND") return failed(message, "name the agent's directory with --data-dir");
  if (code === "E_TIMEOUT") return failed(message, "check again, with a longer --timeout");
  // The others say themselves what to do.
  return { state: "failed", found: code === "E_FORBIDDEN" ? message : `${code}: ${message}` };
}

const colours: Readonly<Record<Verdict["state"], Colour>> = { ok: "green", warning: "yellow", failed: "red" };

function linesOf(findings: readonly Finding[], isTerminal: boolean): string[] {
  const width = Math.max(...findings.map((one) => one.check.length));
  return findings.map(({ state, check: name, found, advice }) => {
    const text = singleLine(advice === undefined ? found : `${found}. To do: ${advice}`);
    return `${coloured(state.padEnd(7), colours[state], isTerminal)}  ${name.padEnd(width)}  ${text}`;
  });
}
