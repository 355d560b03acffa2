import { useQuery } from "@tanstack/react-query";
import { serverQuery } from "~/api/queries";
import { useMessages } from "~/i18n";

/**
 * What a provider is called on screen: its company, or the server's own model. `openai` alone would name a company that
 * has received nothing where a server of the operator speaks its protocol; so would the company of a provider whose
 * setting is gone. `local`, which is no model, stays.
 */
export function useProviderName(): (provider: string) => string {
  const t = useMessages();
  const { providers = {}, api_vendors: vendors = {} } = useQuery(serverQuery()).data ?? {};
  return (provider) => {
    const company = providers[provider];
    if (company !== undefined) return company ?? t.ownModel;
    const vendor = vendors[provider];
    return vendor ? t.formerModel(vendor) : provider;
  };
}
