import { join } from "node:path";
import type { ObjectsApi } from "../kubernetes/index.ts";
import type { Clock } from "../platform/clock.ts";
import { claimDirectory, type DataDirectory } from "../platform/data-directory.ts";
import { type Logger, OncePer } from "../platform/logger.ts";
import { readIfThere, writeDurably } from "../platform/private-files.ts";
import {
  allRights,
  asHubError,
  type Checkpoint,
  type Filter,
  type HubAdmin,
  type HubApi,
  HubError,
  type LedgerEntry,
  type LedgerQuery,
  type Message,
  type NodeId,
  type NodeView,
  type PublishDraft,
  type Published,
  type PublishOptions,
  type PublishOutcome,
  type ResourceQuery,
  type ResourceView,
  type RolloutQuery,
  type RolloutView,
  type Subscription,
} from "../protocol/index.ts";
import type { Listener } from "../transport/index.ts";
import { Admin } from "./admin.ts";
import { Revocations } from "./admission.ts";
import { kubeconfig } from "./api/admin-kubeconfig.ts";
import { openHttpApi } from "./api/http-api.ts";
import { type HubObjects, openObjects } from "./api/hub-objects.ts";
import { NodeLogs } from "./api/node-logs.ts";
import { Credentials } from "./credentials.ts";
import { apiRequests } from "./http/api-server.ts";
import { Hub } from "./hub.ts";
import { type Authority, openAuthority } from "./join/authority.ts";
import { Enrolment } from "./join/enrolment.ts";
import { startJoinApi } from "./join/join-api.ts";
import { JoinTokens } from "./join/tokens.ts";
import { Controllers, type ListenerParts, listenForNodes } from "./listeners.ts";
import { HubMetrics } from "./metrics.ts";
import { advertisedNames, type HubOptions } from "./options.ts";
import type { HubStore } from "./store/hub-store.ts";
import { openHubStore } from "./store/sqlite-hub-store.ts";
import { openResourceStore, type SqliteResourceStore } from "./store/sqlite-resource-store.ts";

export interface HubServerParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** The hub cannot go on: its database writer has died. */
  readonly onFatal: (error: HubError) => void;
  /** Measure this process too; only one hub in a process can. */
  readonly processMetrics: boolean;
}

/** Faults and refusals are logged once in so long per peer and code. */
const logPeriodMs = 60_000;
const day = 86_400_000;
/** How kubectl reaches the hub; beside the file for `hubctl`. */
const kubeconfigName = "admin.kubeconfig";

/** A hub with its listeners; see `startHub`. */
export class RunningHub implements HubApi {
  /** The operator's verbs. */
  readonly admin: HubAdmin;
  /** The Kubernetes objects that the hub keeps, with all rights. */
  readonly objects: ObjectsApi;
  /** The ports that are listened on, also where 0 was configured. */
  readonly ports: { readonly nodes: number; readonly join: number; readonly api: number };
  /** The hub's CA certificate, PEM; and the hash that join tokens carry. */
  readonly ca: { readonly pem: string; readonly hash: string };
  /** File with address and token of the admin; `hubctl` reads it. */
  readonly adminFile: string;
  readonly storeId: string;
  readonly #hub: Hub;
  readonly #close: () => Promise<void>;
  readonly #metrics: HubMetrics;
  #closing: Promise<void> | undefined;

  constructor(
    parts: {
      hub: Hub;
      admin: HubAdmin;
      metrics: HubMetrics;
      objects: HubObjects;
      authority: Authority;
      store: HubStore;
      close(): Promise<void>;
    },
    words: Pick<RunningHub, "ports" | "adminFile">,
  ) {
    this.admin = parts.admin;
    this.objects = parts.objects.registry;
    this.ports = words.ports;
    this.adminFile = words.adminFile;
    this.ca = { pem: parts.authority.caCertificatePem, hash: parts.authority.caHash };
    this.storeId = parts.store.storeId;
    this.#hub = parts.hub;
    this.#metrics = parts.metrics;
    this.#close = parts.close;
  }

  publish(draft: PublishDraft, options?: PublishOptions): Promise<Published> {
    return this.#hub.publish(draft, options);
  }

  publishBatch(drafts: readonly PublishDraft[], options?: PublishOptions): Promise<PublishOutcome[]> {
    return this.#hub.publishBatch(drafts, options);
  }

  acked(published: Published, options?: Pick<PublishOptions, "signal" | "timeoutMs">): Promise<void> {
    return this.#hub.acked(published, options);
  }

  subscribe(filter: Filter, options?: { signal?: AbortSignal }): Subscription {
    return this.#hub.subscribe(filter, options);
  }

