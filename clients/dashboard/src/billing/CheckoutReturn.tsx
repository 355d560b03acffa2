import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ApiError, unwrap } from "@trailmind/api";
import { useEffect, useState } from "react";
import { api } from "~/api/client";
import { useMessages } from "~/i18n";
import { toast } from "~/ui/toast";
import { refreshBilling } from "./useBillingChange";

const POLL_MS = 1_500;
/** After this time the page says that the confirmation takes longer, and goes on asking. */
const SLOW_AFTER_MS = 30_000;

/**
 * After the payment page: waits until the server has the payment confirmed by Stripe. The address says only which
 * purchase to ask for, never that it was paid.
 */
export function CheckoutReturn({ id }: { id: string }) {
  const t = useMessages();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isSlow, setSlow] = useState(false);
  const checkout = useQuery({
    queryKey: ["checkout", id],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/v1/billing/checkouts/{checkout_id}", { params: { path: { checkout_id: id } }, signal })),
    refetchInterval: (query) => (query.state.data && query.state.data.status !== "open" ? false : POLL_MS),
    retry: (_, error) => !(error instanceof ApiError && error.status < 500),
  });
  const status = checkout.data?.status;
  const isUnknown = checkout.error instanceof ApiError && checkout.error.status < 500 && checkout.error.status !== 0;
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), SLOW_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    if (status === undefined && !isUnknown) return;
    if (status === "open") return;
    if (status === "complete") {
      void refreshBilling(client);
      toast(t.billing.paid);
    } else toast(t.billing.notPaid);
    void navigate({ to: "/account", search: {}, replace: true });
  }, [status, isUnknown, client, navigate, t]);
  return (
    <p className="notice checkout-return" role="status">
      {isSlow ? t.billing.confirmingSlow : t.billing.confirming}
    </p>
  );
}
