/** The 3-D map's code, which is large and comes when it is wanted. */
type GalaxyModule = typeof import("./Galaxy");
let galaxyModule: GalaxyModule | null = null;

export async function loadGalaxy(): Promise<GalaxyModule> {
  galaxyModule = await import("./Galaxy");
  return galaxyModule;
}

export function loadedGalaxy(): GalaxyModule["Galaxy"] | null {
  return galaxyModule?.Galaxy ?? null;
}
