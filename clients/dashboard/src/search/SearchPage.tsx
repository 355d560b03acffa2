import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { duration, type Language, shortDate } from "@trailmind/api";
import { Search, SearchX } from "lucide-react";
import { useEffect, useState } from "react";
import { useLanguage, useMessages } from "~/i18n";
import { ForgetPage } from "~/session/ForgetPage";
import { sessionName } from "~/sessions/session-name";
import { EmptyState, hostOf, SiteMark } from "~/ui/basics";
import { ErrorState, Skeletons } from "~/ui/states";
import { MarkedText } from "./MarkedText";
import { groupByPage, type Hit, searchQuery } from "./results";
import { SearchFilterBar } from "./SearchFilterBar";
import "./SearchPage.css";

export function SearchPage() {
  const t = useMessages();
  const language = useLanguage();
  const { q = "", ...filters } = useSearch({ from: "/frame/search" });
  const navigate = useNavigate({ from: "/search" });
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(
      () => void navigate({ search: (old) => ({ ...old, q: text || undefined }), replace: true }),
      250,
    );
    return () => clearTimeout(timer);
  }, [text, q, navigate]);
  const results = useInfiniteQuery(searchQuery(q, filters));
  const hits = groupByPage(results.data?.pages.flatMap((page) => page.results) ?? []);
  const isMissing = results.data?.pages[0]?.isMissing ?? false;
  return (
    <div className="page">
      <title>{`${t.search.title} · ${t.brand}`}</title>
      <div className="page-head">
        <h1>{t.search.title}</h1>
      </div>
      <search className="row input-icon">
        <Search size={18} aria-hidden />
        <input
          className="input"
          type="search"
          autoFocus
          aria-label={t.search.hint}
          placeholder={t.search.placeholder}
          value={text}
          onChange={(e) => setText(e.target.value)}
        />
      </search>
      <SearchFilterBar filters={filters} />
      <div aria-live="polite">
        {!q ? (
          <EmptyState icon={<Search className="figure" size={32} strokeWidth={1.5} />} title={t.search.hint}>
            {t.search.type}
          </EmptyState>
        ) : results.isPending ? (
          <div className="search-loading">
            <Skeletons rows={5} height={72} />
          </div>
        ) : results.isError ? (
          <ErrorState error={results.error} onRetry={() => void results.refetch()} />
        ) : isMissing ? (
          <EmptyState icon={<SearchX className="figure" size={32} strokeWidth={1.5} />} title={t.search.unavailable} />
        ) : hits.length === 0 ? (
          <EmptyState icon={<SearchX className="figure" size={32} strokeWidth={1.5} />} title={t.search.none(q)}>
            {t.search.noneHint}
          </EmptyState>
        ) : (
          <>
            <p className="muted small tnum results-count">
              {results.hasNextPage ? t.search.more(hits.length) : t.search.results(hits.length)}
            </p>
            <ul className="hits">
              {hits.map(({ hit, others }) => (
                <li key={`${hit.session_id}-${hit.page_id}`}>
                  <Link
                    className="hit"
                    to="/sessions/$id"
                    params={{ id: hit.session_id }}
                    search={{ node: hit.page_id }}
                  >
                    <span className="row">
                      <SiteMark host={hostOf(hit.url)} />
                      <span className="strong ellipsis">{hit.title || hit.url}</span>
                      {hit.topics.slice(0, 3).map((topic) => (
                        <span key={topic} className="badge">
                          {topic}
                        </span>
                      ))}
                    </span>
                    {hit.snippet && (
                      <p className={hit.snippet_from === "highlight" ? "quote" : ""}>
                        <MarkedText text={hit.snippet} marks={hit.marks} />
                      </p>
                    )}
                    <p className="small muted">
                      {[
                        nameOfHit(hit, language),
                        hit.domain,
                        shortDate(new Date(hit.last_visited_at), new Date(), language),
                        hit.dwell_ms ? t.timeline.dwell(duration(hit.dwell_ms, language)) : "",
                      ]
                        .filter(Boolean)
                        .join(" · ")}
                    </p>
                  </Link>
                  <div className="hit-tail small muted">
                    {others.length > 0 && (
                      <span className="hit-others">
                        {t.search.alsoIn}{" "}
                        {others.map((other) => (
                          <Link
                            key={other.session_id}
                            to="/sessions/$id"
                            params={{ id: other.session_id }}
                            search={{ node: other.page_id }}
                          >
                            {nameOfHit(other, language)},{" "}
                            {shortDate(new Date(other.last_visited_at), new Date(), language)}
                          </Link>
                        ))}
                      </span>
                    )}
                    <ForgetPage
                      page={{
                        sessionId: null,
                        pageId: hit.page_id,
                        url: hit.url,
                        visitedMs: Date.parse(hit.last_visited_at),
                      }}
                      onForgotten={() => void results.refetch()}
                    />
                  </div>
                </li>
              ))}
            </ul>
            {results.hasNextPage && (
              <button
                type="button"
                className="button wide"
                disabled={results.isFetchingNextPage}
                onClick={() => void results.fetchNextPage()}
              >
                {t.sessions.loadMore}
              </button>
            )}
          </>
        )}
      </div>
    </div>
  );
}

function nameOfHit({ session_title: title, session_started_at }: Hit, language: Language): string {
  return sessionName({ title, started_at: session_started_at }, language);
}
