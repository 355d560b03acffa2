import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { expect, it, vi } from "vitest";
import type { Session } from "~/api/queries";
import { AccountNotices } from "~/billing/AccountNotices";
import { setLanguage } from "~/i18n";
import { en } from "~/i18n/en";
import type { Edits } from "~/session/edits";
import { FailureHint } from "~/session/FailureHint";
import { Panels } from "~/session/Panels";
import { mountedRoot } from "./mounted-root";

vi.mock("@tanstack/react-router", async (original) => ({
  ...(await original<object>()),
  Link: ({ to, children }: { to: string; children: string }) => <a href={to}>{children}</a>,
}));

const PATIENCE = { timeout: 20_000 };
const quote = { provider: "local", is_affordable: false, resets_at: "2031-12-01T12:00:00Z" };
const usage = { can_use_ai: false, is_unlimited: false, percent_used: 100, period_end: "2031-12-01T12:00:00Z" };
const mounted = mountedRoot();

function show(part: ReactNode, whenOutOfTokens: "local" | "refuse") {
  const replies: Record<string, object> = {
    "/v1/usage": { usage },
    "/v1/users/me/settings": { settings: { when_out_of_tokens: whenOutOfTokens } },
    "/v1/billing": { billing: { enabled: false } },
    "/v1/sessions/s/mindmap/quote": { quote },
  };
  vi.stubGlobal("fetch", async (request: Request) => Response.json(replies[new URL(request.url).pathname] ?? {}));
  mounted.root.render(<QueryClientProvider client={new QueryClient()}>{part}</QueryClientProvider>);
}

it.each([
  ["local", "en", "Maps are drawn without a model until 1 Dec 2031."],
  ["refuse", "en", "By your setting no new maps are drawn until 1 Dec 2031."],
  ["local", "ko", "2031년 12월 1일까지는 모델 없이 지도를 그려요."],
  ["refuse", "ko", "설정에 따라 2031년 12월 1일까지 새 지도를 그리지 않아요."],
] as const)("says what happens without tokens as the setting %s says, in %s", async (setting, language, sentence) => {
  await setLanguage(language);
  show(<AccountNotices />, setting);
  await vi.waitFor(() => expect(mounted.container.textContent).toContain(sentence), PATIENCE);
});

it.each([
  ["en", "They are renewed on 1 Dec 2031."],
  ["ko", "2031년 12월 1일에 다시 채워져요."],
] as const)(
  "names the day on which a refused map can be drawn, and offers no useless try, in %s",
  async (language, day) => {
    await setLanguage(language);
    show(<FailureHint code="TOKEN_LIMIT_EXCEEDED" />, "refuse");
    await vi.waitFor(() => expect(mounted.container.textContent).toContain(day), PATIENCE);
    expect(mounted.container.textContent).not.toMatch(/Try again|다시 시도/);
  },
);

it.each([
  ["local", false],
  ["refuse", true],
] as const)(
  "offers to draw a map that the tokens do not cover only where the setting %s allows it",
  async (setting, isUseless) => {
    const none = { model: null, mindmap: null, onClose: () => {}, onSelect: () => {}, edits: {} as Edits };
    show(<Panels name="regenerate" session={{ id: "s" } as Session} language="en" {...none} />, setting);
    await vi.waitFor(() => expect(document.body.textContent).toContain("They are renewed on 1 Dec 2031."), PATIENCE);
    const go = [...document.querySelectorAll("button")].find((button) => button.textContent === en.regenerate.go);
    expect([go?.disabled, document.querySelector('a[href="/account"]') !== null]).toEqual([isUseless, isUseless]);
  },
);

it("does not say that tokens are used up where a map only needs more than are left", async () => {
  show(<FailureHint code="TOKEN_LIMIT_EXCEEDED" />, "refuse");
  await vi.waitFor(() => expect(mounted.container.textContent).toContain("do not cover this map"), PATIENCE);
});
