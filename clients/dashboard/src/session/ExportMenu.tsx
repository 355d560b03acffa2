import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { download } from "~/api/client";
import { type MapOwner, planQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import { IconButton } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { Menu } from "~/ui/Menu";
import { toast } from "~/ui/toast";
import { exportPath } from "./export-path";
import { EXPORT_FEATURES, type FORMATS } from "./features";

type Format = (typeof FORMATS)[number];

/** Saves a map as a file. Formats that the plan does not include are marked. */
export function ExportMenu({ owner, formats }: { owner: MapOwner; formats: readonly Format[] }) {
  const t = useMessages();
  const features = useQuery(planQuery()).data?.subscription.plan.features;
  const isIncluded = (format: Format) => features?.[EXPORT_FEATURES[format]] !== false;
  const save = async (format: Format) => {
    try {
      await download(exportPath(owner, format), `trailmind-${owner.id.slice(0, 8)}.${format}`);
    } catch (error) {
      const problem = error as { status?: number };
      toast(problem.status === 402 || problem.status === 403 ? t.export.plan : errorMessage(error, t));
    }
  };
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
        onPick: () => void save(format),
      }))}
    />
  );
}
