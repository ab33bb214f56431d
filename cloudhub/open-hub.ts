import { join } from "node:path";
import { claimDirectory } from "../platform/data-directory.ts";
import { OncePer } from "../platform/logger.ts";
import { asHubError, type HubError, type NodeId, type TrafficClass } from "../protocol/index.ts";
import { Admin } from "./admin.ts";
import { kubeconfigName, writeAdminFiles } from "./admin-files.ts";
import { Revocations } from "./admission.ts";
import { openHttpApi } from "./api/http-api.ts";
import { openObjects } from "./api/hub-objects.ts";
import { NodeLogs } from "./api/node-logs.ts";
import { Credentials } from "./credentials.ts";
import { Gate } from "./gate.ts";
import { apiRequests } from "./http/api-server.ts";
import { Hub } from "./hub.ts";
import { checkRecord, openResources, openStore } from "./hub-stores.ts";
import { type Authority, openAuthority } from "./join/authority.ts";
import { Enrolment } from "./join/enrolment.ts";
import { startJoinApi } from "./join/join-api.ts";
import { JoinTokens } from "./join/tokens.ts";
import { Controllers, type ListenerParts } from "./listeners.ts";
import { HubMetrics } from "./metrics.ts";
import { listenForNodes } from "./node-listeners.ts";
import { advertisedNames, type HubOptions } from "./options.ts";
import { type HubServerParts, RunningHub } from "./running-hub.ts";

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
  const createObjects = directory.recorded?.resourcesId === undefined;
  const resources = await openResources(options, createObjects, clock, onDeath);
  opened.push(() => resources.close());
  checkRecord(
    directory,
    { storeId: store.storeId, caHash: authority.caHash, resourcesId: resources.storeId },
    options.dataDir,
  );

  const metrics = new HubMetrics();
  const once = new OncePer(clock, logPeriodMs);
  const gate = new Gate(clock, options);
  const hub = new Hub(
    { store, clock, log, once, metrics, isFlapping: (node) => gate.isFlapping(node) },
    options,
  );
  opened.push(() => hub.close());
  const objects = await openObjects({
    store: resources,
    hub,
    clock,
    log,
    dataDir: join(options.dataDir, "pki"),
    caPem: authority.caCertificatePem,
  });
  opened.push(() => objects.close());
  const credentials = new Credentials(store);
  const revocations = await Revocations.load(store);
  const identify: ListenerParts["identify"] = (certificate, now) => authority.identify(certificate, now);
  const listenerParts: ListenerParts = {
    hub,
    store,
    clock,
    log,
    once,
    metrics,
    identify,
    revocations,
    credentials,
    tls: serverTls(authority),
    gate,
  };
  const controllers = new Controllers(listenerParts, options);
  const tokens = new JoinTokens(
    { records: store.records("join-token"), authority, clock },
    { acceptUnrecorded: options.join.acceptUnrecordedTokens },
  );
  const admin = new Admin({
    hub,
    store,
    tokens,
    credentials,
    authority,
    revocations,
    clock,
    log,
    isConnected: (name) => controllers.isConnected(name),
    disconnect: (name, reason) => controllers.disconnect(name, reason),
  });
  let watches = (): number => 0;
  let handshakesWaiting = (): number => 0;
  const gauges = () => ({
    counters: hub.counters,
    load: hub.load,
    controllers: controllers.size,
    knownNodes: store.nodes().length,
    watches: watches(),
    budgetWaits: (traffic: TrafficClass) => hub.budgets.waits(traffic),
    gate: { ...gate.load, handshakesWaiting: handshakesWaiting() },
  });
  metrics.observe(gauges, parts.processMetrics);

  const enrolment = new Enrolment(
    { authority, tokens, store, clock, isRevoked: (serial: string) => revocations.isRevoked(serial) },
    {
      certificateDays: options.join.certificateDays,
      allowRejoin: options.join.allowRejoin,
      allowUnboundCertificates: options.nodes.allowUnboundCertificates,
    },
  );
  const joinApi = await startJoinApi(
    { host: options.join.host, port: options.join.port, requestTimeoutMs: options.nodes.handshakeTimeoutMs },
    {
      authority,
      enrolment,
      store,
      clock,
      log,
      refused: (error) => metrics.refused("join", error.code),
      admitted: () => undefined,
    },
  );
  opened.push(() => joinApi.close());
  const httpApi = await openHttpApi(
    {
      objects,
      credentials,
      identify,
      revocations,
      byCertificate: (certificate) => controllers.byCertificate(certificate),
      clock,
      log,
      once,
      podLogs: new NodeLogs({
        hub,
        clock,
        dialectOf: (node) => hub.links.get(node as NodeId)?.dialect,
        podNow: (namespace, name) => resources.get({ type: "pods", namespace, name })?.object,
      }),
      answered: (verb, code) => metrics.apiRequest(verb, code),
      stalled: () => metrics.watchStalled(),
    },
    httpApiOptions(options),
  );
  opened.push(() => httpApi.close());
  watches = httpApi.watches;
  const requests = await apiRequests({
    registry: metrics.registry,
    trouble: () => trouble,
    objects: (request, response) => httpApi.handler.handle(request, response),
  });
  const apiListener = await controllers.listen(admin, requests);
  opened.push(() => {
    controllers.closeAll();
    return apiListener.close();
  });
  const nodeListener = await listenForNodes(listenerParts, options);
  opened.push(() => nodeListener.close());
  handshakesWaiting = () => nodeListener.waiting ?? 0;
  opened.push(keepFresh(authority, enrolment, [joinApi, apiListener, nodeListener], parts));

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

function httpApiOptions({ api }: HubOptions): Parameters<typeof openHttpApi>[1] {
  const { watchStallMs, auditFile: file, auditMaxBytes: maxBytes, auditFiles: keepFiles } = api;
  return { watchStallMs, audit: file === "" ? undefined : { file, maxBytes, keepFiles } };
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
