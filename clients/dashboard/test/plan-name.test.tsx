import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import { usePlanName } from "~/billing/plan-name";
import { mountedRoot } from "./mounted-root";

const mounted = mountedRoot();

function Names() {
  const nameOf = usePlanName();
  return <>{["pro", "of a later server"].map(nameOf).join("|")}</>;
}

it("names a plan as the page of plans does", async () => {
  vi.stubGlobal("fetch", async () => Response.json({ plans: [{ id: "pro", name: "Pro" }] }));
  mounted.root.render(
    <QueryClientProvider client={new QueryClient()}>
      <Names />
    </QueryClientProvider>,
  );
  await vi.waitFor(() => expect(mounted.container.textContent).toBe("Pro|of a later server"), { timeout: 20_000 });
});
