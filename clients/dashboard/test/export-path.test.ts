import { afterEach, expect, test, vi } from "vitest";
import { fileNameIn } from "../src/api/client";
import { en } from "../src/i18n/en";
import { flatPicture } from "../src/map/draw";
import { parseMap } from "../src/map/model";
import { fileName, pngScale } from "../src/map/picture-file";
import { treeScene } from "../src/map/scene";
import { showPicture } from "../src/map/shown-picture";
import { exportActions } from "../src/session/export-actions";
import { exportPath } from "../src/session/export-path";

let withdraw = () => {};
afterEach(() => {
  withdraw();
  history.replaceState(null, "", "/");
  delete document.documentElement.dataset.theme;
});

const query = (path: string) => new URLSearchParams(path.split("?")[1]);

test("a picture that the server draws has the layout, theme and colours of the screen", () => {
  history.replaceState(null, "", "/sessions/s?layout=radial");
  document.documentElement.dataset.theme = "dark";
  const png = query(exportPath({ kind: "session", id: "s" }, "png"));
  expect(Object.fromEntries(png)).toMatchObject({ layout: "radial", theme: "dark", palette: "dashboard", scale: "2" });
});

test("the picture of the outline is the tree", () => {
  history.replaceState(null, "", "/sessions/s?layout=outline");
  expect(query(exportPath({ kind: "session", id: "s" }, "svg")).get("layout")).toBe("tree");
  history.replaceState(null, "", "/sessions/s");
  expect(query(exportPath({ kind: "session", id: "s" }, "svg")).get("layout")).toBe("tree");
});

test("texts have no parameters of pictures", () => {
  expect(exportPath({ kind: "session", id: "s" }, "markdown")).toBe("/v1/sessions/s/export?format=markdown");
  expect(exportPath({ kind: "joint", id: "m" }, "markdown")).toBe("/v1/maps/m/export?format=markdown");
});

test("the file has the title of the map, in any script", () => {
  const disposition = "attachment; filename=\"trailmind.png\"; filename*=UTF-8''%EC%85%80%20%EB%B2%94%EC%9C%84.png";
  expect(fileNameIn(disposition)).toBe("셀 범위.png");
  expect(fileNameIn('attachment; filename="trailmind-extension.zip"')).toBe("trailmind-extension.zip");
  expect(fileNameIn("")).toBeUndefined();
});

/** Exports a format by the palette's action; the addresses that were fetched and the names of the saved files. */
async function exported(format: string, plan: Record<string, boolean>) {
  const fetched: string[] = [];
  const saved: [name: string, file: Blob][] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    fetched.push(new URL(request.url).pathname + new URL(request.url).search);
    return request.url.endsWith("/v1/subscription")
      ? Response.json({ subscription: { plan: { features: plan } } })
      : new Response("from the server", { headers: { "content-disposition": 'attachment; filename="server.svg"' } });
  });
  vi.spyOn(URL, "createObjectURL").mockImplementation((file) => {
    saved.push(["", file as Blob]);
    return "blob:file";
  });
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    (saved.at(-1) as [string, Blob])[0] = this.download;
  });
  exportActions({ kind: "session", id: "s" }, "", en)
    .find((action) => action.key === `export-${format}`)
    ?.run();
  await vi.waitFor(() => expect(fetched).not.toEqual([]));
  await new Promise((resolve) => setTimeout(resolve, 60));
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  return { fetched, saved };
}

const MAP = parseMap({
  title: "셀 / 범위",
  nodes: [
    { id: "c", label: "셀 / 범위", type: "core" },
    { id: "t", label: "Topic & <more>", type: "topic", data: { hue: 3 } },
    { id: "u", label: "فصل", type: "topic" },
    { id: "p", label: "Page one", type: "page" },
    { id: "q", label: "Page two", type: "page" },
  ],
  edges: ["c t", "c u", "t p", "u q"].map((each) => {
    const [source, target] = each.split(" ");
    return { source, target };
  }),
});

/** The tree with one topic folded, as if it were on the screen. */
function showTree() {
  if (!MAP) throw new Error("no map");
  const scene = treeScene(MAP, { collapsed: new Set(["t"]), focus: null });
  const each = Array.from({ length: 8 }, (_, i) => `#00000${i}`);
  const palette = { bg: "#fff", text: "#111", muted: "#222", line: "#333", accent: "#444", font: '"A B", sans-serif' };
  const picture = flatPicture(scene, MAP.document.title, { ...palette, fill: each, hue: each, ink: each }, "all");
  withdraw = showPicture(() => picture);
  return { scene, picture };
}

test("an exported picture is the drawing on the screen, as SVG", async () => {
  const { scene, picture } = showTree();
  const { fetched, saved } = await exported("svg", { export_svg: true });
  expect(fetched).toEqual(["/v1/subscription"]);
  expect(saved.map(([name]) => name)).toEqual(["셀 범위.svg"]);
  const svg = new DOMParser().parseFromString((await saved[0]?.[1].text()) ?? "", "image/svg+xml");
  const texts = [...svg.querySelectorAll("text:not([aria-hidden])")];
  // The labels of the scene, and the number of nodes below the folded topic.
  expect(texts.map((each) => each.textContent)).toEqual(
    expect.arrayContaining(["셀 / 범위", "Topic & <more>", "\u2067فصل\u2069", "Page two", "1"]),
  );
  expect(texts.map((each) => each.textContent)).not.toContain("Page one");
  const [left, core, right] = ["\u2067فصل\u2069", "셀 / 범위", "Topic & <more>"].map((label) =>
    Number(texts.find((each) => each.textContent === label)?.getAttribute("x")),
  );
  // Branches to both sides of the core, each text towards its side.
  expect(scene.byId.get("u")?.side).toBe("left");
  expect(left).toBeLessThan(core ?? 0);
  expect(core).toBeLessThan(right ?? 0);
  expect(Number(svg.documentElement.getAttribute("width"))).toBe(picture.width);
});

test("a format outside the plan is not drawn, and without a map on the screen the server draws", async () => {
  showTree();
  expect((await exported("svg", { export_svg: false })).saved).toEqual([]);
  withdraw();
  const { fetched, saved } = await exported("svg", { export_svg: true });
  expect(fetched).toEqual([exportPath({ kind: "session", id: "s" }, "svg")]);
  expect(saved.map(([name]) => name)).toEqual(["server.svg"]);
});

test("a picture is twice as fine as the drawing, as far as programs can open it", () => {
  expect(pngScale(1_000, 600)).toBe(2);
  expect(pngScale(20_000, 100)).toBe(0.8);
  expect(pngScale(12_000, 12_000) ** 2 * 12_000 * 12_000).toBeCloseTo(120_000_000);
  expect(fileName('a\\b/c:"d"\u0007')).toBe("a b c d");
  expect(fileName(" ? ")).toBe("trailmind");
});
