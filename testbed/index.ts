/** Weak links and simulated nodes, for whoever tries out a hub: `hubctl verify`, `hubctl bench`, `bench/`. */
export * from "./impairer/index.ts";
