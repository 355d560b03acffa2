/** The exports of a map as actions of the command palette. */
import { Download } from "lucide-react";
import { download } from "~/api/client";
import type { MapOwner } from "~/api/queries";
import type { Messages } from "~/i18n";
import type { PaletteAction } from "~/search/palette-actions";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { exportPath } from "./export-path";
import { FORMATS } from "./features";

export function exportActions(owner: MapOwner, note: string, t: Messages): PaletteAction[] {
  return FORMATS.map((format) => ({
    key: `export-${format}`,
    label: `${t.export.title}: ${t.export.formats[format] ?? format}`,
    note,
    icon: <Download size={16} />,
    run: () =>
      void download(exportPath(owner, format), `trailmind-${owner.id.slice(0, 8)}.${format}`).catch((error: unknown) =>
        toast(errorMessage(error, t)),
      ),
  }));
}
