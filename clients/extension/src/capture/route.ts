/** Navigations inside one document. */

interface NavigationLike extends EventTarget {
  readonly currentEntry: { readonly url: string | null } | null;
}

/**
 * The part of an address that identifies a page of an app: origin, path, query, and a hash that is a route (`#/inbox`,
 * `#!x`). A plain `#section` is a position on the same page.
 */
export function routeKey(address: string): string {
  const url = new URL(address);
  const route = /^#[!/]/.test(url.hash) ? url.hash : "";
  return url.origin + url.pathname + url.search + route;
}

/**
 * Calls `onRoute` with each new address that did not change for `settleMs`, so that a redirect chain is one visit.
 *
 * Content scripts run in an isolated world and cannot observe the page's `history.pushState`; the Navigation API
 * reports to every world.
 */
export function watchRoutes(window: Window, onRoute: (url: string) => void, signal: AbortSignal, settleMs = 250): void {
  const navigation = (window as Window & { navigation?: NavigationLike }).navigation;
  let current = routeKey(window.location.href);
  let timer: ReturnType<typeof setTimeout> | null = null;
  const scheduleCheck = () => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      if (signal.aborted) return;
      const url = window.location.href;
      const next = routeKey(url);
      if (next === current) return;
      current = next;
      onRoute(url);
    }, settleMs);
  };
  navigation?.addEventListener("currententrychange", scheduleCheck, { signal });
  window.addEventListener("popstate", scheduleCheck, { signal });
  window.addEventListener("hashchange", scheduleCheck, { signal });
}
