import "pretendard/dist/web/variable/pretendardvariable-dynamic-subset.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/frame.css";
import "./styles/session.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { toApiError } from "./api/errors";
import { loadWords } from "./i18n";
import { makeRouter } from "./router";
import { Toaster } from "./ui/Toaster";

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // Once more for what may pass by itself; a refusal stays a refusal.
      retry: (count, error) => count < 1 && ["timeout", "unavailable", "server"].includes(toApiError(error).kind),
      retryDelay: 800,
      refetchOnWindowFocus: true,
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

// After an update the server no longer has the old build's files: the page is fetched anew, but not in a circle.
addEventListener("vite:preloadError", (event) => {
  const KEY = "trailmind.reloaded-at";
  if (Date.now() - Number(sessionStorage.getItem(KEY)) < 10_000) return;
  sessionStorage.setItem(KEY, String(Date.now()));
  event.preventDefault();
  location.reload();
});

const router = makeRouter(client);
// Everything the first picture needs is asked for at once: the login, the page's code and data, and the sentences.
void router.load().catch(() => undefined);
if (location.pathname === "/sessions") void import("./sessions/SessionsPage");
if (location.pathname.startsWith("/sessions/")) void import("./session/SessionPage");
if (location.search.includes("layout=galaxy")) void import("./map/Galaxy").then((m) => m.warm());
const root = document.getElementById("root");
if (root) {
  await loadWords();
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
        <Toaster />
      </QueryClientProvider>
    </StrictMode>,
  );
}
