/** Loads the 3-D map's code on demand: it is larger than the rest of the dashboard. */
import { loadPart } from "~/load-part";

type GalaxyModule = typeof import("./Galaxy");
let galaxyModule: GalaxyModule | null = null;

export async function loadGalaxy(): Promise<GalaxyModule> {
  galaxyModule = await loadPart(() => import("./Galaxy"));
  return galaxyModule;
}

/** The component, or null while its code is not loaded. */
export function loadedGalaxy(): GalaxyModule["Galaxy"] | null {
  return galaxyModule?.Galaxy ?? null;
}
