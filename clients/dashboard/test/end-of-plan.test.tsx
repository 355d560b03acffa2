/** What the dialogs about the end of a plan say of a server that enforces only some limits. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import { CancelDialog } from "~/billing/dialogs";
import { en } from "~/i18n/en";
import { mountedRoot } from "./mounted-root";

const mounted = mountedRoot();

it("names the tokens, and no limit that the server does not enforce", async () => {
  vi.stubGlobal("fetch", async () => Response.json({ server: { sends_mail: false } }));
  const free = { id: "free", name: "Free", token_limit: 50_000 };
  mounted.root.render(
    <QueryClientProvider client={new QueryClient()}>
      <CancelDialog name="Pro" day="1 January" plans={[free] as never} onClose={() => undefined} />
    </QueryClientProvider>,
  );
  await vi.waitFor(() => expect(document.body.textContent).toContain(en.billing.afterFree("50K", null)), {
    timeout: 20_000,
  });
  expect(document.body.textContent).not.toContain("at a time");
  expect(document.body.querySelectorAll(".afterwards li")).toHaveLength(1);
});
