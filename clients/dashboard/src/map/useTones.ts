import { useMemo } from "react";
import { useShownTheme } from "~/theme";
import { readTones, type Tones } from "./draw";

/** The map's colours, read from the style sheet again when the theme changes. */
export function useTones(): Tones {
  const theme = useShownTheme();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme decides what the style sheet returns
  return useMemo(readTones, [theme]);
}
