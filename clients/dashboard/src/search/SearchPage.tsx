import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Search, SearchX } from "lucide-react";
import { useEffect, useState } from "react";
import { useLanguage, useWords } from "~/i18n";
import { date } from "~/i18n/format";
import { Blank, hostOf, SiteMark } from "~/ui/basics";
import { ErrorState, Skeletons } from "~/ui/states";
import { marked, searchQuery } from "./results";

export function SearchPage() {
  const t = useWords();
  const language = useLanguage();
  const { q = "" } = useSearch({ from: "/frame/search" });
  const navigate = useNavigate({ from: "/search" });
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    if (text === q) return;
    const timer = setTimeout(() => void navigate({ search: { q: text || undefined }, replace: true }), 250);
    return () => clearTimeout(timer);
  }, [text, q, navigate]);
  const results = useInfiniteQuery(searchQuery(q));
  const hits = results.data?.pages.flatMap((page) => page.hits) ?? [];
  const isMissing = results.data?.pages[0]?.isMissing ?? false;
  return (
    <div className="page">
      <title>{`${t.search.title} · ${t.brand}`}</title>
      <div className="page-head"><h1>{t.search.title}</h1></div>
      <search className="row input-icon">
        <Search size={18} aria-hidden />
        <input className="input" type="search" autoFocus aria-label={t.search.hint} placeholder={t.search.placeholder} value={text} onChange={(e) => setText(e.target.value)} />
      </search>
      <div aria-live="polite">
        {!q ? (
          <Blank icon={<Search className="figure" size={32} strokeWidth={1.5} />} title={t.search.hint}>{t.search.type}</Blank>
        ) : results.isPending ? (
          <Skeletons rows={5} height={72} />
        ) : results.isError ? (
          <ErrorState error={results.error} onRetry={() => void results.refetch()} />
        ) : isMissing ? (
          <Blank icon={<SearchX className="figure" size={32} strokeWidth={1.5} />} title={t.search.unavailable} />
        ) : hits.length === 0 ? (
          <Blank icon={<SearchX className="figure" size={32} strokeWidth={1.5} />} title={t.search.none(q)}>{t.search.noneHint}</Blank>
        ) : (
          <>
            <p className="muted small tnum results-count">{t.search.results(results.data.pages[0]?.total ?? hits.length)}</p>
            <ul>
              {hits.map((hit, i) => (
                <li key={`${hit.sessionId}-${hit.nodeId}-${i}`}>
                  <Link className="hit" to="/sessions/$id" params={{ id: hit.sessionId }} search={{ node: hit.nodeId ?? undefined }}>
                    <span className="row">
                      <SiteMark host={hostOf(hit.url)} />
                      <span className="strong ellipsis grow">{marked(hit.title).map((part, j) => (part.isMatch ? <mark key={j}>{part.text}</mark> : part.text))}</span>
                      <span className="badge">{t.search.kinds[hit.kind] ?? hit.kind}</span>
                    </span>
                    {hit.snippet && <p>{marked(hit.snippet).map((part, j) => (part.isMatch ? <mark key={j}>{part.text}</mark> : part.text))}</p>}
                    <p className="small muted">{[hit.sessionTitle, hostOf(hit.url), hit.at ? date(new Date(hit.at), new Date(), language) : ""].filter(Boolean).join(" · ")}</p>
                  </Link>
                </li>
              ))}
            </ul>
            {results.hasNextPage && <button type="button" className="button wide" disabled={results.isFetchingNextPage} onClick={() => void results.fetchNextPage()}>{t.sessions.loadMore}</button>}
          </>
        )}
      </div>
    </div>
  );
}
