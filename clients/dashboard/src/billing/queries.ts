/** What the account pays for, what is sold, and its invoices. */
import { queryOptions } from "@tanstack/react-query";
import { ApiError, type BillingReply, unwrap } from "@trailmind/api";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";

export type PaidPlan = NonNullable<BillingReply["subscription"]>;
export type Interval = PaidPlan["interval"];

/** Null on a server that sells nothing. */
export const billingQuery = () =>
  queryOptions({
    queryKey: ["billing"],
    queryFn: async ({ signal }): Promise<BillingReply | null> => {
      try {
        const { billing } = await unwrap(api.GET("/v1/billing", { signal }));
        return billing.enabled ? billing : null;
      } catch (error) {
        if (error instanceof ApiError && [404, 405, 501].includes(error.status)) return null;
        throw error;
      }
    },
    staleTime: 60_000,
    refetchInterval: 5 * 60_000,
  });

export const usageQuery = () => ({
  ...optionalQuery(["usage"], () => unwrap(api.GET("/v1/usage"))),
  refetchInterval: 5 * 60_000,
});

export const plansQuery = () => optionalQuery(["plans"], async () => (await unwrap(api.GET("/v1/plans"))).plans);

export const invoicesQuery = () =>
  optionalQuery(["invoices"], async () => (await unwrap(api.GET("/v1/billing/invoices"))).invoices);

/** The queries whose results a purchase or a change of the plan changes. */
export const CHANGED_BY_PURCHASE = [["billing"], ["subscription"], ["usage"], ["usage-history"], ["invoices"]] as const;
