// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { routeKey, watchRoutes } from "./route";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a hash is a route only if it begins with / or !", () => {
  expect(routeKey("https://a.com/x#section")).toBe(routeKey("https://a.com/x"));
  expect(routeKey("https://a.com/x#/one")).not.toBe(routeKey("https://a.com/x#/two"));
  expect(routeKey("https://a.com/x?q=1")).not.toBe(routeKey("https://a.com/x?q=2"));
});

function page(href: string) {
  const navigation = new EventTarget();
  const fake = Object.assign(new EventTarget(), { location: { href }, navigation });
  const go = (to: string) => {
    fake.location.href = to;
    navigation.dispatchEvent(new Event("currententrychange"));
  };
  return { window: fake as unknown as Window, go };
}

test("reports the last address of a redirect chain", () => {
  const { window, go } = page("https://a.com/");
  const onRoute = vi.fn();
  watchRoutes(window, onRoute, new AbortController().signal, 250);
  go("https://a.com/login-check");
  vi.advanceTimersByTime(100);
  go("https://a.com/home");
  vi.advanceTimersByTime(300);
  go("https://a.com/home#top");
  vi.advanceTimersByTime(300);
  expect(onRoute.mock.calls).toEqual([["https://a.com/home"]]);
});

test("a route that is left within the delay is not reported", () => {
  const { window, go } = page("https://a.com/");
  const onRoute = vi.fn();
  watchRoutes(window, onRoute, new AbortController().signal, 250);
  go("https://a.com/modal");
  go("https://a.com/");
  vi.advanceTimersByTime(300);
  expect(onRoute).not.toHaveBeenCalled();
});
