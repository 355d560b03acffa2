/** Saves a map as a file. Pictures are what the screen shows: the page itself draws them. */
import { unwrap } from "@trailmind/api";
import { api, download } from "~/api/client";
import type { MapOwner } from "~/api/queries";
import type { Messages } from "~/i18n";
import { shownPicture } from "~/map/shown-picture";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { exportPath } from "./export-path";
import { EXPORT_FEATURES, type FORMATS } from "./features";

type Format = (typeof FORMATS)[number];

/** Saves an export, or says why it is not possible. */
export async function saveExport(owner: MapOwner, format: Format, t: Messages): Promise<void> {
  try {
    const picture = format === "png" || format === "svg" ? shownPicture() : null;
    if (picture && !(await isIncluded(format))) toast(t.export.plan);
    else if (picture) await (await import("~/map/picture-file")).savePicture(picture, format as "png" | "svg");
    else await download(exportPath(owner, format), `trailmind-${owner.id.slice(0, 8)}.${format}`);
  } catch (error) {
    const problem = error as { status?: number };
    toast(problem.status === 402 || problem.status === 403 ? t.export.plan : errorMessage(error, t));
  }
}

/** Whether the plan includes a format, as the server would say if it made the file. */
async function isIncluded(format: Format): Promise<boolean> {
  const { subscription } = await unwrap(api.GET("/v1/subscription"));
  return subscription.plan.features[EXPORT_FEATURES[format]] !== false;
}
