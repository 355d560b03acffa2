import { useQuery } from "@tanstack/react-query";
import { plansQuery } from "./queries";

/** The name of a plan by its id; the id itself until the plans are loaded. */
export function usePlanName(): (id: string) => string {
  const plans = useQuery(plansQuery()).data;
  return (id) => plans?.find((plan) => plan.id === id)?.name ?? id;
}
