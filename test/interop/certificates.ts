import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKey, readCertificate, readKey } from "../../platform/certificate.ts";
import { createAuthority, type Issuer, issueCertificate, type Leaf } from "../../platform/x509.ts";
import { vectors } from "../join/vectors.ts";
import type { Credentials } from "./stock-edge.ts";

/** Client certificates of every kind, most of them such as no hub should take. */

const day = 86_400_000;
const validNow = { notBefore: Date.now() - day, notAfter: Date.now() + day };

/** The CA of a KubeEdge cloud, which a hub can take over: test vectors have its key. */
export const kubeEdgeCa: Issuer = {
  certificate: readCertificate(vectors.ca.certPem).der,
  key: readKey(vectors.ca.keyPem),
};

/** Writes the CA as a KubeEdge cloud keeps it. @returns The hub's options for it. */
export function kubeEdgeCaFiles(directory: string): { certificateFile: string; keyFile: string } {
  const place = mkdtempSync(join(directory, "ca-"));
  const files = { certificateFile: join(place, "rootCA.crt"), keyFile: join(place, "rootCA.key") };
  writeFileSync(files.certificateFile, vectors.ca.certPem);
  writeFileSync(files.keyFile, vectors.ca.keyPem);
  return files;
}

/** Another CA, which calls itself the same. */
export async function otherCa(): Promise<Issuer> {
  const key = await createKey();
  return {
    key,
    certificate: await createAuthority(key, { subject: { commonName: "KubeEdge" }, ...validNow }),
  };
}

/** A certificate for a node, good in every respect but those that are changed. */
export async function certificateFor(
  node: string,
  { ca = kubeEdgeCa, ...change }: Partial<Omit<Leaf, "publicKey">> & { ca?: Issuer } = {},
): Promise<Credentials> {
  const key = await createKey();
  const subject = { organization: "system:nodes", commonName: `system:node:${node}` };
  const leaf = { subject, usages: ["clientAuth"] as const, ...validNow, publicKey: key.publicKey, ...change };
  return { cert: readCertificate(await issueCertificate(ca, leaf)).pem, key: key.pem };
}

/** A certificate for a node that nobody but itself has signed. */
export async function selfSigned(node: string): Promise<Credentials> {
  const key = await createKey();
  const subject = { organization: "system:nodes", commonName: `system:node:${node}` };
  return { cert: readCertificate(await createAuthority(key, { subject, ...validNow })).pem, key: key.pem };
}

export const past = { notBefore: Date.now() - 2 * day, notAfter: Date.now() - day };
export const future = { notBefore: Date.now() + day, notAfter: Date.now() + 2 * day };
