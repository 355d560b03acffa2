import { afterEach, expect, it, vi } from "vitest";

const UNPACKED = "paenoilheahmjokpbligdebdblbckpfc";
const STORE = "a".repeat(32);

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
  vi.resetModules();
});

/** The ids of the extensions that a dashboard built with `ids` asks, when none of them answers. */
async function askedIds(ids: string | undefined): Promise<string[]> {
  vi.resetModules();
  vi.stubEnv("VITE_EXTENSION_IDS", ids);
  const asked: string[] = [];
  vi.stubGlobal("chrome", {
    runtime: {
      sendMessage: async (id: string) => {
        asked.push(id);
        throw new Error("not installed");
      },
    },
  });
  const { signInInstalledExtension } = await import("~/api/extension");
  expect(await signInInstalledExtension()).toBe(false);
  return asked;
}

it("a deployed dashboard asks the extensions of the store that its build names, and then the unpacked one", async () => {
  const other = "b".repeat(32);
  expect(await askedIds(`${STORE}, ${other}`)).toEqual([STORE, other, UNPACKED]);
});

it("without ids, and for what is not an id, only the unpacked extension is asked", async () => {
  expect(await askedIds(undefined)).toEqual([UNPACKED]);
  expect(await askedIds(`*, ${"z".repeat(32)},,abc`)).toEqual([UNPACKED]);
});

it("links the extension of the store that answers, with the challenge that it made", async () => {
  vi.resetModules();
  vi.stubEnv("VITE_EXTENSION_IDS", STORE);
  const messages: [string, Record<string, unknown>][] = [];
  vi.stubGlobal("chrome", {
    runtime: {
      sendMessage: async (id: string, message: Record<string, unknown>) => {
        messages.push([id, message]);
        return message.type === "trailmind.hello" ? { ok: true, state: "s", code_challenge: "c" } : { ok: true };
      },
    },
  });
  vi.stubGlobal("fetch", async (input: Request) => {
    expect(await input.json()).toMatchObject({ code_challenge: "c" });
    return new Response(JSON.stringify({ code: "one-time", expires_in: 120 }), { status: 200 });
  });
  const { signInInstalledExtension } = await import("~/api/extension");
  expect(await signInInstalledExtension()).toBe(true);
  expect(messages).toEqual([
    [STORE, { type: "trailmind.hello" }],
    [STORE, { type: "trailmind.link", code: "one-time", state: "s" }],
  ]);
});
