import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { toApiError } from "@trailmind/api";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { markLost, markReached } from "./api/connection";
import { loadMessages } from "./i18n";
import { makeRouter } from "./router";
import { Toaster } from "./ui/Toaster";

const client = new QueryClient({
  queryCache: new QueryCache({
    onSuccess: markReached,
    // Without data the page itself shows the error.
    onError: (error, query) => {
      const isLost = ["offline", "timeout", "unavailable"].includes(toApiError(error).kind);
      if (isLost && query.state.data !== undefined) markLost();
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // One retry for temporary failures; a rejected request is not repeated.
      retry: (count, error) => count < 1 && ["timeout", "unavailable", "server"].includes(toApiError(error).kind),
      retryDelay: 800,
      refetchOnWindowFocus: true,
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

const router = makeRouter(client);
// The login, the page's code, its data and the messages load in parallel.
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
