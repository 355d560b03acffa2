import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Search, SearchX } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { api, data } from "~/api/client";
import { type Filters, type Session, sessionsQuery } from "~/api/queries";
import { useLanguage, useWords } from "~/i18n";
import { STATUSES } from "~/router";
import { Blank } from "~/ui/basics";
import { say } from "~/ui/overlays";
import { ErrorState, Skeletons } from "~/ui/states";
import { sentence } from "~/ui/sentence";
import { hasFeature } from "~/session/features";
import { FirstRun, SampleButton } from "./FirstRun";
import { grouped } from "./groups";
import { SessionCard } from "./SessionCard";

export function SessionsPage() {
  const t = useWords();
  const filters = useSearch({ from: "/frame/sessions" });
  const list = useInfiniteQuery(sessionsQuery(filters));
  const remove = useDelete();
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  const sessions = useMemo(() => list.data?.pages.flatMap((page) => page.sessions) ?? [], [list.data]);
  const groups = useMemo(() => grouped(sessions, new Date()), [sessions]);
  const total = list.data?.pages[0]?.total ?? 0;
  const isFirstRun = list.isSuccess && total === 0 && !isFiltered;

  return (
    <div className="page">
      <title>{`${t.sessions.title} · ${t.brand}`}</title>
      <div className="page-head">
        <h1 className="grow">{t.sessions.title}</h1>
        {total > 0 && <span className="muted tnum" aria-live="polite">{t.sessions.count(total)}</span>}
      </div>
      {!isFirstRun && <FilterBar filters={filters} />}
      {list.isPending ? (
        <Skeletons rows={6} height={88} />
      ) : list.isError && !list.data ? (
        <ErrorState error={list.error} onRetry={() => void list.refetch()} />
      ) : isFirstRun ? (
        <FirstRun />
      ) : sessions.length === 0 ? (
        <Blank icon={<SearchX className="figure" size={32} strokeWidth={1.5} />} title={t.sessions.none} actions={<ClearFilters />}>
          {t.sessions.noneHint}
        </Blank>
      ) : (
        <>
          {groups.map(([group, members]) => (
            <section key={group} className="group" aria-label={t.groups[group]}>
              <h2>{t.groups[group]}</h2>
              <ul className="cards">
                {members.map((session) => (
                  <SessionCard key={session.id} session={session} onDelete={() => remove.mutate(session)} />
                ))}
              </ul>
            </section>
          ))}
          {list.hasNextPage && <MoreOnSight isBusy={list.isFetchingNextPage} onMore={() => void list.fetchNextPage()} />}
          {!list.hasNextPage && total < 4 && <SampleButton isQuiet />}
        </>
      )}
    </div>
  );
}

/** Deletes at once and offers eight seconds to take it back; the card leaves and returns without a reload. */
export function useDelete(onGone?: () => void) {
  const t = useWords();
  const client = useQueryClient();
  const path = (id: string) => ({ params: { path: { session_id: id } } });
  const refresh = () => client.invalidateQueries({ queryKey: ["sessions"] });
  return useMutation({
    mutationFn: (session: Session) => data(api.DELETE("/v1/sessions/{session_id}", path(session.id))),
    onMutate: (session) => {
      client.setQueriesData<{ pages: { sessions: Session[]; total: number }[] }>({ queryKey: ["sessions"] }, (old) =>
        old?.pages ? { ...old, pages: old.pages.map((p) => ({ ...p, total: p.total - 1, sessions: p.sessions.filter((s) => s.id !== session.id) })) } : old,
      );
    },
    onSuccess: (_, session) => {
      onGone?.();
      const restore = async () => {
        try {
          await data(api.POST("/v1/sessions/{session_id}/restore", path(session.id)));
          say(t.sessions.restored);
        } catch (error) {
          say(sentence(error, t));
        }
        await refresh();
      };
      say(t.sessions.deleted(session.title || t.common.untitled), { label: t.common.undo, run: () => void restore() });
    },
    onError: (error) => say(sentence(error, t)),
    onSettled: refresh,
  });
}

function ClearFilters() {
  const t = useWords();
  const navigate = useNavigate({ from: "/sessions" });
  return (
    <button type="button" className="button" onClick={() => void navigate({ search: {} })}>
      {t.sessions.clearFilters}
    </button>
  );
}

function FilterBar({ filters }: { filters: Filters }) {
  const t = useWords();
  const language = useLanguage();
  const navigate = useNavigate({ from: "/sessions" });
  const [text, setText] = useState(filters.q ?? "");
  const has = (name: string) => hasFeature("/v1/sessions", "get", name);
  const set = (change: Partial<Filters>) => void navigate({ search: (old: Filters) => ({ ...old, ...change }), replace: true });
  useEffect(() => {
    const wanted = text.trim() || undefined;
    if (wanted === filters.q) return;
    const timer = setTimeout(() => set({ q: wanted }), 250);
    return () => clearTimeout(timer);
  });
  return (
    <search className="filters" aria-label={t.sessions.filter}>
      {has("q") && <span className="row input-icon">
        <Search size={16} aria-hidden />
        <input className="input compact" type="search" aria-label={t.sessions.filter} placeholder={t.sessions.text} value={text} onChange={(e) => setText(e.target.value)} />
      </span>}
      <select className="input compact" aria-label={t.sessions.status} value={filters.status ?? ""} onChange={(e) => set({ status: STATUSES.find((s) => s === e.target.value) })}>
        <option value="">{t.sessions.all}</option>
        {STATUSES.map((status) => (
          <option key={status} value={status}>{t.status[status]}</option>
        ))}
      </select>
      {has("domain") && <input className="input compact" aria-label={t.sessions.domain} placeholder={t.sessions.domain} defaultValue={filters.domain ?? ""} key={`d-${filters.domain}`} onBlur={(e) => set({ domain: e.target.value.trim() || undefined })} onKeyDown={(e) => e.key === "Enter" && e.currentTarget.blur()} />}
      {has("keyword") && <input className="input compact" aria-label={t.sessions.keyword} placeholder={t.sessions.keyword} defaultValue={filters.keyword ?? ""} key={`k-${filters.keyword}`} onBlur={(e) => set({ keyword: e.target.value.trim() || undefined })} onKeyDown={(e) => e.key === "Enter" && e.currentTarget.blur()} />}
      {has("from") && <input className="input compact" type="date" lang={language} aria-label={t.sessions.from} value={filters.from ?? ""} max={filters.to} onChange={(e) => set({ from: e.target.value || undefined })} />}
      {has("to") && <input className="input compact" type="date" lang={language} aria-label={t.sessions.to} value={filters.to ?? ""} min={filters.from} onChange={(e) => set({ to: e.target.value || undefined })} />}
      {Object.values(filters).some(Boolean) && <ClearFilters />}
    </search>
  );
}

/** The next page loads when its button comes into sight; the button is there for everybody else. */
function MoreOnSight({ isBusy, onMore }: { isBusy: boolean; onMore: () => void }) {
  const t = useWords();
  const ref = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const button = ref.current;
    if (!button || isBusy) return;
    const seen = new IntersectionObserver((entries) => entries.some((e) => e.isIntersecting) && onMore(), { rootMargin: "400px" });
    seen.observe(button);
    return () => seen.disconnect();
  });
  return (
    <button ref={ref} type="button" className="button wide" disabled={isBusy} onClick={onMore}>
      {isBusy ? `${t.common.loading}…` : t.sessions.loadMore}
    </button>
  );
}
