import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { toApiError, unwrap } from "@trailmind/api";
import { Unlink } from "lucide-react";
import { useMemo } from "react";
import { api } from "~/api/client";
import { useMessages } from "~/i18n";
import { MapView } from "~/map/MapView";
import { parseMap } from "~/map/model";
import { Evidence } from "~/session/Evidence";
import type { SessionSearch } from "~/session/search-params";
import { useEvidenceAfterClick } from "~/session/useEvidenceAfterClick";
import { EmptyState } from "~/ui/basics";
import { ErrorState, Skeletons } from "~/ui/states";
import "~/session/session.css";

/** A shared session for every visitor with the link: map and evidence, read-only. */
export function SharedPage() {
  const t = useMessages();
  const { token } = useParams({ from: "/shared/$token" });
  const search = useSearch({ from: "/shared/$token" });
  const navigate = useNavigate({ from: "/shared/$token" });
  const shared = useQuery({
    queryKey: ["shared", token],
    queryFn: () => unwrap(api.GET("/v1/shared/{token}", { params: { path: { token } } })),
    retry: false,
  });
  const model = useMemo(() => (shared.data ? parseMap(shared.data.mindmap) : null), [shared.data]);
  const set = (change: Partial<SessionSearch>) =>
    void navigate({ search: (old: SessionSearch) => ({ ...old, ...change }), replace: true });
  const node = search.node && model ? model.byId.get(search.node) : undefined;
  const hasEvidence = useEvidenceAfterClick(node !== undefined, false);
  const isGone = shared.isError && [404, 410].includes(toApiError(shared.error).status);
  return (
    <main className="session shared" id="content">
      <title>{`${model?.root.label ?? t.share.publicTitle} · ${t.brand}`}</title>
      {shared.isPending ? (
        <div className="page">
          <Skeletons rows={3} height={120} />
        </div>
      ) : isGone || (shared.isSuccess && !model) ? (
        <EmptyState level={1} icon={<Unlink className="figure" size={32} strokeWidth={1.5} />} title={t.share.gone}>
          {t.share.goneHint}
        </EmptyState>
      ) : shared.isError || !model ? (
        <ErrorState level={1} error={shared.error} onRetry={() => void shared.refetch()} />
      ) : (
        <>
          <header className="session-head">
            <div className="row">
              <img src="/icon.svg" width={26} height={26} alt="" />
              <h1 className="grow ellipsis">{model.root.label}</h1>
              <span className="muted small">{t.share.made}</span>
            </div>
            {model.document.summary && <p className="session-summary">{model.document.summary}</p>}
          </header>
          <div className="session-body">
            <section className="pane" aria-label={t.map.title}>
              <MapView
                model={model}
                version={0}
                layout={search.layout ?? "tree"}
                onLayout={(layout) => set({ layout })}
                selected={search.node ?? null}
                onSelect={(id) => set({ node: id ?? undefined })}
                topic={search.topic ?? null}
                onTopic={(id) => set({ topic: id ?? undefined })}
              />
            </section>
            {hasEvidence && node && (
              <Evidence
                key={node.id}
                node={node}
                model={model}
                version={0}
                onSelect={(id) => set({ node: id ?? undefined })}
                onFocus={(id) => set({ topic: id ?? undefined })}
                focused={search.topic ?? null}
                edits={null}
                owner={null}
              />
            )}
          </div>
        </>
      )}
    </main>
  );
}
