/** The endpoints of the API, known at build time: dashboard and server are built from one repository. */
import features from "virtual:api";

export const FORMATS = ["png", "svg", "markdown", "opml", "freemind", "json", "csv"] as const;

/** Whether the server has a path, with a method and a query parameter. */
export function hasFeature(path: string, method = "get", parameter?: string): boolean {
  const parameters = features[path]?.[method];
  return parameters !== undefined && (parameter === undefined || parameters.includes(parameter));
}
