/** All routes of the dashboard. The state of the view is in the URL, so that back, reload and links work. */
import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  Outlet,
  redirect,
  useLocation,
} from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { type ReactNode, Suspense } from "react";
import { ADMIN_TABS, type AdminTab } from "./admin/tabs";
import { signInWithExtension } from "./api/extension";
import { currentLogin, restoreLogin } from "./api/login";
import {
  type Filters,
  isOpen,
  knownSession,
  mindmapQuery,
  STATUSES,
  sessionQuery,
  sessionsQuery,
  timelineQuery,
} from "./api/queries";
import { Frame } from "./Frame";
import { useMessages } from "./i18n";
import { loadPart } from "./load-part";
import type { SearchFilters } from "./search/results";
import { LAYOUTS, type SessionSearch, showsTimeline, VIEWS, WIDE } from "./session/search-params";
import { EmptyState } from "./ui/basics";
import { lazyPart } from "./ui/lazyPart";
import { ErrorState, Skeletons } from "./ui/states";

interface Context {
  client: QueryClient;
}

const optionalText = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : typeof value === "number" ? String(value) : undefined;
const oneOf = <T extends string>(value: unknown, allowed: readonly T[]): T | undefined =>
  allowed.find((a) => a === value);
/** Only paths of this origin: a link must not redirect the user to another site after signing in. */
const sameOriginPath = (value: unknown): string | undefined =>
  typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : undefined;

const root = createRootRouteWithContext<Context>()({
  component: Outlet,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => (
    <WithoutAnswer>
      <ErrorState error={error} onRetry={reset} level={1} />
    </WithoutAnswer>
  ),
});

const UnlessDatabaseIsDown = lazyPart(() => import("./admin/Status"), "UnlessDatabaseIsDown");

/** What is shown while the login is not restored. On the page of the server's status, the database may be the cause. */
function WithoutAnswer({ children }: { children: ReactNode }) {
  const { pathname, searchStr } = useLocation();
  if (pathname !== "/admin" || new URLSearchParams(searchStr).get("tab") !== "status") return children;
  return (
    <Suspense fallback={children}>
      <UnlessDatabaseIsDown>{children}</UnlessDatabaseIsDown>
    </Suspense>
  );
}

const frame = createRoute({
  getParentRoute: () => root,
  id: "frame",
  component: Frame,
  pendingComponent: () => (
    <div className="page">
      <WithoutAnswer>
        <Skeletons />
      </WithoutAnswer>
    </div>
  ),
  beforeLoad: async ({ location }) => {
    await restoreLogin();
    const login = currentLogin();
    if (login.state !== "in") throw redirect({ to: "/login", search: { next: sameOriginPath(location.href) } });
  },
});

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/sessions" });
  },
});

const sessions = createRoute({
  getParentRoute: () => frame,
  path: "/sessions",
  validateSearch: (s: Record<string, unknown>): Filters => ({
    status: oneOf(s.status, STATUSES),
    q: optionalText(s.q),
    from: optionalText(s.from),
    to: optionalText(s.to),
    domain: optionalText(s.domain),
    keyword: optionalText(s.keyword),
  }),
  loaderDeps: ({ search }) => search,
  // Prefetched while the page's code loads; the page waits for the result and shows its errors.
  loader: ({ context: { client }, deps }) => void client.prefetchInfiniteQuery(sessionsQuery(deps)),
  component: lazyRouteComponent(() => loadPart(() => import("./sessions/SessionsPage")), "SessionsPage"),
});

const session = createRoute({
  getParentRoute: () => frame,
  path: "/sessions/$id",
  validateSearch: (s: Record<string, unknown>): SessionSearch => ({
    view: oneOf(s.view, VIEWS),
    layout: oneOf(s.layout, LAYOUTS),
    node: optionalText(s.node),
    topic: optionalText(s.topic),
  }),
  loaderDeps: ({ search: { view } }) => ({ view }),
  loader: ({ context: { client }, params: { id }, deps: { view } }) => {
    void client.prefetchQuery(sessionQuery(id));
    // When only the map is shown, it loads first and the timeline after it.
    if (showsTimeline(view, matchMedia(WIDE).matches)) void client.prefetchQuery(timelineQuery(id, false));
    // A session that is being recorded has no map yet.
    const known = knownSession(client, id);
    if (!known || !isOpen(known.session_status)) void client.prefetchQuery(mindmapQuery(id));
  },
  component: lazyRouteComponent(() => loadPart(() => import("./session/SessionPage")), "SessionPage"),
});

const search = createRoute({
  getParentRoute: () => frame,
  path: "/search",
  validateSearch: (s: Record<string, unknown>): { q?: string | undefined } & SearchFilters => ({
    q: optionalText(s.q),
    domain: optionalText(s.domain),
    from: optionalText(s.from),
    to: optionalText(s.to),
    session: optionalText(s.session),
    marked: s.marked === true ? true : undefined,
  }),
  component: lazyRouteComponent(() => loadPart(() => import("./search/SearchPage")), "SearchPage"),
});

const threads = createRoute({
  getParentRoute: () => frame,
  path: "/threads",
  component: lazyRouteComponent(() => loadPart(() => import("./threads/ThreadsPage")), "ThreadsPage"),
});

const maps = createRoute({
  getParentRoute: () => frame,
  path: "/maps",
  component: lazyRouteComponent(() => loadPart(() => import("./maps/MapsPage")), "MapsPage"),
});

