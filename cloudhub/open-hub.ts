import { join } from "node:path";
import { claimDirectory } from "../platform/data-directory.ts";
import { OncePer } from "../platform/logger.ts";
import { asHubError, type HubError, type TrafficClass } from "../protocol/index.ts";
import { Admin } from "./admin.ts";
import { kubeconfigName, writeAdminFiles } from "./admin-files.ts";
import { Revocations } from "./admission.ts";
import { Credentials } from "./credentials.ts";
import { Gate } from "./gate.ts";
import { LaterRequests } from "./http/later-requests.ts";
import { Hub } from "./hub.ts";
import { checkRecord, openResources, openStore } from "./hub-stores.ts";
import { type Authority, openAuthority } from "./join/authority.ts";
import type { Enrolment } from "./join/enrolment.ts";
import { JoinTokens } from "./join/tokens.ts";
import { KeptBudgets } from "./kept-budgets.ts";
import { Controllers, type ListenerParts } from "./listeners.ts";
import { HubMetrics } from "./metrics.ts";
import { listenForNodes } from "./node-listeners.ts";
import { advertisedNames, type HubOptions } from "./options.ts";
import { type HubServerParts, RunningHub } from "./running-hub.ts";
import type { SqliteResourceStore } from "./store/sqlite-resource-store.ts";

/** Faults and refusals are logged once in so long per peer and code. */
const logPeriodMs = 60_000;
const day = 86_400_000;

/** Opens the data directory and starts everything; on failure nothing stays open. */
export async function openHub(options: HubOptions, parts: HubServerParts): Promise<RunningHub> {
  const opened: (() => unknown)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.splice(0).reverse()) await close();
  };
  try {
    return await open(options, parts, opened, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function open(
  options: HubOptions,
  parts: HubServerParts,
  opened: (() => unknown)[],
  close: () => Promise<void>,
): Promise<RunningHub> {
  const { clock, log } = parts;
  const directory = claimDirectory(options.dataDir, ["hub.db"], {
    addedLater: { "resources.db": "resourcesId" },
  });
  opened.push(() => directory.release());
  const create = directory.recorded === undefined;
  const authority = await openAuthority(
    { dataDir: options.dataDir, create, ...options.ca, serverNames: advertisedNames(options) },
    clock,
  );
  let trouble: string | undefined;
  const onDeath = (error: HubError): void => {
    trouble = error.message;
    parts.onFatal(error);
  };
  const store = await openStore(options, create, clock, onDeath);
  opened.push(() => store.close());
  const setUp = directory.recorded?.resourcesId !== undefined;
  const openObjectStore = async (): Promise<SqliteResourceStore> => {
    const resources = await openResources(options, !setUp, clock, onDeath);
    opened.push(() => resources.close());
    return resources;
  };
  const found = { storeId: store.storeId, caHash: authority.caHash };
  // What is new is set up completely before anybody can connect; else nodes need not wait for the objects.
  const early = setUp ? undefined : await openObjectStore();
  checkRecord(directory, { ...found, resourcesId: early?.storeId }, options.dataDir);

  const metrics = new HubMetrics();
  const once = new OncePer(clock, logPeriodMs);
  const gate = new Gate(clock, options);
  const kept = await KeptBudgets.open({ store, clock, log, once }, options.budget);
  opened.push(() => kept.close());
  const { budgets } = kept;
  const hub = new Hub(
    { store, clock, log, once, metrics, budgets, isFlapping: (node) => gate.isFlapping(node) },
    options,
  );
  opened.push(() => hub.close());
  const credentials = new Credentials(store);
  const revocations = await Revocations.load(store);
  const identify: ListenerParts["identify"] = (certificate, now) => authority.identify(certificate, now);
  const tls = serverTls(authority);
  const shared = { hub, store, clock, log, once, metrics, identify, revocations, credentials };
  const listenerParts: ListenerParts = { ...shared, tls, gate };
  const controllers = new Controllers(listenerParts, options);
  const tokens = new JoinTokens(
    { records: store.records("join-token"), authority, clock },
    { acceptUnrecorded: options.join.acceptUnrecordedTokens },
  );
  const admin = new Admin({
    ...shared,
    tokens,
    authority,
    isConnected: (name) => controllers.isConnected(name),
    disconnect: (name, reason) => controllers.disconnect(name, reason),
  });
  const requests = new LaterRequests();
  const apiListener = await controllers.listen(admin, requests.listener);
  const nodeListener = await listenForNodes(listenerParts, options);
  const stopListening = async (): Promise<void> => {
    await nodeListener.close();
    controllers.closeAll();
    await apiListener.close();
    requests.close();
  };
  opened.push(stopListening);

  // From here on nodes are served. What they do not need is not even loaded before.
  const resources = early ?? (await openObjectStore());
  if (early === undefined)
    checkRecord(directory, { ...found, resourcesId: resources.storeId }, options.dataDir);
  const { openApis } = await import("./open-apis.ts");
  const apis = await openApis({ ...shared, resources, authority, tokens, controllers }, options, opened);
  const { objects, joinApi, enrolment } = apis;
  requests.open(await apis.requests(() => trouble));
  const gauges = () => ({
    counters: hub.counters,
    load: hub.load,
    controllers: controllers.size,
    knownNodes: store.nodes().length,
    watches: apis.watches(),
    budgetWaits: (traffic: TrafficClass) => budgets.waits(traffic),
    gate: { ...gate.load, handshakesWaiting: nodeListener.waiting },
  });
  metrics.observe(gauges, parts.processMetrics);
  opened.push(keepFresh(authority, enrolment, [joinApi, apiListener, nodeListener], parts));
  opened.push(stopListening);

  const ports = { ...nodeListener.ports, join: joinApi.port, api: apiListener.port };
  const adminFile = await writeAdminFiles(options, ports, { authority, credentials, clock });
  log.info("hub started", {
    ...ports,
    dataDir: options.dataDir,
    kubeconfig: join(options.dataDir, kubeconfigName),
    knownNodes: store.nodes().length,
    caHash: authority.caHash,
  });
  return new RunningHub({ hub, admin, metrics, objects, authority, store, close }, { ports, adminFile });
}

function serverTls(authority: Authority): { key: string; cert: string; ca: string } {
  return { ...authority.serverTls(), ca: authority.caCertificatePem };
}

type TlsListener = { setTls(tls: { key: string; cert: string; ca: string }): void };

/** Once a day: replaces the hub's certificate before it ends, forgets records of ended ones. @returns Stops that. */
function keepFresh(
  authority: Authority,
  enrolment: Pick<Enrolment, "forgetEnded">,
  listeners: readonly TlsListener[],
  { clock, log }: HubServerParts,
): () => void {
  let cancel: () => void = () => {};
  const look = async (): Promise<void> => {
    try {
      if (await authority.refreshServer()) {
        for (const listener of listeners) listener.setTls(serverTls(authority));
        log.info("the hub's certificate was issued anew");
      }
      await enrolment.forgetEnded();
    } catch (error) {
      log.error("certificates could not be looked after", { error: asHubError(error) });
    }
  };
  const later = (): void => {
    cancel = clock.after(day, () => {
      void look();
      later();
    });
  };
  later();
  return () => cancel();
}
