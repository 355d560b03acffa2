import { useQuery } from "@tanstack/react-query";
import { serverQuery } from "~/api/queries";
import { useMessages } from "~/i18n";

/**
 * What a provider is called on screen: its company, or the server's own model. `openai` alone would name a company that
 * has received nothing where a server of the operator speaks its protocol. `local`, which is no model, stays.
 */
export function useProviderName(): (provider: string) => string {
  const t = useMessages();
  const providers = useQuery(serverQuery()).data?.providers ?? {};
  return (provider) => {
    const company = providers[provider];
    return company === null ? t.ownModel : (company ?? provider);
  };
}
