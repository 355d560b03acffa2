/** The nodes that are folded on the map on the screen, for exports outside the map. */
let folds: ReadonlySet<string> = new Set();

export const shownFolds = (): ReadonlySet<string> => folds;

export function setShownFolds(collapsed: ReadonlySet<string>): void {
  folds = collapsed;
}
