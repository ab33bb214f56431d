import { join } from "node:path";
import {
  type Certificate,
  fits,
  isIssuedBy,
  type PrivateKey,
  readCertificate,
  readKey,
} from "../../platform/certificate.ts";
import { makePrivateDirectory, readIfThere, writeDurably } from "../../platform/private-files.ts";
import { HubError } from "../../protocol/index.ts";

/** A certificate and its private key. */
export interface Pair {
  readonly certificate: Certificate;
  readonly key: PrivateKey;
}

export interface PkiOptions {
  /** The hub's data directory; keys and certificates lie in its `pki/`. */
  readonly dataDir: string;
  /** True only if the data directory has never been initialised: then, and only then, a new CA may be made. */
  readonly create: boolean;
  /** PEM files of a CA to use instead of one of our own, a KubeEdge cloud's for example: both, or neither (or ""). */
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/** Two PEM files. */
interface PairFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Makes the error for a pair that cannot be used, from a text that names the file and what is wrong with it. */
type Complaint = (text: string, cause?: unknown) => HubError;

/**
 * The hub's key files: `ca.crt`, `ca.key`, `server.crt`, `server.key`, all PEM, keys with mode 0600 in a directory
 * with mode 0700. Reading never writes; each file is replaced as a whole or not at all.
 */
export class PkiDirectory {
  readonly #options: PkiOptions;
  readonly #directory: string;
  readonly #ca: PairFiles;
  readonly #server: PairFiles;

  constructor(options: PkiOptions) {
    this.#options = options;
    this.#directory = join(options.dataDir, "pki");
    this.#ca = filesIn(this.#directory, "ca");
    this.#server = filesIn(this.#directory, "server");
  }

  /**
   * The CA: the imported one if options name one, else the hub's own.
   *
   * @returns `undefined` if there is none yet and one may be made.
   * Throws `E_STORE_CORRUPT` if our own is missing, damaged or half there; `E_BAD_OPTION` for an imported one.
   */
  readAuthority(): Pair | undefined {
    const { certificateFile = "", keyFile = "" } = this.#options;
    if (certificateFile === "" && keyFile === "") return this.#readOwn();
    if (certificateFile === "" || keyFile === "") {
      throw unusable("certificateFile and keyFile of a CA go together: give both or neither");
    }
    const files = { certificate: certificateFile, key: keyFile };
    const pair = readAuthorityPair(files, unusable);
    if (pair === undefined) throw unusable(`${certificateFile} and ${keyFile} do not exist`);
    return pair;
  }

  /**
   * The hub's own certificate and key; `undefined` if neither file exists.
   * Throws `E_STORE_CORRUPT` if one is missing, damaged or not of the other.
   */
  readServer(): Pair | undefined {
    return readPair(this.#server, (text, cause) => {
      const { certificate, key } = this.#server;
      const way = `Delete ${certificate} and ${key}, and start again: the hub then makes new ones, which every node accepts`;
      return new HubError("E_STORE_CORRUPT", `${text}. ${way}`, { cause });
    });
  }

  /** Writes a new CA. Throws `E_STORAGE` or `E_STORAGE_FULL`. */
  writeAuthority(pair: Pair): void {
    this.#writePair(this.#ca, pair);
  }

  /** Writes the hub's own certificate and key. Throws `E_STORAGE` or `E_STORAGE_FULL`. */
  writeServer(pair: Pair): void {
    this.#writePair(this.#server, pair);
  }

  /** Replaces the hub's own certificate; its key stays. Throws `E_STORAGE` or `E_STORAGE_FULL`. */
  writeServerCertificate(certificate: Certificate): void {
    writeDurably(this.#server.certificate, certificate.pem, 0o644);
  }

  #readOwn(): Pair | undefined {
    const { create, dataDir } = this.#options;
    const way = create
      ? `A first start was cut short: delete ${this.#directory} and start again`
      : `Restore ${this.#directory} from a backup. Without it every node must join again, with a hub that begins anew in an empty directory instead of ${dataDir}`;
    const complain: Complaint = (text, cause) =>
      new HubError("E_STORE_CORRUPT", `${text}. Nothing has been changed. ${way}`, { cause });
    const pair = readAuthorityPair(this.#ca, complain);
    if (pair === undefined && !create)
      throw complain(`${this.#ca.certificate} and ${this.#ca.key} are missing`);
    return pair;
  }

  #writePair(files: PairFiles, pair: Pair): void {
    makePrivateDirectory(this.#directory);
    writeDurably(files.key, pair.key.pem, 0o600);
    writeDurably(files.certificate, pair.certificate.pem, 0o644);
  }
}

/**
 * Reads a pair and checks that its halves belong together.
 *
 * @returns `undefined` if neither file exists.
 */
function readPair(files: PairFiles, complain: Complaint): Pair | undefined {
  const texts = { certificate: readFile(files.certificate, complain), key: readFile(files.key, complain) };
  if (texts.certificate === undefined && texts.key === undefined) return undefined;
  if (texts.certificate === undefined) throw complain(`${files.certificate} is missing`);
  if (texts.key === undefined) throw complain(`${files.key} is missing`);
  const certificate = guarded(files.certificate, complain, () => readCertificate(texts.certificate ?? ""));
  const key = guarded(files.key, complain, () => readKey(texts.key ?? ""));
  if (!fits(certificate, key)) throw complain(`${files.key} is not the key of ${files.certificate}`);
  return { certificate, key };
}

/** As {@link readPair}, for a CA: its certificate must be one, and whole. */
function readAuthorityPair(files: PairFiles, complain: Complaint): Pair | undefined {
  const pair = readPair(files, complain);
  if (pair === undefined) return undefined;
  const { certificate } = pair;
  if (!certificate.isAuthority) throw complain(`${files.certificate} is not the certificate of an authority`);
  const signsItself = certificate.issuerName === certificate.commonName;
  if (signsItself && !isIssuedBy(certificate, certificate)) {
    throw complain(`${files.certificate} is damaged: its signature is wrong`);
  }
  return pair;
}

function readFile(file: string, complain: Complaint): string | undefined {
  try {
    return readIfThere(file);
  } catch (cause) {
    throw complain(textOf(cause), cause);
  }
}

function guarded<T>(file: string, complain: Complaint, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw complain(`${file} is damaged: ${textOf(cause)}`, cause);
  }
}

function unusable(text: string, cause?: unknown): HubError {
  return new HubError("E_BAD_OPTION", `the CA to import cannot be used: ${text}`, { cause });
}

function filesIn(directory: string, name: string): PairFiles {
  return { certificate: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
