import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { expect, it, vi } from "vitest";
import { setLanguage } from "~/i18n";
import { useNoteSentence } from "~/session/note-sentences";
import { useCostSentence } from "~/session/quote";
import { mountedRoot } from "./mounted-root";

const mounted = mountedRoot();

const quote = { provider: "openai", model: "a-model", tokens: 900, cost_micros: 0 };

function Sentences() {
  const cost = useCostSentence({ data: { quote } as never, isPending: false });
  const sentenceOf = useNoteSentence();
  const notes = [
    { code: "provider_replaced", values: { expected: "gemini", provider: "openai" } },
    { code: "out_of_tokens", values: { until: "2031-12-01" } },
    { code: "of a later server" },
  ];
  return <>{[cost, ...notes.map(sentenceOf)].join("|")}</>;
}

function show(providers: Record<string, string | null>) {
  const api_vendors = { openai: "OpenAI", gemini: "Google" };
  vi.stubGlobal("fetch", async () => Response.json({ server: { model_vendors: [], providers, api_vendors } }));
  mounted.root.render(
    <QueryClientProvider client={new QueryClient()}>
      <Sentences />
    </QueryClientProvider>,
  );
}

it("names the company of a provider", async () => {
  show({ openai: "OpenAI", gemini: "Google" });
  await vi.waitFor(() =>
    expect(mounted.container.textContent).toBe(
      "At most $0.00 and 900 tokens, by OpenAI.|Drawn by OpenAI, because Google could not be used.|" +
        "Drawn without a model: your plan's tokens do not cover it. They are renewed on 1 Dec 2031.|",
    ),
  );
});

it.each([
  ["en", "Drawn by OpenAI or a compatible server, because Google could not be used."],
  ["ko", "OpenAI 또는 호환 서버의 모델로"],
] as const)(
  "does not say that a company drew a map whose provider has no setting any more, in %s",
  async (language, words) => {
    await setLanguage(language);
    show({ gemini: "Google" });
    await vi.waitFor(() => expect(mounted.container.textContent).toContain(words));
  },
);

it.each([
  ["en", "by this server's model."],
  ["ko", "이 서버의 자체 모델로 최대"],
] as const)(
  "does not say that a company has drawn what the server's own model draws, in %s",
  async (language, words) => {
    await setLanguage(language);
    show({ openai: null });
    await vi.waitFor(() => expect(mounted.container.textContent).toContain(words));
    expect(mounted.container.textContent).not.toMatch(/openai/i);
  },
);