  request(draft: PublishDraft, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Message> {
    return this.#hub.request(draft, options);
  }

  where(query: LedgerQuery): Promise<LedgerEntry[]> {
    return this.#hub.where(query);
  }

  checkpoint(node: string, resource: string): Promise<Checkpoint | undefined> {
    return this.#hub.checkpoint(node, resource);
  }

  resources(query: ResourceQuery): Promise<ResourceView[]> {
    return this.#hub.resources(query);
  }

  rollout(query: RolloutQuery): Promise<RolloutView> {
    return this.#hub.rollout(query);
  }

  nodes(): Promise<NodeView[]> {
    return this.#hub.nodes();
  }

  /** The metrics as Prometheus reads them. */
  metrics(): Promise<string> {
    return this.#metrics.registry.metrics();
  }

  /** Stops listening, ends the links saying so, writes what is to be written. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }
}

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
  const hub = new Hub({ store, clock, log, once, metrics }, options);
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
  const gauges = () => ({
    counters: hub.counters,
    load: hub.load,
    controllers: controllers.size,
    knownNodes: store.nodes().length,
    watches: watches(),
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
  opened.push(keepFresh(authority, enrolment, [joinApi, apiListener, nodeListener], parts));

  const ports = { nodes: nodeListener.port, join: joinApi.port, api: apiListener.port };
  const adminFile = await writeAdminFile(options, ports, authority, credentials, clock);
  log.info("hub started", {
    ...ports,
    dataDir: options.dataDir,
    kubeconfig: join(options.dataDir, kubeconfigName),
    knownNodes: store.nodes().length,
    caHash: authority.caHash,
  });
  return new RunningHub({ hub, admin, metrics, objects, authority, store, close }, { ports, adminFile });
}

function openStore(
  options: HubOptions,
  create: boolean,
  clock: Clock,
  onDeath: (error: HubError) => void,
): Promise<HubStore> {
  const { limits, store } = options;
  const file = join(options.dataDir, "hub.db");
  return openHubStore(
    {
      file,
      create,
      synchronous: store.synchronous,
      maxBytes: store.maxBytes,
      limits: {
        maxBacklogMessages: limits.backlogMessages,
        maxBacklogBytes: limits.backlogBytes,
        ledgerMessages: store.ledgerMessages,
      },
      tombstoneMs: store.tombstoneMs,
      ledgerMs: store.ledgerMs,
    },
    clock,
    onDeath,
  );
}

function openResources(
  { dataDir, store, objects }: HubOptions,
  create: boolean,
  clock: Clock,
  onDeath: (error: HubError) => void,
): Promise<SqliteResourceStore> {
  return openResourceStore(
    {
      file: join(dataDir, "resources.db"),
      create,
      synchronous: store.synchronous,
      maxBytes: store.maxBytes,
      maxObjectCharacters: objects.maxBytes,
      history: { changes: objects.historyChanges, characters: objects.historyBytes },
    },
    clock,
    onDeath,
  );
}

/** Databases and CA must be those that were set up together here. */
function checkRecord(
  directory: DataDirectory,
  found: { storeId: string; caHash: string; resourcesId: string },
  dataDir: string,
): void {
  const { recorded } = directory;
  if (recorded === undefined) {
    directory.record(found);
    return;
  }
  const foreign = (file: string): HubError =>
    new HubError(
      "E_STORE_CORRUPT",
      `${join(dataDir, file)} is not the database that belongs here; restore the right one from a backup`,
    );
  if (recorded.storeId !== found.storeId) throw foreign("hub.db");
  if (recorded.resourcesId !== undefined && recorded.resourcesId !== found.resourcesId)
    throw foreign("resources.db");
  if (recorded.caHash !== found.caHash) {
    throw new HubError(
      "E_STORE_CORRUPT",
      `the CA is not the one that this hub was set up with (hash ${recorded.caHash}, found ${found.caHash}): no node would trust it. Restore ${join(dataDir, "pki")}, or ca.certificateFile and ca.keyFile`,
    );
  }
  // Set up by a version that kept no objects.
  if (recorded.resourcesId === undefined) directory.record(found);
}

function httpApiOptions({ api }: HubOptions): Parameters<typeof openHttpApi>[1] {
  const { watchStallMs, auditFile: file, auditMaxBytes: maxBytes, auditFiles: keepFiles } = api;
  return { watchStallMs, audit: file === "" ? undefined : { file, maxBytes, keepFiles } };
}

function serverTls(authority: Authority): { key: string; cert: string; ca: string } {
  return { ...authority.serverTls(), ca: authority.caCertificatePem };
}

type TlsListener = Listener & { setTls(tls: { key: string; cert: string; ca: string }): void };

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

/**
 * Writes how `hubctl` reaches this hub, in a file that only this user can read. The token in it stays the same
 * from start to start; if the file is lost or the token revoked, the next start makes a new one.
 */
async function writeAdminFile(
  options: HubOptions,
  ports: RunningHub["ports"],
  authority: Authority,
  credentials: Credentials,
  clock: Clock,
): Promise<string> {
  const file = join(options.dataDir, "admin.json");
  const token =
    (await tokenIn(file, credentials, clock)) ??
    (await credentials.create("admin", allRights, { now: clock.wallTime() }));
  const everywhere = options.api.host === "0.0.0.0" || options.api.host === "::";
  const words = {
    url: `https://${everywhere ? "127.0.0.1" : hostInUrl(options.api.host)}:${ports.api}`,
    token,
    ca: authority.caCertificatePem,
    // For the words that tell people how a machine joins.
    nodes: `wss://${outwardHost(options, options.nodes.host)}:${ports.nodes}`,
    join: `https://${outwardHost(options, options.join.host)}:${ports.join}`,
  };
  writeDurably(file, `${JSON.stringify(words, null, 2)}\n`, 0o600);
  writeDurably(join(options.dataDir, kubeconfigName), kubeconfig(words), 0o600);
  return file;
}

/** The name under which other machines reach a listener: the first one advertised, unless it listens on one address. */
function outwardHost(options: HubOptions, listening: string): string {
  if (listening !== "0.0.0.0" && listening !== "::") return hostInUrl(listening);
  const names = advertisedNames(options);
  const outward = names.find((name) => !["localhost", "127.0.0.1", "::1"].includes(name));
  return hostInUrl(options.advertise[0] ?? outward ?? "127.0.0.1");
}

function hostInUrl(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

async function tokenIn(file: string, credentials: Credentials, clock: Clock): Promise<string | undefined> {
  try {
    const { token } = JSON.parse(readIfThere(file) ?? "{}") as { token?: unknown };
    if (typeof token !== "string") return undefined;
    await credentials.byToken(token, clock.wallTime());
    return token;
  } catch {
    return undefined;
  }
}
