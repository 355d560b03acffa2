/** The exports of a map as actions of the command palette. */
import { Download } from "lucide-react";
import type { MapOwner } from "~/api/queries";
import type { Messages } from "~/i18n";
import type { PaletteAction } from "~/search/palette-actions";
import { FORMATS } from "./features";
import { saveExport } from "./save-export";

export function exportActions(owner: MapOwner, note: string, t: Messages): PaletteAction[] {
  return FORMATS.map((format) => ({
    key: `export-${format}`,
    label: `${t.export.title}: ${t.export.formats[format] ?? format}`,
    note,
    icon: <Download size={16} />,
    run: () => void saveExport(owner, format, t),
  }));
}
