import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { startControllers } from "../../controllers/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { Kubectl, kubectls } from "../support/kubectl.ts";
import { Program, temporaryDirectory, until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

/** The stock kubectl and a hub: everything that people do with it. */

const manifests = `
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { colour: blue }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - { name: web, image: "web:1" }
---
apiVersion: v1
kind: Pod
metadata: { name: sensor, labels: { app: sensor } }
spec:
  nodeName: edge-1
  containers: [{ name: sensor, image: "sensor:1" }]
`;

describe.each(kubectls())("$name", ({ path, missing, isNew }) => {
  async function start(): Promise<Kubectl> {
    const world = await startWorld();
    return new Kubectl(path, join(world.directory, "hub/admin.kubeconfig"), world.directory);
  }

  it.skipIf(missing)("applies, shows, changes and deletes what manifests say", async () => {
    const kubectl = await start();
    const file = kubectl.file(manifests);
    expect(await kubectl.out("apply", "-f", file)).toContain("deployment.apps/web created");
    expect(await kubectl.out("apply", "-f", file)).toContain("deployment.apps/web unchanged");
    expect(await kubectl.out("get", "pods", "-o", "wide")).toMatch(/sensor +0\/1 +Pending .*edge-1/);
    expect(await kubectl.out("get", "deploy,cm")).toMatch(/web +0\/2/);
    expect(await kubectl.out("describe", "pod", "sensor")).toMatch(/Node: +edge-1/);
    const changed = kubectl.file(manifests.replace("web:1", "web:2").replace("blue", "red"));
    const { code, stdout } = await kubectl.run("diff", "-f", changed);
    expect(code).toBe(1);
    expect(stdout).toContain("+      - image: web:2");
    expect(await kubectl.out("apply", "-f", changed)).toContain("deployment.apps/web configured");
    const image = "jsonpath={.spec.template.spec.containers[0].image}";
    expect(await kubectl.out("get", "deploy", "web", "-o", image)).toBe("web:2");
    await kubectl.out("delete", "-f", changed, "--wait=false");
    expect(await kubectl.out("get", "deploy")).toBe("");
    expect(await kubectl.out("get", "pods")).toMatch(/sensor .*Terminating/);
    await kubectl.out("delete", "pod", "sensor", "--force", "--grace-period=0");
    expect(await kubectl.out("get", "pods")).toBe("");
  });

  it.skipIf(missing)("applies on the server, and says who else has set a field", async () => {
    const kubectl = await start();
    await kubectl.out("create", "-f", kubectl.file(manifests));
    const mine = kubectl.file(manifests.replace("blue", "red"));
    const refused = await kubectl.run("apply", "--server-side", "--field-manager=other", "-f", mine);
    expect(refused.stderr).toContain(".data.colour");
    await kubectl.out("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", mine);
    expect(await kubectl.out("get", "cm", "settings", "-o", "jsonpath={.data.colour}")).toBe("red");
  });

  it.skipIf(missing)("edits, patches in three ways, labels, annotates and scales", async () => {
    const kubectl = await start();
    await kubectl.out("apply", "-f", kubectl.file(manifests));
    const edited = await kubectl.runWith({ EDITOR: "sed -i s/colour:/color:/" }, "edit", "cm", "settings");
    expect(edited.stdout).toContain("configmap/settings edited");
    const replicas = () => kubectl.out("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}");
    await kubectl.out("patch", "deploy", "web", "-p", '{"spec":{"replicas":3}}');
    expect(await replicas()).toBe("3");
    await kubectl.out("patch", "deploy", "web", "--type=merge", "-p", '{"spec":{"replicas":4}}');
    const json =
      '[{"op":"test","path":"/spec/replicas","value":4},{"op":"replace","path":"/spec/replicas","value":5}]';
    await kubectl.out("patch", "deploy", "web", "--type=json", "-p", json);
    expect(await replicas()).toBe("5");
    const again = await kubectl.run("patch", "deploy", "web", "--type=json", "-p", json);
    expect(again.code).not.toBe(0);
    await kubectl.out("scale", "deploy/web", "--replicas=6");
    expect(await replicas()).toBe("6");
    await kubectl.out("label", "pod", "sensor", "place=roof");
    await kubectl.out("annotate", "pod", "sensor", "note=old");
    expect(await kubectl.out("get", "pods", "-l", "place=roof", "-o", "name")).toBe("pod/sensor\n");
    const template = "-o=jsonpath={.spec.template.spec.containers[*].image}";
    await kubectl.out("set", "image", "deploy/web", "web=web:9");
    expect(await kubectl.out("get", "deploy", "web", template)).toBe("web:9");
  });

  it.skipIf(missing)("deploys the example manifests to a node, where the pod runs", async () => {
    const world = await startWorld();
    const { hub } = world;
    const parts = { hub, objects: hub.objects, clock: systemClock, log: silentLogger };
    const controllers = startControllers(parts, { enable: ["edge", "device"] });
    onTestFinished(() => controllers.close());
    await world.agent("edge-1", { edged: { enable: true, runtime: "process" } });
    const kubectl = new Kubectl(path, join(world.directory, "hub/admin.kubeconfig"), world.directory);
    const folder = join(import.meta.dirname, "../../examples/manifests");
    expect(await kubectl.out("apply", "-f", folder)).toContain("pod/vision-inspector created");
    const pods = () => kubectl.out("get", "pods", "-n", "factory", "-o", "wide");
    await until("the pod runs", async () => /vision-inspector +1\/1 +Running .*edge-1/.test(await pods()));
    expect(await kubectl.out("get", "nodes")).toMatch(/edge-1 +Ready/);
    await until("its words", async () =>
      (await kubectl.out("logs", "-n", "factory", "vision-inspector")).includes("inspects with 3 lines"),
    );
    await kubectl.out("delete", "pod", "-n", "factory", "vision-inspector", "--grace-period=1");
    expect(await pods()).toBe("");
  });

  it.skipIf(missing)("follows changes and rollouts", async () => {
    const kubectl = await start();
    await kubectl.out("apply", "-f", kubectl.file(manifests));
    const watch = kubectl.follow("get", "cm", "settings", "-w", "-o", "jsonpath={.data.colour}{'\\n'}");
    await until("the watch shows what is there", () => watch.lines.includes("blue"));
    await kubectl.out("patch", "cm", "settings", "--type=merge", "-p", '{"data":{"colour":"green"}}');
    await until("the watch shows the change", () => watch.lines.includes("green"));
    const rollout = kubectl.follow("rollout", "status", "deploy/web");
    await until("the rollout is waited for", () => rollout.lines.some((line) => line.startsWith("Waiting")));
    const done =
      '{"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2,"conditions":[]}}';
    if (!isNew) return;
    await kubectl.out("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", done);
    await until("the rollout is done", () =>
      rollout.lines.some((line) => line.includes("successfully rolled out")),
    );
  });

  it.skipIf(missing)("shows the earlier templates of a Deployment, and goes back to one", async () => {
    const world = await startWorld();
    const { hub } = world;
    const parts = { hub, objects: hub.objects, clock: systemClock, log: silentLogger };
    const controllers = startControllers(parts, { enable: ["workload"] });
    onTestFinished(() => controllers.close());
    const kubectl = new Kubectl(path, join(world.directory, "hub/admin.kubeconfig"), world.directory);
    await kubectl.out("apply", "-f", kubectl.file(manifests));
    const history = () => kubectl.out("rollout", "history", "deploy/web");
    await until("the first revision", async () => /^1 /m.test(await history()));
    await kubectl.out("set", "image", "deploy/web", "web=web:2");
    await until("the second revision", async () => /^2 /m.test(await history()));
    expect(await kubectl.out("rollout", "history", "deploy/web", "--revision=1")).toContain("web:1");
    expect(await kubectl.out("rollout", "undo", "deploy/web")).toContain("rolled back");
    const image = () =>
      kubectl.out("get", "deploy/web", "-o=jsonpath={.spec.template.spec.containers[*].image}");
    expect(await image()).toBe("web:1");
    await until("the third revision", async () => /^3 /m.test(await history()));
    expect(await history()).not.toMatch(/^1 /m);
    await kubectl.out("rollout", "undo", "deploy/web", "--to-revision=2");
    expect(await image()).toBe("web:2");
    const { stdout } = await kubectl.run("describe", "deploy/web");
    expect(stdout).toMatch(/NewReplicaSet: +web-\w{10}/);
    await kubectl.out("delete", "deploy/web");
    await until("no history", async () => (await kubectl.out("get", "rs")) === "");
  });

  it.skipIf(missing)("says where containers can be entered", async () => {
    const kubectl = await start();
    await kubectl.out("apply", "-f", kubectl.file(manifests));
    const { code, stderr } = await kubectl.run("exec", "sensor", "--", "ls");
    expect(code).not.toBe(0);
    expect(stderr).toContain("edgehub exec");
  });

  it.skipIf(missing || !isNew)("tells what there is and who may do what", async () => {
    const kubectl = await start();
    expect(await kubectl.out("api-resources")).toMatch(/devices +devices.kubeedge.io\/v1beta1 +true +Device/);
    expect(await kubectl.out("explain", "pod.spec.nodeName")).toContain("nodeName");
    expect(await kubectl.out("auth", "can-i", "create", "pods")).toBe("yes\n");
    const service = "system:serviceaccount:default:default";
    expect((await kubectl.run("auth", "can-i", "create", "pods", `--as=${service}`)).stdout).toBe("no\n");
    await kubectl.out("create", "rolebinding", "b", "--clusterrole=edit", "--serviceaccount=default:default");
    expect(await kubectl.out("auth", "can-i", "create", "pods", `--as=${service}`)).toBe("yes\n");
    const token = (await kubectl.out("create", "token", "default")).trim();
    const asService = ["--user=nobody", `--token=${token}`];
    expect(await kubectl.out("get", "pods", ...asService.slice(1))).toBe("");
    expect((await kubectl.run("get", "nodes", ...asService.slice(1))).stderr).toContain("Forbidden");
  });

  it.skipIf(missing)("serves the kinds of a definition as soon as it is there", async () => {
    const kubectl = await start();
    const definition = kubectl.file(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: lamps.example.com }
spec:
  group: example.com
  scope: Namespaced
  names: { plural: lamps, singular: lamp, kind: Lamp, listKind: LampList, shortNames: [lp] }
  versions:
    - name: v1
      served: true
      storage: true
      additionalPrinterColumns: [{ name: Watts, type: integer, jsonPath: .spec.watts }]
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: { type: object, properties: { watts: { type: integer, maximum: 100 } } }
`);
    const lamp = (watts: string) =>
      `apiVersion: example.com/v1\nkind: Lamp\nmetadata: { name: l }\nspec: { watts: ${watts} }`;
    await kubectl.out("apply", "-f", definition);
    await kubectl.out("wait", "--for=condition=established", "crd/lamps.example.com", "--timeout=10s");
    await kubectl.out("apply", "-f", kubectl.file(lamp("60")));
    expect(await kubectl.out("get", "lp")).toMatch(/NAME +WATTS\s+l +60/);
    const refused = await kubectl.run("apply", "-f", kubectl.file(lamp("600")));
    expect(refused.stderr).toContain("spec.watts");
    await kubectl.out("delete", "-f", definition);
    expect((await kubectl.run("get", "lamps")).stderr).toMatch(/could not find|have a resource type/);
  });

  it.skipIf(missing)("is told what is wrong with a manifest", async () => {
    const kubectl = await start();
    const wrong = kubectl.file(`
apiVersion: v1
kind: Pod
metadata: { name: p }
spec: { nodeNam: edge-1, containers: [{ name: c, image: i }] }
`);
    if (!isNew)
      return expect((await kubectl.run("apply", "-f", wrong)).stderr).toContain('unknown field "nodeNam"');
    const strict = await kubectl.run("apply", "-f", wrong);
    expect(strict.stderr).toContain('unknown field "spec.nodeNam"');
    const warned = await kubectl.run("apply", "--validate=warn", "-f", wrong);
    expect(warned).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('Warning: unknown field "spec.nodeNam"'),
    });
    const nameless = kubectl.file(
      "apiVersion: v1\nkind: Pod\nmetadata: { name: q }\nspec: { containers: [{ name: c }] }",
    );
    const invalid = await kubectl.run("create", "-f", nameless);
    expect(invalid.stderr).toContain("spec.containers[0].image: Required value");
    const unknown = kubectl.file("apiVersion: example.com/v1\nkind: Nothing\nmetadata: { name: nothing }");
    expect((await kubectl.run("apply", "-f", unknown)).stderr).toContain('no matches for kind "Nothing"');
    const huge = kubectl.file(
      JSON.stringify({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "h" },
        data: { k: "x".repeat(4 << 20) },
      }),
    );
    expect((await kubectl.run("create", "-f", huge)).stderr).toMatch(
      /too large|RequestEntityTooLarge|broken pipe/,
    );
  });
});

const [first] = kubectls();
it.skipIf(first?.missing)("works with the kubeconfig that the program leaves in its directory", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const port = (name: string) => [`--${name}.host=127.0.0.1`, `--${name}.port=0`];
  const ports = ["nodes", "join", "api", "router"].flatMap(port);
  const hub = new Program("cloudhub/main.ts", [`--dataDir=${path}`, "--advertise=127.0.0.1", ...ports]);
  onTestFinished(async () => void (await hub.kill("SIGTERM")));
  const { kubeconfig } = await hub.logged("hub started");
  const kubectl = new Kubectl(first?.path ?? "", String(kubeconfig), path);
  expect(await kubectl.out("get", "namespaces")).toMatch(/kubeedge +Active/);
  expect((await kubectl.run("get", "nodes")).stderr).toContain("No resources found");
});
