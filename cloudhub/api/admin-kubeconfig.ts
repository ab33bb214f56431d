/** How kubectl reaches a hub as its administrator. Pure. */
export function kubeconfig({ url, token, ca }: { url: string; token: string; ca: string }): string {
  const name = "cloudhub";
  return `apiVersion: v1
kind: Config
clusters:
- name: ${name}
  cluster:
    server: ${url}
    certificate-authority-data: ${Buffer.from(ca).toString("base64")}
users:
- name: admin
  user:
    token: ${JSON.stringify(token)}
contexts:
- name: admin@${name}
  context:
    cluster: ${name}
    user: admin
current-context: admin@${name}
`;
}
