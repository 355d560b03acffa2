import { createRoot } from "react-dom/client";
import { afterEach, expect, it, vi } from "vitest";
import { loadMessages } from "~/i18n";
import { Toasts } from "~/ui/Toasts";

afterEach(() => {
  document.documentElement.lang = "en";
  document.body.innerHTML = "";
});

it("names the place of short messages in the language of the page", async () => {
  document.documentElement.lang = "ko";
  await loadMessages();
  const root = createRoot(document.body.appendChild(document.createElement("div")));
  root.render(<Toasts />);
  await vi.waitFor(() => expect(document.querySelector(".toasts")?.getAttribute("aria-label")).toBe("알림"), {
    timeout: 20_000,
  });
  root.unmount();
});
