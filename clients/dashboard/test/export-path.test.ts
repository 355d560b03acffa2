import { afterEach, expect, test, vi } from "vitest";
import { fileNameIn } from "../src/api/client";
import { en } from "../src/i18n/en";
import { setShownFolds } from "../src/map/shown-folds";
import { exportActions } from "../src/session/export-actions";
import { exportPath } from "../src/session/export-path";

afterEach(() => {
  setShownFolds(new Set());
  history.replaceState(null, "", "/");
  delete document.documentElement.dataset.theme;
});

const query = (path: string) => new URLSearchParams(path.split("?")[1]);

test("a picture has the layout, folds, theme and colours of the screen", () => {
  history.replaceState(null, "", "/sessions/s?layout=radial");
  document.documentElement.dataset.theme = "dark";
  setShownFolds(new Set(["t_a", "s_b"]));
  const png = query(exportPath({ kind: "session", id: "s" }, "png"));
  expect(Object.fromEntries(png)).toMatchObject({ layout: "radial", theme: "dark", palette: "dashboard", scale: "2" });
  expect(png.getAll("folded")).toEqual(["t_a", "s_b"]);
});

test("the picture of the outline is the tree", () => {
  history.replaceState(null, "", "/sessions/s?layout=outline");
  expect(query(exportPath({ kind: "session", id: "s" }, "svg")).get("layout")).toBe("tree");
  history.replaceState(null, "", "/sessions/s");
  expect(query(exportPath({ kind: "session", id: "s" }, "svg")).get("layout")).toBe("tree");
});

test("texts have no parameters of pictures", () => {
  setShownFolds(new Set(["t_a"]));
  expect(exportPath({ kind: "session", id: "s" }, "markdown")).toBe("/v1/sessions/s/export?format=markdown");
  expect(exportPath({ kind: "joint", id: "m" }, "markdown")).toBe("/v1/maps/m/export?format=markdown");
});

test("the file has the title of the map, in any script", () => {
  const disposition = "attachment; filename=\"trailmind.png\"; filename*=UTF-8''%EC%85%80%20%EB%B2%94%EC%9C%84.png";
  expect(fileNameIn(disposition)).toBe("셀 범위.png");
  expect(fileNameIn('attachment; filename="trailmind-extension.zip"')).toBe("trailmind-extension.zip");
  expect(fileNameIn("")).toBeUndefined();
});

test("an export from the palette has the layout, folds and theme of the screen, too", async () => {
  history.replaceState(null, "", "/sessions/s?layout=radial");
  setShownFolds(new Set(["t_a"]));
  const fetched: string[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    fetched.push(new URL(request.url).pathname + new URL(request.url).search);
    return new Response(null, { status: 503 });
  });
  exportActions({ kind: "session", id: "s" }, "", en)
    .find((action) => action.key === "export-png")
    ?.run();
  await vi.waitFor(() => expect(fetched).toContain(exportPath({ kind: "session", id: "s" }, "png")));
  vi.unstubAllGlobals();
});
