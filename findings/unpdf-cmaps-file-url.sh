#!/usr/bin/env bash
# unpdf and pdfjs-dist: Korean, Japanese and Chinese PDFs have no text in Node.js, although the character maps are installed.
#
# Versions:    unpdf 1.8.1, pdfjs-dist 6.1.200, reportlab 5.1.0 as the writer of the files.
# Expectation: unpdf's README: in Node.js it resolves `cMapUrl` from an installed pdfjs-dist, so a file whose font names a
#              predefined character map (UniKS-UCS2-H, UniJIS-UCS2-H, UniGB-UCS2-H, KSCms-UHC-H; ISO 32000, 9.7.5.2), as many
#              files of public offices do, has its text.
# Behaviour:   unpdf passes a `file:` address as a string, and pdf.js opens that string as a path, which does not exist. The
#              font is skipped with a warning that `verbosity: 0` hides, and `extractText` returns "" without an error: the
#              page looks like a scan. A plain path as `cMapUrl` reads all four files.
# Consequence: give `cMapUrl` yourself, a path in Node.js and an address in a browser, and test with a file that names a
#              predefined map; files with embedded fonts never need one.
# Output seen:
#   default:      ko "" / ja "" / zh "" / ko-uhc ""
#   with a path:  ko "기계식 키보드" / ja "機械式の比較" / zh "机械键盘" / ko-uhc "기계식 키보드"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check reportlab==5.1.0
npm install --silent --no-audit --no-fund --prefix "$work" unpdf@1.8.1 pdfjs-dist@6.1.200 >/dev/null
cat > "$work/write.py" <<'PY'
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import CIDFont, UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas


def write(name: str, font: str, text: str) -> None:
    canvas = Canvas(f"{name}.pdf")
    canvas.setFont(font, 14)
    canvas.drawString(80, 700, text)
    canvas.save()


for name, font, text in (
    ("ko", "HYSMyeongJo-Medium", "기계식 키보드"),
    ("ja", "HeiseiMin-W3", "機械式の比較"),
    ("zh", "STSong-Light", "机械键盘"),
):
    pdfmetrics.registerFont(UnicodeCIDFont(font))
    write(name, font, text)
pdfmetrics.registerFont(CIDFont("HYSMyeongJo-Medium", "KSCms-UHC-H"))
write("ko-uhc", "HYSMyeongJo-Medium-KSCms-UHC-H", "기계식 키보드".encode("cp949").decode("latin-1"))
PY
cat > "$work/show.mjs" <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { extractText, getDocumentProxy } from "unpdf";

async function texts(options) {
  const found = {};
  for (const name of ["ko", "ja", "zh", "ko-uhc"]) {
    const document = await getDocumentProxy(new Uint8Array(readFileSync(`${name}.pdf`)), { verbosity: 0, ...options });
    found[name] = (await extractText(document, { mergePages: true })).text;
  }
  return found;
}

const line = (found) => Object.entries(found).map(([name, text]) => `${name} ${JSON.stringify(text)}`).join(" / ");
const byDefault = await texts({});
console.log(`default:      ${line(byDefault)}`);
const withPath = await texts({ cMapUrl: "node_modules/pdfjs-dist/cmaps/", cMapPacked: true });
console.log(`with a path:  ${line(withPath)}`);
assert.deepEqual(Object.values(byDefault), ["", "", "", ""]);
assert.deepEqual(withPath, { ko: "기계식 키보드", ja: "機械式の比較", zh: "机械键盘", "ko-uhc": "기계식 키보드" });
JS
cd "$work"
venv/bin/python write.py
node show.mjs
