/** The 3-D map's code, which is large and comes when it is wanted. */
type GalaxyModule = typeof import("./Galaxy");
let come: GalaxyModule | null = null;

export async function loadGalaxy(): Promise<GalaxyModule> {
  come = await import("./Galaxy");
  return come;
}

export function galaxyIfCome(): GalaxyModule["Galaxy"] | null {
  return come?.Galaxy ?? null;
}
