/** The endpoints of the API, known at build time: dashboard and server are built from one repository. */
import features from "virtual:api";

export const FORMATS = ["png", "svg", "markdown", "opml", "freemind", "json", "csv"] as const;

/** The feature of a plan that includes a format, as the server decides it (`models/billing/policy.py`). */
export const EXPORT_FEATURES: Record<(typeof FORMATS)[number], string> = {
  png: "export_png",
  svg: "export_svg",
  markdown: "export_md",
  opml: "export_md",
  freemind: "export_md",
  json: "export_json",
  csv: "export_json",
};

/** Whether the server has a path, with a method and a query parameter. */
export function hasFeature(path: string, method = "get", parameter?: string): boolean {
  const parameters = features[path]?.[method];
  return parameters !== undefined && (parameter === undefined || parameters.includes(parameter));
}
