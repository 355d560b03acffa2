import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { sessionQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import type { SearchFilters } from "./results";

/** The filters of the search: site, days, marked pages, and one session. They are in the URL. */
export function SearchFilterBar({ filters }: { filters: SearchFilters }) {
  const t = useMessages();
  const language = useLanguage();
  const navigate = useNavigate({ from: "/search" });
  const set = (change: SearchFilters) => void navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  const isFiltered = Object.values(filters).some((value) => value !== undefined);
  const day = (name: "from" | "to", label: string) => (
    <label className="filter">
      <span>{label}</span>
      <input
        className="input compact"
        type="date"
        lang={language}
        value={filters[name] ?? ""}
        onChange={(event) => set({ [name]: event.target.value || undefined })}
      />
    </label>
  );
  return (
    <search className="filters search-filters" aria-label={t.search.filters}>
      <label className="filter">
        <span>{t.sessions.domain}</span>
        <input
          className="input compact"
          key={filters.domain}
          placeholder="python.org"
          defaultValue={filters.domain ?? ""}
          onBlur={(event) => set({ domain: event.target.value.trim() || undefined })}
          onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
        />
      </label>
      {day("from", t.sessions.from)}
      {day("to", t.sessions.to)}
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
  const session = useQuery(sessionQuery(id));
  return (
    <button type="button" className="chip" aria-pressed="true" onClick={onRemove}>
      {session.data?.title || t.common.untitled} · {t.common.clear}
    </button>
  );
}
