import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { SERVER_ERRORS } from "@trailmind/api";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ADMIN_WORDS } from "~/admin/words";
import { useSendsMail } from "~/api/sends-mail";
import { CancelDialog, RefundDialog } from "~/billing/dialogs";
import { loadMessages } from "~/i18n";
import { en } from "~/i18n/en";
import { ko } from "~/i18n/ko";

/** A sentence that could promise a mail, or a link by mail. */
const ABOUT_MAIL = /mail|write to you|\bsen[dt] you|we (have )?sen[dt]|메일|알려 드|보내 드|링크를 보/i;
/** What a server without mail must not say. */
const PROMISE = /we (have )?sen[dt]|write to you|send me|by mail|보내 드|링크를 보(냈|내)|(?<!이)메일로|메일함/i;

/** Sentences that speak of mail and promise none. */
const NO_PROMISE = new Set([
  "auth.email",
  "auth.verifyTitle",
  "auth.wrong",
  "auth.emailBad",
  "account.deleteConfirm",
  // What is not recorded, or why a page was left out.
  "first.steps",
  "account.allowedHint",
  "receipt.reasons.mail",
  "leftOut.reasons.inbox",
  "receipts.kinds.mail_records",
]);

/** Every text of a catalogue with its path; of a function, its source. */
function* sentences(value: unknown, path: string): Generator<[string, string]> {
  if (typeof value === "string") yield [path, value];
  else if (typeof value === "function")
    yield [
      path,
      value.toString().replace(/\\u([0-9a-f]{4})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    ];
  else if (Array.isArray(value)) for (const each of value) yield* sentences(each, path);
  else if (value && typeof value === "object")
    for (const [name, each] of Object.entries(value)) yield* sentences(each, path ? `${path}.${name}` : name);
}

it.each([
  ["en", en],
  ["ko", ko],
])("every sentence about mail is worded by whether the server sends it: %s", (_, catalogue) => {
  const found = [...sentences(catalogue, "")].filter(
    ([path, text]) => ABOUT_MAIL.test(text) && !path.startsWith("mail."),
  );
  expect(found.map(([path]) => path).filter((path) => !NO_PROMISE.has(path))).toEqual([]);
  expect([...sentences(catalogue.mail.sends, "")].filter(([, text]) => PROMISE.test(text)).length).toBeGreaterThan(4);
  expect([...sentences(catalogue.mail.writes, "")].filter(([, text]) => PROMISE.test(text))).toEqual([]);
});

it("errors promise no mail, and operators are promised none", () => {
  for (const catalogue of [SERVER_ERRORS, ADMIN_WORDS])
    expect([...sentences(catalogue, "")].filter(([, text]) => PROMISE.test(text))).toEqual([]);
});

const SECONDS = { timeout: 20_000 };
const plans = [
  { id: "free", name: "Free", session_retention_days: 30, max_concurrent_sessions: 1, token_limit: 50_000 },
];
let root: Root | undefined;

beforeEach(loadMessages);
afterEach(() => {
  root?.unmount();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

it.each([
  [CancelDialog, true],
  [CancelDialog, false],
  [RefundDialog, true],
  [RefundDialog, false],
])("a dialog about the end of a plan promises a mail only where one is sent", async (Shown, sendsMail) => {
  vi.stubGlobal("fetch", async (input: Request) =>
    new URL(input.url, "http://localhost").pathname === "/v1/server"
      ? Response.json({ server: { sends_mail: sendsMail } })
      : Response.json({ sessions: [], total: 0 }),
  );
  root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(
    <QueryClientProvider client={new QueryClient()}>
      <Shown name="Pro" day="1 January" plans={plans as never} onClose={() => undefined} />
    </QueryClientProvider>,
  );
  const expected = sendsMail ? en.mail.sends.afterOld(30, 30) : en.mail.writes.afterOld(30, 30);
  const other = sendsMail ? en.mail.writes.afterOld(30, 30) : en.mail.sends.afterOld(30, 30);
  await vi.waitFor(() => expect(document.body.textContent).toContain(expected), SECONDS);
  expect(document.body.textContent).not.toContain(other);
});

const MailProbe = () => <p>{String(useSendsMail())}</p>;

it("offers no mail before the server has said that it sends any", async () => {
  await loadMessages();
  const answers: ((sends: boolean) => void)[] = [];
  vi.stubGlobal(
    "fetch",
    () => new Promise((resolve) => answers.push((sends_mail) => resolve(Response.json({ server: { sends_mail } })))),
  );
  for (const sends of [true, false]) {
    const container = document.body.appendChild(document.createElement("div"));
    const root = createRoot(container);
    root.render(
      <QueryClientProvider client={new QueryClient()}>
        <MailProbe />
      </QueryClientProvider>,
    );
    await vi.waitFor(() => expect(answers).toHaveLength(1));
    expect(container.textContent).toBe("false");
    answers.pop()?.(sends);
    await vi.waitFor(() => expect(container.textContent).toBe(String(sends)));
    root.unmount();
  }
  vi.unstubAllGlobals();
});
