import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { defineConfig } from "wxt";

import { SERVER_URL, WEB_MATCHES } from "./src/build";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The version of the project, from pyproject.toml. */
function projectVersion(): string {
  const version = /^version\s*=\s*"([^"]+)"/m.exec(readFileSync(path("../../pyproject.toml"), "utf8"))?.[1];
  if (!version) throw new Error("pyproject.toml has no version");
  return version;
}

/**
 * Gives every unpacked copy the same id, so that a server or a dashboard can be configured with it.
 * The store assigns its own id and rejects the field, so `wxt zip --mode store` omits it.
 */
const PUBLIC_KEY = readFileSync(path("./public-key.txt"), "utf8").trim();

/** The character maps of Korean, Japanese and Chinese PDFs; the version is that of the PDF.js in unpdf. */
const C_MAPS = join(dirname(createRequire(import.meta.url).resolve("pdfjs-dist/package.json")), "cmaps");

const PERMISSIONS = [
  "storage",
  "unlimitedStorage",
  "alarms",
  "scripting",
  "idle",
  "contextMenus",
  "activeTab",
  "offscreen",
];
const SERVER_HOST = `${new URL(SERVER_URL).protocol}//${new URL(SERVER_URL).hostname}/*`;
const EVERY_SITE = ["http://*/*", "https://*/*"];

export default defineConfig({
  srcDir: "src",
  imports: false,
  manifestVersion: 3,
  outDirTemplate: "{{browser}}-mv{{manifestVersion}}{{modeSuffix}}",
  zip: { name: "trailmind", artifactTemplate: "{{name}}-{{version}}{{modeSuffix}}.zip" },
  manifest: ({ mode }) => ({
    name: "__MSG_name__",
    description: "__MSG_description__",
    default_locale: "en",
    version: projectVersion(),
    minimum_chrome_version: "120",
    ...(mode === "store" ? {} : { key: PUBLIC_KEY }),
    icons: { 16: "icon/16.png", 32: "icon/32.png", 48: "icon/48.png", 128: "icon/128.png" },
    // Access to pages is optional: the first-run page requests it.
    permissions: PERMISSIONS,
    optional_permissions: ["history", "identity"],
    host_permissions: [SERVER_HOST],
    optional_host_permissions: EVERY_SITE,
    externally_connectable: { matches: WEB_MATCHES },
    commands: {
      "toggle-recording": {
        suggested_key: { default: "Alt+Shift+R" },
        description: "__MSG_command_toggle__",
      },
      "toggle-pause": { suggested_key: { default: "Alt+Shift+P" }, description: "__MSG_command_pause__" },
      highlight: { suggested_key: { default: "Alt+Shift+H" }, description: "__MSG_command_highlight__" },
    },
  }),
  hooks: {
    "build:publicAssets": (_, files) => {
      for (const name of readdirSync(C_MAPS)) {
        files.push({ absoluteSrc: join(C_MAPS, name), relativeDest: `cmaps/${name}` });
      }
    },
  },
  vite: () => ({
    build: { target: "chrome120", assetsInlineLimit: 0 },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  }),
});
