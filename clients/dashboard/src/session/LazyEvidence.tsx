import { type ComponentProps, useEffect, useState } from "react";

type EvidenceModule = typeof import("./Evidence");
let evidenceModule: EvidenceModule | null = null;

async function load(): Promise<EvidenceModule> {
  evidenceModule = await import("./Evidence");
  return evidenceModule;
}

/** After the page itself has loaded, and before most readers have selected a node. */
const PRELOAD_AFTER_MS = 1_000;
setTimeout(() => void load().catch(() => undefined), PRELOAD_AFTER_MS);

/** The evidence panel. Its code is no part of what a map needs to be drawn. */
export function LazyEvidence(props: ComponentProps<EvidenceModule["Evidence"]>) {
  const [Evidence, setEvidence] = useState(() => evidenceModule?.Evidence ?? null);
  useEffect(() => {
    if (!Evidence) void load().then((module) => setEvidence(() => module.Evidence));
  }, [Evidence]);
  return Evidence ? <Evidence {...props} /> : null;
}
