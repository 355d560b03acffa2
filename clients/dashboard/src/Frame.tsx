import { Link, Outlet, useRouter, useRouterState } from "@tanstack/react-router";
import { CircleUserRound, Keyboard, LibraryBig, MoonStar, Search, ShieldCheck, Sun } from "lucide-react";
import { Suspense, useEffect, useState, useSyncExternalStore } from "react";
import { chooseTheme, useStoredLanguage, useStoredTheme } from "./account/stored-theme";
import { useToldTimeZone } from "./account/told-time-zone";
import { currentLogin, onLogin } from "./api/login";
import { useMessages } from "./i18n";
import { useAbandonedEdits } from "./session/useAbandonedEdits";
import { useEffectiveTheme } from "./theme";
import { lazyPart } from "./ui/lazyPart";
import { Notices } from "./ui/Notices";
import { isTyping } from "./ui/useKeyDown";
import "./Frame.css";

const Palette = lazyPart(() => import("./search/CommandPalette"), "CommandPalette");
const Keys = lazyPart(() => import("./search/ShortcutsHelp"), "ShortcutsHelp");

/**
 * The layout of every signed-in page: rail or bottom bar, command palette, shortcuts. Redirects when the login ends.
 */
export function Frame() {
  const t = useMessages();
  const router = useRouter();
  const login = useSyncExternalStore(onLogin, currentLogin);
  const path = useRouterState({ select: (s) => s.location.pathname });
  const isInSession = /^\/sessions\/./.test(path);
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  const shown = useEffectiveTheme();
  useStoredTheme();
  useStoredLanguage();
  useAbandonedEdits();
  useToldTimeZone();

  useEffect(() => {
    // Once for each end of a login: the frame stays mounted while the sign-in page loads.
    if (login.state === "out")
      void router.navigate({ to: "/login", search: login.expired ? { next: router.state.location.href } : {} });
  }, [login, router]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        setOpen("palette");
        return;
      }
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "/") {
        event.preventDefault();
        setOpen("palette");
      } else if (event.key === "?") setOpen("keys");
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);

  return (
    <div className="frame">
      <a className="skip" href="#content">
        {t.skip}
      </a>
      {(isInSession || /^\/maps\/./.test(path)) && (
        <button type="button" className="skip" onClick={focusMap}>
          {t.skipToMap}
        </button>
      )}
      <nav className="rail" aria-label={t.nav.main}>
        <Link to="/sessions" className="brand" aria-label={t.brand}>
          <img src="/icon.svg" width={26} height={26} alt="" />
          <span className="word">{t.brand}</span>
        </Link>
        <Link to="/sessions" className="rail-link" activeProps={{ className: "active" }} aria-label={t.nav.sessions}>
          <LibraryBig size={18} />
          <span className="word">{t.nav.sessions}</span>
        </Link>
        <button type="button" className="rail-link" onClick={() => setOpen("palette")} aria-label={t.nav.search}>
          <Search size={18} />
          <span className="word">{t.nav.search}</span>
          <kbd>/</kbd>
        </button>
        <Link to="/account" className="rail-link" activeProps={{ className: "active" }} aria-label={t.nav.account}>
          <CircleUserRound size={18} />
          <span className="word">{t.nav.account}</span>
        </Link>
        {login.state === "in" && login.account.isOperator && (
          <Link to="/admin" className="rail-link" activeProps={{ className: "active" }} aria-label={t.nav.admin}>
            <ShieldCheck size={18} />
            <span className="word">{t.nav.admin}</span>
          </Link>
        )}
        <div className="rail-foot">
          <button
            type="button"
            className="rail-link"
            onClick={() => chooseTheme(shown === "dark" ? "light" : "dark")}
            aria-label={t.search.toggleTheme}
          >
            {shown === "dark" ? <Sun size={18} /> : <MoonStar size={18} />}
            <span className="word">{shown === "dark" ? t.account.light : t.account.dark}</span>
          </button>
          <button type="button" className="rail-link" onClick={() => setOpen("keys")} aria-label={t.nav.keys}>
            <Keyboard size={18} />
            <span className="word">{t.nav.keys}</span>
          </button>
        </div>
      </nav>
      <main id="content" tabIndex={-1}>
        <Notices />
        <Outlet />
      </main>
      {!isInSession && (
        <nav className="bottom-bar" aria-label={t.nav.main}>
          <Link to="/sessions" activeProps={{ className: "active" }}>
            <LibraryBig size={20} />
            {t.nav.sessions}
          </Link>
          <Link to="/search" activeProps={{ className: "active" }}>
            <Search size={20} />
            {t.nav.search}
          </Link>
          <Link to="/account" activeProps={{ className: "active" }}>
            <CircleUserRound size={20} />
            {t.nav.account}
          </Link>
          {login.state === "in" && login.account.isOperator && (
            <Link to="/admin" activeProps={{ className: "active" }}>
              <ShieldCheck size={20} />
              {t.nav.admin}
            </Link>
          )}
        </nav>
      )}
      <Suspense fallback={null}>
        {open === "palette" && <Palette onClose={() => setOpen(null)} />}
        {open === "keys" && <Keys onClose={() => setOpen(null)} />}
      </Suspense>
    </div>
  );
}

/** Moves the focus to the map, or to the current row of its outline. */
function focusMap(): void {
  document.querySelector<HTMLElement>('.map-canvas, .outline [tabindex="0"]')?.focus();
}
