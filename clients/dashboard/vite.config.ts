import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const OUT = resolve(import.meta.dirname, "../../serve/static/dashboard");

/** Writes `.br` and `.gz` beside every text file, so that the server does not compress at run time. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(OUT, { recursive: true, encoding: "utf8" })) {
        const path = resolve(OUT, name);
        if (!/\.(html|js|css|svg|json|webmanifest|txt)$/.test(name) || !statSync(path).isFile()) continue;
        const bytes = readFileSync(path);
        if (bytes.length < 600) continue;
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: bytes.length > 400_000 ? 9 : 11 } }),
        );
      }
    },
  };
}

/**
 * `virtual:api`: the paths, methods and query parameters of the server in this repository, from its OpenAPI
 * description. The dashboard hides features whose endpoint is missing.
 */
function apiFeatures(): Plugin {
  const id = "virtual:api";
  const description = resolve(import.meta.dirname, "../../docs/openapi.json");
  return {
    name: "api-features",
    resolveId: (source) => (source === id ? `\0${id}` : null),
    load(source) {
      if (source !== `\0${id}`) return null;
      this.addWatchFile(description);
      type Operation = { parameters?: { name: string; in: string }[] };
      const { paths } = JSON.parse(readFileSync(description, "utf8")) as {
        paths: Record<string, Record<string, Operation>>;
      };
      const features = Object.fromEntries(
        Object.entries(paths).map(([path, methods]) => [
          path,
          Object.fromEntries(
            Object.entries(methods).map(([method, { parameters }]) => [
              method,
              (parameters ?? []).filter((each) => each.in === "query").map((each) => each.name),
            ]),
          ),
        ]),
      );
      return `export default ${JSON.stringify(features)}`;
    },
  };
}

/** The page links the main chunk, its imports and the Latin font, so that all of them load in parallel. */
function preloadMain(): Plugin {
  return {
    name: "preload-main",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const chunks = Object.values(bundle ?? {}).flatMap((each) => (each.type === "chunk" ? [each] : []));
        const main = chunks.find((chunk) => chunk.facadeModuleId?.endsWith("/src/main.tsx"));
        const files = main ? [...main.imports, main.fileName] : [];
        const font = Object.keys(bundle ?? {}).find((file) => file.includes("PretendardVariable.subset.91-"));
        const link = (file: string, attrs: Record<string, string>) => ({
          tag: "link",
          attrs: { crossorigin: true, href: `/${file}`, ...attrs },
          injectTo: "head" as const,
        });
        return [
          ...files.filter((file) => !html.includes(file)).map((file) => link(file, { rel: "modulepreload" })),
          ...(font ? [link(font, { rel: "preload", as: "font", type: "font/woff2" })] : []),
        ];
      },
    },
  };
}

export default defineConfig({
  plugins: [react(), apiFeatures(), preloadMain(), precompress()],
  resolve: {
    alias: {
      "~": resolve(import.meta.dirname, "src"),
      "d3-color": resolve(import.meta.dirname, "src/map/no-colors.ts"),
      "d3-transition": resolve(import.meta.dirname, "src/map/no-transitions.ts"),
    },
  },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    // Every asset is a file with a hash: inlined data: URLs would need `img-src data:` in the security policy.
    assetsInlineLimit: 0,
    // One style sheet: all components' rules are 4 KB after gzip, and a file per chunk costs a session's page four more
    // requests before its first paint.
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      output: {
        // One file for the modules of every page, instead of thirty small ones with a request each.
        codeSplitting: {
          groups: [
            {
              name: "login",
              test: /src\/(api\/(login|preload)|map\/lazy-galaxy)|api\/src\/errors|vite\/preload-helper/,
              priority: 20,
            },
            {
              name: "base",
              test: /node_modules\/(react|react-dom|scheduler|use-sync-external-store|@tanstack\/(react-router|router-core|history|react-store|store|react-query|query-core)|openapi-fetch)\//,
              priority: 10,
            },
            {
              name: "ui",
              test: /node_modules\/lucide-react|api\/src\/(format|messages)|src\/(ui\/(basics|states|Menu\.|media|toast|error-message|Split|use)|api\/|i18n\/index|theme|session\/features|sessions\/useDelete)/,
              priority: 5,
            },
          ],
        },
      },
    },
    // The imports of every file: tests/dashboard/bundle_size.py sums up the size of each route.
    manifest: "manifest.json",
  },
  server: {
    fs: { allow: [resolve(import.meta.dirname, "../..")] },
    proxy: { "/v1": process.env.TRAILMIND_URL ?? "http://127.0.0.1:9000" },
  },
  test: { environment: "happy-dom", include: ["test/**/*.test.{ts,tsx}"] },
});
