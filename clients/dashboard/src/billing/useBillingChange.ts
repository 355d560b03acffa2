import { type QueryClient, useMutation, useQueryClient } from "@tanstack/react-query";
import { useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { billingQuery, CHANGED_BY_PURCHASE } from "./queries";

const POLL_MS = 1_000;
const NUM_POLLS = 30;

/** Everything that a purchase changes is read again. */
export async function refreshBilling(client: QueryClient): Promise<void> {
  await Promise.all(CHANGED_BY_PURCHASE.map((queryKey) => client.invalidateQueries({ queryKey })));
}

/**
 * A change of what the account pays for. It is pending until the server has learnt the result from Stripe, so that the
 * page never shows what is only hoped for.
 */
export function useBillingChange<T>(request: (value: T) => Promise<unknown>, onDone?: () => void) {
  const client = useQueryClient();
  const t = useMessages();
  return useMutation({
    mutationFn: async (value: T) => {
      const before = JSON.stringify(client.getQueryData(billingQuery().queryKey));
      await request(value);
      for (let poll = 0; poll < NUM_POLLS; poll += 1) {
        const now = await client.fetchQuery({ ...billingQuery(), staleTime: 0 }).catch(() => undefined);
        if (now !== undefined && JSON.stringify(now) !== before) return true;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      return false;
    },
    onSuccess: async (isDone) => {
      await refreshBilling(client);
      toast(isDone ? t.billing.changed : t.billing.onItsWay);
      onDone?.();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
}
