import { expect, it, onTestFinished } from "vitest";
import { Informer, type ObjectChange } from "../../controllers/runtime/informer.ts";
import { configMaps } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { FakeObjects } from "../support/fake-objects.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const configMap = (name: string, color: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { color },
});

function world() {
  const clock = new FakeClock();
  const objects = new FakeObjects(() => clock.wallTime());
  const log = recordingLogger();
  const informer = new Informer({ objects, clock, log }, configMaps);
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const seen: string[] = [];
  const told = ({ object, previous }: ObjectChange): void => {
    const kind = object === undefined ? "gone" : previous === undefined ? "new" : "changed";
    seen.push(`${kind} ${(object ?? previous)?.metadata.name}`);
  };
  return { clock, objects, log, informer, stop, seen, told };
}

it("lists, then watches", async () => {
  const { clock, objects, informer, stop, seen, told } = world();
  await objects.create(configMaps, configMap("a", "red"));
  informer.observe(told);
  informer.start(stop.signal);
  await informer.synced;
  await objects.create(configMaps, configMap("b", "red"));
  await objects.update(configMaps, configMap("a", "blue"));
  await objects.delete(configMaps, { namespace: "default", name: "b" });
  await clock.advance(0);
  expect(seen).toEqual(["new a", "new b", "changed a", "gone b"]);
  expect(informer.all().map((one) => one.data)).toEqual([{ color: "blue" }]);
});

it.each([
  ["goes on where a watch ended", (objects: FakeObjects) => objects.endWatches()],
  ["lists again when that is too long ago, and tells what was missed", (o: FakeObjects) => o.compact()],
])("%s", async (_name, befall) => {
  const { clock, objects, informer, stop, seen, told } = world();
  for (const name of ["a", "b"]) await objects.create(configMaps, configMap(name, "red"));
  informer.start(stop.signal);
  await informer.synced;
  await clock.advance(0);
  objects.endWatches();
  await objects.update(configMaps, configMap("a", "blue"));
  await objects.delete(configMaps, { namespace: "default", name: "b" });
  await objects.create(configMaps, configMap("c", "red"));
  befall(objects);
  informer.observe(told);
  seen.length = 0;
  await clock.advance(60_000);
  expect(seen.sort()).toEqual(["changed a", "gone b", "new c"]);
});

it("finds objects by what an index says of them, as they are now", async () => {
  const { clock, objects, informer, stop } = world();
  await objects.create(configMaps, configMap("a", "red"));
  informer.addIndex("color", (object) => [(object.data as { color: string }).color]);
  informer.start(stop.signal);
  await informer.synced;
  await objects.create(configMaps, configMap("b", "red"));
  await objects.update(configMaps, configMap("a", "blue"));
  await clock.advance(0);
  const named = (color: string) => informer.by("color", color).map((one) => one.metadata.name);
  expect([named("red"), named("blue"), named("green")]).toEqual([["b"], ["a"], []]);
});

it("says once that it cannot watch, and tries again", async () => {
  const { clock, objects, log, informer, stop } = world();
  const list = objects.list.bind(objects);
  objects.list = () => Promise.reject(new Error("no route"));
  informer.start(stop.signal);
  await clock.advance(10_000);
  expect(log.lines.map((line) => line.event)).toEqual(["objects cannot be watched"]);
  objects.list = list;
  await clock.advance(60_000);
  expect(informer.hasSynced).toBe(true);
});
