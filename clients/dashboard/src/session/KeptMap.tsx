/** Says that the last generation gave no better map, why, which version is shown instead, and what the user can do. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { dateTime, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import type { Mindmap, Session } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { useFailureReason } from "~/billing/tokens";
import { useLanguage, useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { keptMap } from "./kept-map";
import { useNoteSentence } from "./note-sentences";
import { useProviderName } from "./provider-name";
import { useGenerate } from "./useGenerate";
import "./ModelConsent.css";

export function KeptMap({ session, map }: { session: Session; map: Mindmap }) {
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const generate = useGenerate(session.id);
  const choose = useMutation({
    mutationFn: (number: number) =>
      unwrap(
        api.POST("/v1/sessions/{session_id}/mindmap/versions/{number}/restore", {
          params: { path: { session_id: session.id, number } },
        }),
      ),
    onSuccess: (reply) => {
      storeReply<Mindmap>(client, ["mindmap", session.id], reply.mindmap);
      void client.invalidateQueries({ queryKey: ["versions", session.id] });
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  const kept = keptMap(map);
  const nameOf = useProviderName();
  const sentenceOf = useNoteSentence();
  const reason = useFailureReason(kept?.code);
  if (!kept) return null;
  const date = dateTime(Date.parse(kept.shownSince), language);
  const isBusy = generate.isPending || choose.isPending;
  const reasons = kept.notes.map(sentenceOf).filter(Boolean);
  return (
    <section className="notice amber model-consent" aria-label={t.keptMap.title}>
      <p role="status">
        <b>{kept.offered === null ? t.keptMap.failed : t.keptMap.weaker}</b>{" "}
        {kept.offered === null ? reason : reasons.join(" ")} {t.keptMap.shown(date, nameOf(kept.provider))}
      </p>
      <div className="row wrap">
        {kept.offered !== null && (
          <button
            type="button"
            className="button"
            disabled={isBusy}
            onClick={() => kept.offered !== null && choose.mutate(kept.offered)}
          >
            {t.keptMap.use}
          </button>
        )}
        <button type="button" className="button" disabled={isBusy} onClick={() => generate.mutate(true)}>
          {t.keptMap.retry}
        </button>
        <button type="button" className="button" disabled={isBusy} onClick={() => choose.mutate(kept.version)}>
          {t.keptMap.keep}
        </button>
      </div>
    </section>
  );
}
