import { resolve } from "node:path";
import { LocalBus } from "./local-bus.ts";
import type { EdgeOptions } from "./options.ts";
import type { ModuleFactory } from "./supervisor.ts";

/**
 * The modules that the configuration asks for, in the order in which they start: DeviceTwin stands before EventBus,
 * which brings it what devices say. Code of the others is not loaded.
 *
 * Rejects with `E_BAD_OPTION` for what a module can tell from its options alone.
 */
export async function modulesOf(options: EdgeOptions): Promise<ModuleFactory[]> {
  const modules: ModuleFactory[] = [];
  const bus = new LocalBus();
  if (options.deviceTwin.enable) {
    const { DeviceTwin } = await import("./devicetwin/device-twin.ts");
    modules.push((agent) => new DeviceTwin(agent, bus, options.deviceTwin));
  }
  if (options.eventBus.enable) {
    const { eventBusModule } = await import("./eventbus/module.ts");
    modules.push(await eventBusModule({ ...options.eventBus, twin: options.deviceTwin.enable }, bus));
  }
  if (options.serviceBus.enable) {
    const { serviceBusModule } = await import("./servicebus/service-bus.ts");
    modules.push(serviceBusModule(options.serviceBus));
  }
  if (options.metaServer.enable) {
    const { metaServerModule } = await import("./metaserver/meta-server.ts");
    modules.push(
      metaServerModule(options.metaServer, async (place, wish, life) => {
        const [{ openLog }, { placeOf }] = await Promise.all([
          import("./podlogs/open-log.ts"),
          import("./inspect/place.ts"),
        ]);
        return openLog(placeOf(options).logs, place, wish, life);
      }),
    );
  }
  if (options.edged.enable) {
    const { edgedModule } = await import("./edged/module.ts");
    modules.push(await edgedModule(options.edged, options.dataDir));
    const { podLogsModule } = await import("./podlogs/pod-logs.ts");
    modules.push(podLogsModule(resolve(options.edged.rootDirectory || `${options.dataDir}/edged`)));
  }
  return modules;
}