const jointMap = createRoute({
  getParentRoute: () => frame,
  path: "/maps/$id",
  validateSearch: (s: Record<string, unknown>): SessionSearch => ({
    layout: oneOf(s.layout, LAYOUTS),
    node: optionalText(s.node),
    topic: optionalText(s.topic),
  }),
  component: lazyRouteComponent(() => loadPart(() => import("./maps/JointMapPage")), "JointMapPage"),
});

const account = createRoute({
  getParentRoute: () => frame,
  path: "/account",
  validateSearch: (s: Record<string, unknown>): { checkout?: string | undefined } => ({
    checkout: optionalText(s.checkout),
  }),
  component: lazyRouteComponent(() => loadPart(() => import("./account/AccountPage")), "AccountPage"),
});

const admin = createRoute({
  getParentRoute: () => frame,
  path: "/admin",
  validateSearch: (s: Record<string, unknown>): { tab?: AdminTab | undefined; user?: string | undefined } => ({
    tab: oneOf(s.tab, ADMIN_TABS),
    user: optionalText(s.user),
  }),
  component: lazyRouteComponent(() => loadPart(() => import("./admin/AdminPage")), "AdminPage"),
});

interface LinkSearch {
  extension_id?: string | undefined;
  state?: string | undefined;
  code_challenge?: string | undefined;
  code_challenge_method?: string | undefined;
}

const extensionLink = createRoute({
  getParentRoute: () => frame,
  path: "/extension/link",
  validateSearch: (s: Record<string, unknown>): LinkSearch => ({
    extension_id: optionalText(s.extension_id),
    state: optionalText(s.state),
    code_challenge: optionalText(s.code_challenge),
    code_challenge_method: optionalText(s.code_challenge_method),
  }),
  component: lazyRouteComponent(() => loadPart(() => import("./auth/LinkExtension")), "LinkExtension"),
});

const shared = createRoute({
  getParentRoute: () => root,
  path: "/shared/$token",
  validateSearch: (s: Record<string, unknown>): SessionSearch => ({
    layout: oneOf(s.layout, LAYOUTS),
    node: optionalText(s.node),
    view: oneOf(s.view, VIEWS),
    topic: optionalText(s.topic),
  }),
  component: lazyRouteComponent(() => loadPart(() => import("./share/SharedPage")), "SharedPage"),
});

const auth = createRoute({
  getParentRoute: () => root,
  id: "auth",
  component: lazyRouteComponent(() => loadPart(() => import("./auth/AuthLayout")), "AuthLayout"),
});

const validateNext = (s: Record<string, unknown>): { next?: string | undefined } => ({ next: sameOriginPath(s.next) });
/** Redirects signed-in users away from the sign-in pages. */
const requireSignedOut = async ({ search: { next } }: { search: { next?: string | undefined } }) => {
  await restoreLogin().catch(() => undefined);
  if (currentLogin().state === "out") await signInWithExtension();
  if (currentLogin().state === "in") throw redirect({ href: next ?? "/sessions" });
};

const login = createRoute({
  getParentRoute: () => auth,
  path: "/login",
  validateSearch: validateNext,
  beforeLoad: requireSignedOut,
  component: lazyRouteComponent(() => loadPart(() => import("./auth/forms")), "LoginForm"),
});
const signup = createRoute({
  getParentRoute: () => auth,
  path: "/signup",
  validateSearch: validateNext,
  beforeLoad: requireSignedOut,
  component: lazyRouteComponent(() => loadPart(() => import("./auth/forms")), "SignupForm"),
});
const forgot = createRoute({
  getParentRoute: () => auth,
  path: "/forgot-password",
  component: lazyRouteComponent(() => loadPart(() => import("./auth/recovery")), "ForgotForm"),
});
const reset = createRoute({
  getParentRoute: () => auth,
  path: "/reset-password",
  component: lazyRouteComponent(() => loadPart(() => import("./auth/recovery")), "ResetForm"),
});
const verify = createRoute({
  getParentRoute: () => auth,
  path: "/verify-email",
  component: lazyRouteComponent(() => loadPart(() => import("./auth/recovery")), "VerifyEmail"),
});
const google = createRoute({
  getParentRoute: () => auth,
  path: "/auth/google/callback",
  validateSearch: (s: Record<string, unknown>): { code?: string | undefined; state?: string | undefined } => ({
    code: optionalText(s.code),
    state: optionalText(s.state),
  }),
  component: lazyRouteComponent(() => loadPart(() => import("./auth/google")), "GoogleCallback"),
});

function NotFound() {
  const t = useMessages();
  return (
    <main className="page">
      <EmptyState
        level={1}
        icon={<Compass className="figure" size={32} strokeWidth={1.5} />}
        title={t.pageMissing}
        actions={
          <Link className="button primary" to="/sessions">
            {t.goHome}
          </Link>
        }
      >
        {t.pageMissingHint}
      </EmptyState>
    </main>
  );
}

const tree = root.addChildren([
  home,
  frame.addChildren([sessions, session, search, threads, maps, jointMap, account, admin, extensionLink]),
  shared,
  auth.addChildren([login, signup, forgot, reset, verify, google]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    defaultPreload: "intent",
    scrollRestoration: false,
    defaultPendingMs: 300,
    defaultErrorComponent: ({ error, reset }) => <ErrorState error={error} onRetry={reset} level={1} />,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
