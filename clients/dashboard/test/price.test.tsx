import type { PlanReply } from "@trailmind/api";
import { expect, it, vi } from "vitest";
import { Price } from "~/billing/PlanSection";
import { mountedRoot } from "./mounted-root";

const mounted = mountedRoot();
const enterprise = { id: "enterprise", name: "Enterprise", price_cents: 0 } as PlanReply;

it("shows whom to ask for a plan without a price, and nothing when no address is set", async () => {
  mounted.root.render(<Price plan={enterprise} interval="monthly" contact="sales@trailmind.example" />);
  await vi.waitFor(() => expect(mounted.container.textContent).toBe("On request"));
  expect(mounted.container.querySelector("a")?.href).toBe(
    "mailto:sales@trailmind.example?subject=Trailmind%20Enterprise",
  );
  mounted.root.render(<Price plan={enterprise} interval="monthly" />);
  await vi.waitFor(() => expect(mounted.container.textContent).toBe(""));
});
