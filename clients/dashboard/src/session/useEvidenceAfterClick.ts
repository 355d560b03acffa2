import { useEffect, useState } from "react";
import { waitBeforeCovering } from "~/map/presses";

/** The width of the evidence panel, and the part of a phone's height that it takes, as in Evidence.css. */
const PANEL_WIDTH_PX = 360;
const SHEET_SHARE = 0.6;

/** Whether the evidence panel would lie over a point of the window. */
function isCovered(x: number, y: number): boolean {
  if (matchMedia("(max-width: 767px)").matches) return y > innerHeight * (1 - SHEET_SHARE);
  return x > innerWidth - PANEL_WIDTH_PX;
}

/**
 * Whether the evidence of the selected node is shown. A panel that would open over the node that was just clicked waits
 * until a double click is no longer possible, and while the node is renamed.
 */
export function useEvidenceAfterClick(isWanted: boolean, isRenaming: boolean): boolean {
  const [isOpen, setOpen] = useState(isWanted);
  const waitMs = isWanted && !isOpen ? waitBeforeCovering(isCovered) : 0;
  const isHeld = isRenaming && !isOpen;
  useEffect(() => {
    if (!isWanted) setOpen(false);
    if (!isWanted || isHeld) return;
    const timer = setTimeout(() => setOpen(true), waitMs);
    return () => clearTimeout(timer);
  }, [isWanted, isHeld, waitMs]);
  // Without a reason to wait it opens in the same frame.
  return isWanted && (isOpen || (waitMs === 0 && !isHeld));
}
