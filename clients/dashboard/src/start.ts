/**
 * The first of our code to run, and small: what the first picture needs is asked for before the framework has come.
 * CSS comes from here too, so that the page links it.
 */
import "pretendard/dist/web/variable/pretendardvariable-dynamic-subset.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/buttons.css";
import "./styles/forms.css";
import "./styles/content.css";
import { accessToken, restoreLogin } from "./api/login";
import { preload } from "./api/preload";
import { loadGalaxy } from "./map/lazy-galaxy";

// After an update the server no longer has the old build's files: the page is fetched anew, but not in a circle.
addEventListener("vite:preloadError", (event) => {
  const KEY = "trailmind.reloaded-at";
  if (Date.now() - Number(sessionStorage.getItem(KEY)) < 10_000) return;
  sessionStorage.setItem(KEY, String(Date.now()));
  event.preventDefault();
  location.reload();
});

const { pathname, search } = location;
let isLoading = false;
const sessionId = /^\/sessions\/([0-9a-f-]{36})$/.exec(pathname)?.[1];
// A shared map is for strangers: it needs no login.
const dataRequested = pathname.startsWith("/shared/") ? Promise.resolve() : requestData().catch(() => undefined);
void dataRequested.then(loadPage);
// Another tab may be asking just now, and this one has to wait for it.
setTimeout(loadPage, 30);

/** What fails here is asked for again by the page, which says what is wrong. */
async function requestData(): Promise<void> {
  // Running the framework's code takes long; the question about the login is sent before, its answer comes meanwhile.
  await restoreLogin(loadPage);
  const token = await accessToken();
  if (token && sessionId) preload(token, [`/v1/sessions/${sessionId}`, `/v1/sessions/${sessionId}/mindmap`]);
}

function loadPage(): void {
  if (isLoading) return;
  isLoading = true;
  void import("./main");
  if (pathname === "/sessions") void import("./sessions/SessionsPage");
  if (sessionId) void import("./session/SessionPage");
  // Making graphics ready keeps everything else waiting: it is done while the data is on its way.
  if (search.includes("layout=galaxy"))
    void Promise.all([loadGalaxy(), dataRequested]).then(([{ prewarm }]) => prewarm());
}
