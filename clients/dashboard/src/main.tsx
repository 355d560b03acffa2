import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { toApiError } from "@trailmind/api";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { loadMessages } from "./i18n";
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

const router = makeRouter(client);
// The login, the page's code and data, and the sentences are on their way at once.
void router.load().catch(() => undefined);
const root = document.getElementById("root");
if (root) {
  await loadMessages();
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
        <Toaster />
      </QueryClientProvider>
    </StrictMode>,
  );
}
