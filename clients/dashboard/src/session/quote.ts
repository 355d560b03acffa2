/** What drawing a map again costs at most, in words that do not promise more than is known. */
import { queryOptions, type UseQueryResult } from "@tanstack/react-query";
import { type QuoteEnvelope, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { useLanguage, useMessages } from "~/i18n";
import { useProviderName } from "./provider-name";

export const quoteQuery = (id: string) =>
  queryOptions({
    queryKey: ["quote", id],
    queryFn: () =>
      unwrap(api.POST("/v1/sessions/{session_id}/mindmap/quote", { params: { path: { session_id: id } } })),
    retry: false,
  });

/** The price of a quote, with its share of the plan; says so while it is computed and when it is unknown. */
export function useCostSentence({
  data,
  isPending,
}: Pick<UseQueryResult<QuoteEnvelope>, "data" | "isPending">): string {
  const t = useMessages();
  const language = useLanguage();
  const nameOf = useProviderName();
  if (isPending) return t.regenerate.pending;
  if (!data) return t.regenerate.unknown;
  const { provider, cost_micros: micros, tokens, plan_share: share } = data.quote;
  if (provider === "local") return t.regenerate.free;
  const dollars = (micros / 1e6).toLocaleString(language, {
    style: "currency",
    currency: "USD",
    maximumFractionDigits: 3,
  });
  const cost = t.regenerate.cost(nameOf(provider), dollars, t.account.tokens(tokens.toLocaleString(language)));
  return share === undefined
    ? cost
    : `${cost} ${t.regenerate.share(share.toLocaleString(language, { style: "percent", maximumFractionDigits: 1 }))}`;
}
