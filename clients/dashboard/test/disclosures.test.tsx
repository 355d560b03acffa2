import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import type { Session } from "~/api/queries";
import { setLanguage } from "~/i18n";
import type { Edits } from "~/session/edits";
import { Panels } from "~/session/Panels";
import { mountedRoot } from "./mounted-root";

const mounted = mountedRoot();

const call = { provider: "gemini", model: "a-model", sent_at: "2031-12-01T10:00:00Z", status: "ok", num_chars: 900 };
const disclosures = ["describe", "outline"].map((operation) => ({
  ...call,
  id: operation,
  operation,
  num_redactions: 0,
}));

it.each([
  ["en", ["Descriptions of pages", "Topics of the map"]],
  ["ko", ["페이지 설명", "지도의 주제"]],
] as const)("says whom each request went to and for what, in %s", async (language, purposes) => {
  await setLanguage(language);
  const replies: Record<string, object> = {
    "/v1/server": { server: { providers: { gemini: "Google" } } },
    "/v1/sessions/s/disclosures": { disclosures, total: 2, text_retention_days: 30 },
  };
  vi.stubGlobal("fetch", async (request: Request) => Response.json(replies[new URL(request.url).pathname] ?? {}));
  mounted.root.render(
    <QueryClientProvider client={new QueryClient()}>
      <Panels
        name="disclosures"
        session={{ id: "s" } as Session}
        model={null}
        mindmap={null}
        language={language}
        onClose={() => {}}
        onSelect={() => {}}
        edits={{} as Edits}
      />
    </QueryClientProvider>,
  );
  const texts = () => [...document.querySelectorAll("summary")].map((each) => each.textContent ?? "");
  await vi.waitFor(() => expect(texts().map((text) => text.slice(0, 16))).toEqual(Array(2).fill("Google · a-model")));
  for (const [i, purpose] of purposes.entries()) expect(texts()[i]).toContain(purpose);
  expect(texts().join()).not.toMatch(/describe\b|outline\b/);
});
