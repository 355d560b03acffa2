/** Asks once, with the price, before the first pages are sent to an AI vendor. Until then maps are drawn without one. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type SettingsPatch, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { type Session, serverQuery, settingsQuery } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { quoteQuery, useCostSentence } from "./quote";
import { useGenerate } from "./useGenerate";
import { useLocalOnly } from "./useLocalOnly";
import "./ModelConsent.css";

export function ModelConsent({ session }: { session: Session }) {
  const server = useQuery(serverQuery()).data;
  const settings = useQuery(settingsQuery()).data?.settings;
  const isAsked =
    server !== undefined && server !== null && server.model_vendors.length > 0 && settings?.model_use === "ask";
  if (!isAsked || session.local_only || session.session_status !== "completed") return null;
  return <Question session={session} vendors={server.model_vendors.join(", ")} />;
}

function Question({ session, vendors }: { session: Session; vendors: string }) {
  const t = useMessages();
  const client = useQueryClient();
  const quote = useQuery(quoteQuery(session.id));
  const cost = useCostSentence(quote);
  const generate = useGenerate(session.id);
  const setLocalOnly = useLocalOnly(session.id);
  const decide = useMutation({
    mutationFn: (choice: NonNullable<SettingsPatch["model_use"]>) =>
      unwrap(api.PATCH("/v1/users/me/settings", { body: { model_use: choice } })),
    onSuccess: (reply) => {
      storeReply(client, settingsQuery().queryKey, reply);
      if (reply.settings.model_use === "vendor") generate.mutate(true);
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
  // The vendor is configured but would not be used, for example because the operator has switched it off.
  if (quote.data?.quote.provider === "local") return null;
  return (
    <section className="notice model-consent" aria-label={t.consent.title(vendors)}>
      <p>
        <b>{t.consent.title(vendors)}</b>{" "}
        {t.consent.body(vendors, quote.data?.quote.num_pages ?? session.page_count ?? 0)} {cost}{" "}
        <Link to="/account" hash="disclosures">
          {t.consent.more}
        </Link>
      </p>
      <div className="row wrap">
        <button
          type="button"
          className="button primary"
          disabled={decide.isPending || quote.isPending}
          onClick={() => decide.mutate("vendor")}
        >
          {t.consent.agree}
        </button>
        <button type="button" className="button" disabled={decide.isPending} onClick={() => setLocalOnly.mutate(true)}>
          {t.consent.notThis}
        </button>
        <button type="button" className="button" disabled={decide.isPending} onClick={() => decide.mutate("local")}>
          {t.consent.never}
        </button>
      </div>
    </section>
  );
}
