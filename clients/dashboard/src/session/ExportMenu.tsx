import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { type MapOwner, planQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import { IconButton } from "~/ui/basics";
import { Menu } from "~/ui/Menu";
import { EXPORT_FEATURES, type FORMATS } from "./features";
import { saveExport } from "./save-export";

type Format = (typeof FORMATS)[number];

/** Saves a map as a file. Formats that the plan does not include are marked. */
export function ExportMenu({ owner, formats }: { owner: MapOwner; formats: readonly Format[] }) {
  const t = useMessages();
  const features = useQuery(planQuery()).data?.subscription.plan.features;
  const isIncluded = (format: Format) => features?.[EXPORT_FEATURES[format]] !== false;
  return (
    <Menu
      trigger={
        <IconButton label={t.export.title}>
          <Download size={17} />
        </IconButton>
      }
      entries={formats.map((format) => ({
        kind: "item",
        label: `${t.export.formats[format] ?? format}${isIncluded(format) ? "" : ` · ${t.export.notIncluded}`}`,
        onPick: () => void saveExport(owner, format, t),
      }))}
    />
  );
}
