import type { ReactNode } from "react";

export type MenuEntry =
  | { kind: "item"; label: string; icon?: ReactNode; isDanger?: boolean; onPick: () => void }
  | { kind: "label"; label: string }
  | { kind: "line" };
