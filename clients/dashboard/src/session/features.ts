/** Which parts of the API there are, known when this is built: the dashboard and its server come from one repository. */
import features from "virtual:api";

export const FORMATS = ["png", "svg", "markdown", "opml", "freemind", "json", "csv"] as const;

/** Whether the server has a path, a method of it, a query parameter of that. */
export function hasFeature(path: string, method = "get", parameter?: string): boolean {
  const parameters = features[path]?.[method];
  return parameters !== undefined && (parameter === undefined || parameters.includes(parameter));
}
