import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { shortDate } from "@trailmind/api";
import { CircleUserRound, Combine, FileText, Languages, LibraryBig, MoonStar, Search, Spline } from "lucide-react";
import { type ReactNode, useEffect, useId, useMemo, useState } from "react";
import { chooseLanguage, chooseTheme } from "~/account/stored-theme";
import { sessionsQuery } from "~/api/queries";
import { language, useMessages } from "~/i18n";
import { sessionName } from "~/sessions/session-name";
import { effectiveTheme } from "~/theme";
import { Dialog } from "~/ui/Dialog";
import { MarkedText } from "./MarkedText";
import { usePageActions } from "./palette-actions";
import { groupByPage, searchQuery } from "./results";
import "./CommandPalette.css";

interface Entry {
  key: string;
  label: string;
  note?: string | undefined;
  /** Further words by which the entry is found. */
  words?: string | undefined;
  /** The sentence that matches, on a line of its own. */
  sentence?: ReactNode;
  icon: ReactNode;
  run: () => void;
}

/** Opens pages and sessions and runs actions by typing. */
export function CommandPalette({ onClose }: { onClose: () => void }) {
  const t = useMessages();
  const navigate = useNavigate();
  const list = useId();
  const [text, setText] = useState("");
  const [query, setQuery] = useState("");
  const [index, setIndex] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setQuery(text.trim()), 180);
    return () => clearTimeout(timer);
  }, [text]);
  const sessions = useInfiniteQuery(sessionsQuery({}));
  const results = useInfiniteQuery(searchQuery(query));
  const pageActions = usePageActions();

  const entries = useMemo((): Entry[] => {
    const words = text.trim().toLowerCase();
    const actions: Entry[] = [
      {
        key: "sessions",
        label: t.nav.sessions,
        icon: <LibraryBig size={16} />,
        run: () => void navigate({ to: "/sessions" }),
      },
      {
        key: "maps",
        label: t.maps.title,
        icon: <Combine size={16} />,
        run: () => void navigate({ to: "/maps" }),
      },
      {
        key: "threads",
        label: t.threads.title,
        icon: <Spline size={16} />,
        run: () => void navigate({ to: "/threads" }),
      },
      {
        key: "account",
        label: t.nav.account,
        icon: <CircleUserRound size={16} />,
        run: () => void navigate({ to: "/account" }),
      },
      {
        key: "theme",
        label: t.search.toggleTheme,
        icon: <MoonStar size={16} />,
        run: () => chooseTheme(effectiveTheme() === "dark" ? "light" : "dark"),
      },
      {
        key: "language",
        label: t.search.switchLanguage,
        icon: <Languages size={16} />,
        run: () => chooseLanguage(language() === "ko" ? "en" : "ko"),
      },
    ];
    const recent = (sessions.data?.pages[0]?.sessions ?? []).map(
      (session): Entry => ({
        key: session.id,
        label: sessionName(session, language()),
        // Generated titles are made of the keywords: the day tells two sessions about one subject apart.
        note: shortDate(new Date(session.started_at), new Date(), language()),
        words: session.keywords?.join(" "),
        icon: <FileText size={16} />,
        run: () => void navigate({ to: "/sessions/$id", params: { id: session.id } }),
      }),
    );
    const hits = words
      ? groupByPage(results.data?.pages[0]?.results ?? [])
          .slice(0, 8)
          .map(
            ({ hit }, i): Entry => ({
              key: `hit-${i}`,
              label: hit.title || hit.url,
              note: hit.session_title || undefined,
              // A title is on the first line already.
              sentence: hit.snippet_from === "title" ? undefined : <MarkedText text={hit.snippet} marks={hit.marks} />,
              icon: <Search size={16} />,
              run: () =>
                void navigate({ to: "/sessions/$id", params: { id: hit.session_id }, search: { node: hit.page_id } }),
            }),
          )
      : [];
    const matches = (entry: Entry) =>
      !words || `${entry.label} ${entry.note ?? ""} ${entry.words ?? ""}`.toLowerCase().includes(words);
    const everywhere: Entry[] = words
      ? [
          {
            key: "everywhere",
            label: t.search.everywhere(text.trim()),
            icon: <Search size={16} />,
            run: () => void navigate({ to: "/search", search: { q: text.trim() } }),
          },
        ]
      : [];
    // What can be done with the page in front comes before other sessions.
    return [
      ...pageActions.filter(matches),
      ...recent.filter(matches).slice(0, 6),
      ...hits,
      ...everywhere,
      ...actions.filter(matches),
    ];
  }, [text, sessions.data, results.data, pageActions, t, navigate]);

  const current = Math.min(index, entries.length - 1);
  useEffect(() => document.getElementById(`${list}-${current}`)?.scrollIntoView({ block: "nearest" }), [list, current]);
  const pick = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  return (
    <Dialog title={t.search.palette} isOpen onClose={onClose} className="palette" isTitleHidden>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={entries[current] ? `${list}-${current}` : undefined}
        aria-label={t.search.hint}
        placeholder={t.search.placeholder}
        value={text}
        autoFocus
        onChange={(e) => {
          setText(e.target.value);
          setIndex(0);
        }}
        onKeyDown={(e) => {
          if (e.key === "ArrowDown") setIndex((current + 1) % entries.length);
          else if (e.key === "ArrowUp") setIndex((current - 1 + entries.length) % entries.length);
          else if (e.key === "Enter") pick(entries[current]);
          else return;
          e.preventDefault();
        }}
      />
      <div id={list} className="palette-list" role="listbox" aria-label={t.search.palette}>
        {entries.map((entry, i) => (
          // The input keeps the focus and handles the keys; aria-activedescendant names the option.
          // biome-ignore lint/a11y/useFocusableInteractive: see above
          // biome-ignore lint/a11y/useKeyWithClickEvents: see above
          <div
            key={entry.key}
            id={`${list}-${i}`}
            role="option"
            aria-selected={i === current}
            onPointerMove={() => setIndex(i)}
            onClick={() => pick(entry)}
          >
            {entry.icon}
            <span className="grow ellipsis">
              {entry.label}
              {entry.note && <span className="muted small"> · {entry.note}</span>}
              {entry.sentence && <span className="palette-sentence muted small">{entry.sentence}</span>}
            </span>
          </div>
        ))}
      </div>
    </Dialog>
  );
}
