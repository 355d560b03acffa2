import type { PlanReply } from "@trailmind/api";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Price } from "~/billing/PlanSection";
import { loadMessages } from "~/i18n";

let root: Root;
let container: HTMLElement;
const enterprise = { id: "enterprise", name: "Enterprise", price_cents: 0 } as PlanReply;

beforeEach(async () => {
  await loadMessages();
  container = document.body.appendChild(document.createElement("div"));
  root = createRoot(container);
});

afterEach(() => {
  root.unmount();
  container.remove();
});

it("shows whom to ask for a plan without a price, and nothing when no address is set", async () => {
  root.render(<Price plan={enterprise} interval="monthly" contact="sales@trailmind.example" />);
  await vi.waitFor(() => expect(container.textContent).toBe("On request"));
  expect(container.querySelector("a")?.href).toBe("mailto:sales@trailmind.example?subject=Trailmind%20Enterprise");
  root.render(<Price plan={enterprise} interval="monthly" />);
  await vi.waitFor(() => expect(container.textContent).toBe(""));
});
