import { useMemo } from "react";
import { useEffectiveTheme } from "~/theme";
import { type Palette, readPalette } from "./palette";

/** The map's colours, read from the style sheet again when the theme changes. */
export function usePalette(): Palette {
  const theme = useEffectiveTheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme decides what the style sheet returns
  return useMemo(readPalette, [theme]);
}
