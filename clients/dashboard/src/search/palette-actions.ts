/** The actions that the page in front offers to the command palette. */
import { type ReactNode, useEffect, useSyncExternalStore } from "react";

export interface PaletteAction {
  key: string;
  label: string;
  /** What it acts on. */
  note: string;
  icon: ReactNode;
  run: () => void;
}

const NONE: readonly PaletteAction[] = [];
let offered: readonly PaletteAction[] = NONE;
const listeners = new Set<() => void>();

function offer(actions: readonly PaletteAction[]): void {
  offered = actions;
  for (const listener of listeners) listener();
}

/** Offers `actions` while what calls this is mounted. Only the palette renders again when they change. */
export function useOfferedActions(actions: readonly PaletteAction[]): void {
  useEffect(() => {
    offer(actions);
    return () => offer(NONE);
  }, [actions]);
}

export function usePageActions(): readonly PaletteAction[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => offered,
  );
}
