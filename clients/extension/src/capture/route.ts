/** Navigations inside one document. */

interface NavigationLike extends EventTarget {
  readonly currentEntry: { readonly url: string | null } | null;
}

export interface RouteWatch {
  /** Compares the address again, for a caller that polls. */
  check(): void;
  /** True if the page only replaced the address of the current history entry since the route before. */
  isReplaced(): boolean;
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
 * `from` is the address that the caller knows: a change since then is reported too.
 *
 * Content scripts run in an isolated world and cannot observe the page's `history.pushState`; the Navigation API
 * reports to every world.
 */
export function watchRoutes(
  window: Window,
  onRoute: (url: string) => void,
  signal: AbortSignal,
  settleMs = 250,
  from = window.location.href,
): RouteWatch {
  const navigation = (window as Window & { navigation?: NavigationLike }).navigation;
  let current = routeKey(from);
  let isReplaced = true;
  let wasReplaced = true;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const restartTimer = () => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => {
      timer = null;
      if (signal.aborted) return;
      const url = window.location.href;
      const next = routeKey(url);
      wasReplaced = isReplaced;
      isReplaced = true;
      if (next === current) return;
      current = next;
      onRoute(url);
    }, settleMs);
  };
  const onNavigation = (event: Event) => {
    if ((event as Event & { navigationType?: string }).navigationType !== "replace") isReplaced = false;
    restartTimer();
  };
  navigation?.addEventListener("currententrychange", onNavigation, { signal });
  window.addEventListener("popstate", onNavigation, { signal });
  window.addEventListener("hashchange", onNavigation, { signal });
  const check = () => {
    if (timer === null && routeKey(window.location.href) !== current) restartTimer();
  };
  check();
  return { check, isReplaced: () => wasReplaced };
}
