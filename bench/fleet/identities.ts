import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createKey, readCertificate, readKey } from "../../platform/certificate.ts";
import { issueCertificate, leafBackdateMs } from "../../platform/x509.ts";
import type { FleetIdentities } from "../../testbed/fleet/fleet-nodes.ts";

/** Issues certificates for simulated nodes, `prefix-0` and so on, with the CA of a hub's data directory. */
export async function issueFleet(
  hubDataDir: string,
  count: number,
  prefix = "fleet",
): Promise<FleetIdentities> {
  const ca = readFileSync(join(hubDataDir, "pki", "ca.crt"), "utf8");
  const caKey = readKey(readFileSync(join(hubDataDir, "pki", "ca.key"), "utf8"));
  const issuer = { certificate: readCertificate(ca).der, key: caKey };
  const key = await createKey();
  const now = Date.now();
  const nodes: { node: string; cert: string }[] = [];
  for (let i = 0; i < count; i++) {
    const node = `${prefix}-${i}`;
    const der = await issueCertificate(issuer, {
      publicKey: key.publicKey,
      subject: { organization: "system:nodes", commonName: `system:node:${node}` },
      usages: ["clientAuth"],
      alternativeNames: [],
      notBefore: now - leafBackdateMs,
      notAfter: now + 86_400_000,
    });
    nodes.push({ node, cert: readCertificate(der).pem });
  }
  return { ca, key: key.pem, nodes };
}
