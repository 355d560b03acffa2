/** Loads parts of the program on demand: dialogs, menus, pages. */
import { markLost, markReached } from "./api/connection";

const RETRY_MS = 2_000;
const RELOADED_AT = "trailmind.reloaded-at";
const RELOAD_INTERVAL_MS = 10_000;

/**
 * The part that `load` imports. While the server does not answer, the page says so and the part waits for it: a reload
 * would replace the page by the browser's error. If the server answers without the file, it was updated: the page is
 * reloaded, at most once in 10 s. Rejects when that did not help.
 */
export async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch {
    await serverReached();
  }
  await loadFailedStyles();
  try {
    return await load();
  } catch (error) {
    if (Date.now() - Number(sessionStorage.getItem(RELOADED_AT)) < RELOAD_INTERVAL_MS) throw error;
    sessionStorage.setItem(RELOADED_AT, String(Date.now()));
    location.reload();
    // Nothing is shown until the page is gone.
    return new Promise<T>(() => undefined);
  }
}

async function serverReached(): Promise<void> {
  for (;;) {
    // A proxy answers for a server that is down, with an error.
    const response = await fetch("/health", { cache: "no-store" }).catch(() => null);
    if (response?.ok) break;
    markLost();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  markReached();
}

/** Vite requests the style sheets of a part only once, also when that failed. */
async function loadFailedStyles(): Promise<void> {
  const failed = [...document.querySelectorAll<HTMLLinkElement>('link[rel="stylesheet"]')].filter(
    (link) => !link.sheet,
  );
  await Promise.all(
    failed.map((link) => {
      const again = link.cloneNode() as HTMLLinkElement;
      return new Promise<unknown>((resolve) => {
        again.onload = again.onerror = resolve;
        link.replaceWith(again);
      });
    }),
  );
}
