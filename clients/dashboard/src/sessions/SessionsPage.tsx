import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Combine, Search, SearchX, SlidersHorizontal, Spline } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type Filters, STATUSES, sessionsQuery } from "~/api/queries";
import { useMessages } from "~/i18n";
import { EmptyState } from "~/ui/basics";
import { DateFilter, TextFilter } from "~/ui/filters";
import { ErrorState, Skeletons } from "~/ui/states";
import { BulkActions } from "./BulkActions";
import { FirstRun, SampleButton } from "./FirstRun";
import { groupByAge } from "./groups";
import { SessionCard } from "./SessionCard";
import { useDelete } from "./useDelete";
import "./SessionsPage.css";

export function SessionsPage() {
  const t = useMessages();
  const filters = useSearch({ from: "/frame/sessions" });
  const list = useInfiniteQuery(sessionsQuery(filters));
  const remove = useDelete();
  const [checkedIds, setCheckedIds] = useState<ReadonlySet<string>>(new Set());
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  const sessions = useMemo(() => list.data?.pages.flatMap((page) => page.sessions) ?? [], [list.data]);
  const groups = useMemo(() => groupByAge(sessions, new Date()), [sessions]);
  const total = list.data?.pages[0]?.total ?? 0;
  const isFirstRun = list.isSuccess && total === 0 && !isFiltered;

  return (
    <div className="page">
      <title>{`${t.sessions.title} · ${t.brand}`}</title>
      <div className="page-head">
        <h1 className="grow">{t.sessions.title}</h1>
        {total > 1 && (
          <Link className="button" to="/maps">
            <Combine size={16} aria-hidden />
            {t.maps.title}
          </Link>
        )}
        {total > 1 && (
          <Link className="button" to="/threads">
            <Spline size={16} aria-hidden />
            {t.threads.title}
          </Link>
        )}
        {total > 0 && (
          <span className="muted tnum" aria-live="polite">
            {t.sessions.count(total)}
          </span>
        )}
      </div>
      {!isFirstRun && <FilterBar filters={filters} />}
      {list.isPending ? (
        <Skeletons rows={6} height={88} />
      ) : list.isError && !list.data ? (
        <ErrorState error={list.error} onRetry={() => void list.refetch()} />
      ) : isFirstRun ? (
        <FirstRun />
      ) : sessions.length === 0 ? (
        <EmptyState
          icon={<SearchX className="figure" size={32} strokeWidth={1.5} />}
          title={t.sessions.none}
          actions={<ClearFilters />}
        >
          {t.sessions.noneHint}
        </EmptyState>
      ) : (
        <>
          {groups.map(([group, members]) => (
            <section key={group} className="group" aria-label={t.groups[group]}>
              <h2>{t.groups[group]}</h2>
              <ul className="cards">
                {members.map((session) => (
                  <SessionCard
                    key={session.id}
                    session={session}
                    isChecked={checkedIds.has(session.id)}
                    onCheck={(isChecked) => {
                      const next = new Set(checkedIds);
                      if (isChecked) next.add(session.id);
                      else next.delete(session.id);
                      setCheckedIds(next);
                    }}
                    onDelete={() => remove.mutate(session)}
                  />
                ))}
              </ul>
            </section>
          ))}
          <BulkActions
            sessions={sessions.filter((session) => checkedIds.has(session.id))}
            onClear={() => setCheckedIds(new Set())}
          />
          {list.hasNextPage && <LoadMore isBusy={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />}
          {!list.hasNextPage && total < 4 && <SampleButton isQuiet />}
        </>
      )}
    </div>
  );
}

function ClearFilters() {
  const t = useMessages();
  const navigate = useNavigate({ from: "/sessions" });
  return (
    <button type="button" className="button" onClick={() => void navigate({ search: {} })}>
      {t.sessions.clearFilters}
    </button>
  );
}

function FilterBar({ filters }: { filters: Filters }) {
  const t = useMessages();
  const navigate = useNavigate({ from: "/sessions" });
  const [text, setText] = useState(filters.q ?? "");
  const numChosen = [filters.status, filters.domain, filters.keyword, filters.from, filters.to].filter(Boolean).length;
  const [isOpen, setOpen] = useState(numChosen > 0);
  const set = useCallback(
    (change: Partial<Filters>) => void navigate({ search: (old: Filters) => ({ ...old, ...change }), replace: true }),
    [navigate],
  );
  useEffect(() => {
    const query = text.trim() || undefined;
    if (query === filters.q) return;
    const timer = setTimeout(() => set({ q: query }), 250);
    return () => clearTimeout(timer);
  }, [text, filters.q, set]);
  // "Clear filters" and the back button change the URL but not this field.
  useEffect(() => setText((old) => (old.trim() === (filters.q ?? "") ? old : (filters.q ?? ""))), [filters.q]);
  return (
    <search className="stack tight filters-box" aria-label={t.sessions.filter}>
      <div className="row">
        <span className="row input-icon grow">
          <Search size={16} aria-hidden />
          <input
            className="input compact"
            type="search"
            aria-label={t.sessions.text}
            placeholder={t.sessions.text}
            value={text}
            onChange={(e) => setText(e.target.value)}
          />
        </span>
        <button
          type="button"
          className="button"
          aria-expanded={isOpen}
          aria-controls="filters"
          onClick={() => setOpen(!isOpen)}
        >
          <SlidersHorizontal size={15} aria-hidden />
          {t.sessions.filters(numChosen)}
        </button>
      </div>
      {isOpen && (
        <div id="filters" className="filters">
          <label className="filter">
            <span>{t.sessions.status}</span>
            <select
              className="input compact"
              value={filters.status ?? ""}
              onChange={(e) => set({ status: STATUSES.find((s) => s === e.target.value) })}
            >
              <option value="">{t.sessions.anyStatus}</option>
              {STATUSES.map((status) => (
                <option key={status} value={status}>
                  {t.status[status]}
                </option>
              ))}
            </select>
          </label>
          <TextFilter
            label={t.sessions.domain}
            value={filters.domain}
            placeholder="python.org"
            onChange={(domain) => set({ domain })}
          />
          <TextFilter
            label={t.sessions.keyword}
            value={filters.keyword}
            placeholder=""
            onChange={(keyword) => set({ keyword })}
          />
          <DateFilter
            label={t.sessions.from}
            value={filters.from}
            max={filters.to}
            onChange={(from) => set({ from })}
          />
          <DateFilter label={t.sessions.to} value={filters.to} min={filters.from} onChange={(to) => set({ to })} />
          {(numChosen > 0 || filters.q) && <ClearFilters />}
        </div>
      )}
    </search>
  );
}

/** Loads the next page when its button becomes visible; a click works too. */
function LoadMore({ isBusy, onMore }: { isBusy: boolean; onMore: () => void }) {
  const t = useMessages();
  const ref = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const button = ref.current;
    if (!button || isBusy) return;
    const seen = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && onMore(), {
      rootMargin: "400px",
    });
    seen.observe(button);
    return () => seen.disconnect();
  });
  return (
    <button ref={ref} type="button" className="button wide" disabled={isBusy} onClick={onMore}>
      {isBusy ? `${t.common.loading}…` : t.sessions.loadMore}
    </button>
  );
}
