/**
 * The entry point, kept small: it requests what the first page needs before the framework is loaded. The global styles
 * are imported here, so that the page links them.
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
import { loadPart } from "./load-part";
import { loadGalaxy } from "./map/lazy-galaxy";

const { pathname, search } = location;
let isLoading = false;
const sessionId = /^\/sessions\/([0-9a-f-]{36})$/.exec(pathname)?.[1];
// A shared map needs no login.
const dataRequested = pathname.startsWith("/shared/") ? Promise.resolve() : requestData().catch(() => undefined);
void dataRequested.then(loadPage);
// While another tab holds the renewal lock, the request is delayed; the code does not wait for it.
setTimeout(loadPage, 30);

/** A failed request is repeated by the page, which shows its error. */
async function requestData(): Promise<void> {
  // The request for the login is sent before the framework's code runs, so that both take place at the same time.
  await restoreLogin(loadPage);
  const token = await accessToken();
  if (token && sessionId) preload(token, [`/v1/sessions/${sessionId}`, `/v1/sessions/${sessionId}/mindmap`]);
}

function loadPage(): void {
  if (isLoading) return;
  isLoading = true;
  void loadPart(() => import("./main"));
  if (pathname === "/sessions") void loadPart(() => import("./sessions/SessionsPage"));
  if (sessionId) void loadPart(() => import("./session/SessionPage"));
  // Preparing the graphics blocks the main thread, so it is done while the data loads.
  if (search.includes("layout=galaxy"))
    void Promise.all([loadGalaxy(), dataRequested]).then(([{ prewarm }]) => prewarm());
}
