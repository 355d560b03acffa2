import { useMutation, useQuery } from "@tanstack/react-query";
import { compactNumber, unwrap } from "@trailmind/api";
import { useState } from "react";
import { Section } from "~/account/Section";
import { api } from "~/api/client";
import { useLanguage, useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { billingQuery, usageQuery } from "./queries";

/** More tokens for an account with a paid plan. */
export function TokenPacks() {
  const t = useMessages();
  const language = useLanguage();
  const billing = useQuery(billingQuery()).data;
  const usage = useQuery(usageQuery()).data?.usage;
  const [quantity, setQuantity] = useState(1);
  const buy = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/billing/packs", { body: { quantity } })),
    onSuccess: ({ url }) => location.assign(url),
    onError: (error) => toast(errorMessage(error, t)),
  });
  const left = usage?.granted_tokens_left ?? 0;
  const isSold = billing?.sells_packs && billing.subscription;
  if (!isSold && left === 0) return null;
  return (
    <Section title={t.billing.packs}>
      <div className="stack">
        {left > 0 && <p className="tnum">{t.billing.packsLeft(compactNumber(left, language))}</p>}
        {isSold && (
          <>
            <p className="muted">{t.billing.packsHint(compactNumber(billing.tokens_per_pack, language))}</p>
            <form
              className="row wrap"
              onSubmit={(event) => {
                event.preventDefault();
                buy.mutate();
              }}
            >
              <select
                className="input compact pack-count"
                aria-label={t.billing.packsCount}
                value={quantity}
                onChange={(event) => setQuantity(Number(event.target.value))}
              >
                {[1, 2, 3, 5, 10, 20].map((each) => (
                  <option key={each} value={each}>
                    {each}
                  </option>
                ))}
              </select>
              <button
                type="submit"
                className="button"
                disabled={buy.isPending || billing.subscription?.status === "past_due" || billing.is_disputed}
              >
                {t.billing.packsBuy(compactNumber(quantity * billing.tokens_per_pack, language))}
              </button>
            </form>
          </>
        )}
      </div>
    </Section>
  );
}
