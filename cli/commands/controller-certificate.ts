import { createPublicKey } from "node:crypto";
import { existsSync } from "node:fs";
import { createKey } from "../../platform/certificate.ts";
import { writeDurably } from "../../platform/private-files.ts";
import { HubError } from "../../sdk/index.ts";
import { command } from "../command.ts";
import { flag, required, single } from "../option.ts";
import { plainRecord } from "../output.ts";
import { text, whole } from "../values.ts";

/** `hubctl controller certificate`: the key is made here and never leaves this machine, the hub sees its public half. */
export const certificateCommand = command({
  name: "certificate",
  summary: "give a program a certificate instead of a token",
  detail:
    "The key is made on this machine and stays here; the hub certifies its public half. With the certificate the " +
    "program has the rights that `controller create` gave it, also after they change. Revoking the controller ends " +
    "its certificates too.",
  arguments: { name: required("name of the controller, as it was created") },
  options: {
    out: single({
      value: "FILE",
      description:
        "write address, key, certificate and CA there, mode 0600, for --config and the SDK (required)",
      parse: text,
    }),
    days: single({
      value: "DAYS",
      description: "the certificate's life (default: 365)",
      parse: whole(1, 36_500),
    }),
    replace: flag({
      description:
        "overwrite FILE; a certificate in it stays good until it ends or its controller is revoked",
    }),
  },
  examples: ["controller certificate line-planner --out planner.json --days 90"],
  async run(context, { name }, { out, days, replace }) {
    if (out === undefined)
      throw new HubError("E_BAD_OPTION", "say where key and certificate go: --out planner.json");
    if (existsSync(out) && !replace)
      throw new HubError("E_BAD_OPTION", `${out} exists; name another file, or add --replace`);
    const { output, address } = context;
    const key = await createKey();
    const { certificate, serial, notAfter } = await context.ask((hub) =>
      hub.admin.issueControllerCertificate(name, publicPem(key.publicKey), days),
    );
    const words = {
      url: address.url,
      certificate: { cert: certificate, key: key.pem },
      ...(address.ca === undefined ? {} : { ca: address.ca }),
    };
    writeDurably(out, `${JSON.stringify(words, null, 2)}\n`, 0o600);
    const endsAt = new Date(notAfter).toISOString();
    if (output.format !== "table") output.data({ ...plainRecord({ name, serial, file: out }), endsAt });
    else
      output.lines([
        `Certificate ${serial} of controller ${name}, good until ${endsAt}, is in ${out}, with its key and the hub's CA.`,
        "",
        `  const hub = await connectHub(JSON.parse(readFileSync(${JSON.stringify(out)}, "utf8")));`,
        "",
        `Try it: hubctl --config ${out} nodes list`,
      ]);
    return undefined;
  },
});

function publicPem(der: Uint8Array): string {
  const key = createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  return key.export({ type: "spki", format: "pem" }).toString();
}
