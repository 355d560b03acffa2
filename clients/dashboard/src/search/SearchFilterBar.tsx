import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { sessionQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { sessionName } from "~/sessions/session-name";
import { DateFilter, TextFilter } from "~/ui/filters";
import type { SearchFilters } from "./results";

/** The filters of the search: site, days, marked pages, and one session. They are in the URL. */
export function SearchFilterBar({ filters }: { filters: SearchFilters }) {
  const t = useMessages();
  const navigate = useNavigate({ from: "/search" });
  const set = (change: SearchFilters) => void navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  return (
    <search className="filters search-filters" aria-label={t.search.filters}>
      <TextFilter
        label={t.sessions.domain}
        value={filters.domain}
        placeholder="python.org"
        onChange={(domain) => set({ domain })}
      />
      <DateFilter label={t.sessions.from} value={filters.from} onChange={(from) => set({ from })} />
      <DateFilter label={t.sessions.to} value={filters.to} onChange={(to) => set({ to })} />
      <label className="row">
        <input
          type="checkbox"
          checked={filters.marked ?? false}
          onChange={(event) => set({ marked: event.currentTarget.checked ? true : undefined })}
        />
        {t.search.marked}
      </label>
      {filters.session && <SessionChip id={filters.session} onRemove={() => set({ session: undefined })} />}
      {isFiltered && (
        <button
          type="button"
          className="button"
          onClick={() => void navigate({ search: ({ q }) => ({ q }), replace: true })}
        >
          {t.sessions.clearFilters}
        </button>
      )}
    </search>
  );
}

function SessionChip({ id, onRemove }: { id: string; onRemove: () => void }) {
  const t = useMessages();
  const language = useLanguage();
  const session = useQuery(sessionQuery(id));
  return (
    <button type="button" className="chip" aria-pressed="true" onClick={onRemove}>
      {session.data ? sessionName(session.data, language) : t.common.loading} · {t.common.clear}
    </button>
  );
}
