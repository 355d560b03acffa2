import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { shortDate, timeOfDay, unwrap } from "@trailmind/api";
import { Combine } from "lucide-react";
import { useState } from "react";
import { api } from "~/api/client";
import { useLanguage, useMessages } from "~/i18n";
import { Thumbnail } from "~/sessions/Thumbnail";
import { EmptyState } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { DateFilter } from "~/ui/filters";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { dayRange, isDrawing, type JointMap, jointMapQuery, jointMapsQuery } from "./queries";
import "./maps.css";

/** The maps over several sessions, and a form that draws one over the sessions of some days. */
export function MapsPage() {
  const t = useMessages();
  const maps = useQuery(jointMapsQuery());
  return (
    <div className="page">
      <title>{`${t.maps.title} · ${t.brand}`}</title>
      <div className="page-head">
        <div className="grow">
          <h1>{t.maps.title}</h1>
          <p className="muted">{t.maps.hint}</p>
        </div>
      </div>
      <NewMap />
      {maps.isPending ? (
        <Skeletons rows={3} height={72} />
      ) : maps.isError && !maps.data ? (
        <ErrorState error={maps.error} onRetry={() => void maps.refetch()} />
      ) : maps.data.maps.length === 0 ? (
        <EmptyState icon={<Combine className="figure" size={32} strokeWidth={1.5} />} title={t.maps.none}>
          {t.maps.noneHint}
        </EmptyState>
      ) : (
        <ul className="cards">
          {maps.data.maps.map((map) => (
            <Entry key={map.id} map={map} />
          ))}
        </ul>
      )}
    </div>
  );
}

function NewMap() {
  const t = useMessages();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [title, setTitle] = useState("");
  const [from, setFrom] = useState<string>();
  const [to, setTo] = useState<string>();
  const create = useMutation({
    mutationFn: (range: { since: string; until: string }) =>
      unwrap(api.POST("/v1/maps", { body: { ...range, ...(title.trim() ? { title: title.trim() } : {}) } })),
    onSuccess: ({ map }) => {
      client.setQueryData(jointMapQuery(map.id).queryKey, map);
      void client.invalidateQueries({ queryKey: jointMapsQuery().queryKey });
      return navigate({ to: "/maps/$id", params: { id: map.id } });
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  return (
    <form
      className="filters new-joint-map"
      aria-label={t.maps.create}
      onSubmit={(event) => {
        event.preventDefault();
        if (from && to) create.mutate(dayRange(from, to));
      }}
    >
      <label className="filter">
        <span>{t.maps.name}</span>
        <input
          className="input compact"
          maxLength={200}
          value={title}
          onChange={(event) => setTitle(event.target.value)}
        />
      </label>
      <DateFilter label={t.sessions.from} value={from} max={to} onChange={setFrom} />
      <DateFilter label={t.sessions.to} value={to} min={from} onChange={setTo} />
      <button type="submit" className="button primary" disabled={!from || !to || create.isPending}>
        {t.maps.create}
      </button>
    </form>
  );
}

function Entry({ map }: { map: JointMap }) {
  const t = useMessages();
  const language = useLanguage();
  const createdAt = new Date(map.created_at);
  return (
    <li className="card">
      <Thumbnail
        owner={{ kind: "joint", id: map.id }}
        updatedAt={map.updated_at}
        mayHaveMap={!isDrawing(map) && map.version !== undefined}
      />
      <div>
        <Link className="card-title" to="/maps/$id" params={{ id: map.id }}>
          {map.title || t.maps.untitled}
        </Link>
        <p className="card-meta small tnum">
          <span>
            {shortDate(createdAt, new Date(), language)} {timeOfDay(createdAt, language)}
          </span>
          <span>{t.sessions.count(map.session_ids.length)}</span>
          {isDrawing(map) ? (
            <span>{t.map.regenerating}</span>
          ) : (
            map.status === "failed" && <span className="field-error">{t.map.failed}</span>
          )}
        </p>
      </div>
    </li>
  );
}
