import { type ComponentType, type LazyExoticComponent, lazy } from "react";
import { loadPart } from "~/load-part";

// As React declares `lazy`: with a narrower type the properties of the component are lost.
// biome-ignore lint/suspicious/noExplicitAny: see above
type AnyComponent = ComponentType<any>;

/** The component `name` of the module that `load` imports, loaded when it is first shown. See `loadPart`. */
export function lazyPart<Name extends string, Part extends Record<Name, AnyComponent>>(
  load: () => Promise<Part>,
  name: Name,
): LazyExoticComponent<Part[Name]> {
  return lazy(() => loadPart(load).then((part) => ({ default: part[name] })));
}
