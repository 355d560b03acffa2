import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  Outlet,
  RouterProvider,
} from "@tanstack/react-router";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SignupForm } from "~/auth/forms";
import { loadMessages } from "~/i18n";
import { en } from "~/i18n/en";

const SECONDS = { timeout: 20_000 };
let root: Root;
let sent: { path: string; body: unknown }[];

/** Shows the form of a server that answers a sign-up with `status` and `body`. */
async function show(sendsMail: boolean, status: number, body: unknown): Promise<void> {
  sent = [];
  vi.stubGlobal("fetch", async (input: Request) => {
    const path = new URL(input.url, "http://localhost").pathname;
    if (path === "/v1/auth/signup") {
      sent.push({ path, body: await input.json() });
      return Response.json(body, { status });
    }
    if (path === "/v1/server") return Response.json({ server: { sends_mail: sendsMail } });
    return Response.json({ enabled: false });
  });
  const top = createRootRoute({ component: Outlet });
  const layout = createRoute({ getParentRoute: () => top, id: "auth" });
  const signUp = createRoute({ getParentRoute: () => layout, path: "signup", component: SignupForm });
  const logIn = createRoute({ getParentRoute: () => layout, path: "login" });
  const router = createRouter({
    routeTree: top.addChildren([layout.addChildren([signUp, logIn])]),
    history: createMemoryHistory({ initialEntries: ["/signup"] }),
  });
  const container = document.body.appendChild(document.createElement("div"));
  root = createRoot(container);
  root.render(
    <QueryClientProvider client={new QueryClient()}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  );
  await vi.waitFor(() => expect(document.querySelector("form")).not.toBeNull(), SECONDS);
}

const field = (name: string) => document.querySelector<HTMLInputElement>(`input[name="${name}"]`);

function type(name: string, text: string): void {
  const input = field(name) as HTMLInputElement;
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value")?.set?.call(input, text);
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

const submit = () => document.querySelector<HTMLButtonElement>('button[type="submit"]')?.click();

beforeEach(loadMessages);
afterEach(() => {
  root.unmount();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

it("asks a server with mail for the address only, and says that a mail was sent", async () => {
  await show(true, 202, { message: "sent" });
  await vi.waitFor(() => expect(document.body.textContent).toContain(en.mail.sends.passwordByMail), SECONDS);
  expect(field("password")).toBeNull();
  type("email", "ann@test.local");
  submit();
  await vi.waitFor(
    () => expect(document.querySelector("[role=status]")?.textContent).toBe(en.mail.sends.signUpMailSent),
    SECONDS,
  );
  expect(sent).toEqual([{ path: "/v1/auth/signup", body: { email: "ann@test.local" } }]);
  expect(field("email")).toBeNull();
});

it("asks a server without mail for a password, and names an address that is taken", async () => {
  await show(false, 409, { error: { code: "CONFLICT", message: "taken" } });
  await vi.waitFor(() => expect(field("password")).not.toBeNull(), SECONDS);
  type("email", "ann@test.local");
  type("password", "short");
  submit();
  await vi.waitFor(() => expect(document.body.textContent).toContain(en.auth.passwordShort), SECONDS);
  expect(sent).toEqual([]);
  type("password", "correct horse");
  submit();
  await vi.waitFor(() => expect(document.body.textContent).toContain(en.auth.taken), SECONDS);
  expect(document.querySelector("[role=status]")).toBeNull();
});
