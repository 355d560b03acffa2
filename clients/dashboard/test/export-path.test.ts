import { afterEach, expect, test } from "vitest";
import { setShownFolds } from "../src/map/shown-folds";
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
