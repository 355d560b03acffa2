/** A small valid PDF. Each page is a list of lines. */
export function makePdf(pages: string[][], title = ""): Uint8Array<ArrayBuffer> {
  const kids = pages.map((_, i) => `${4 + 2 * i} 0 R`).join(" ");
  const escaped = (text: string) => text.replace(/[\\()]/g, "\\$&");
  const objects = [
    "<</Type/Catalog/Pages 2 0 R>>",
    `<</Type/Pages/Kids[${kids}]/Count ${pages.length}>>`,
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ...pages.flatMap((lines, i) => {
      const shown = lines.map((line) => `(${escaped(line)}) Tj 0 -14 Td`).join(" ");
      const content = `BT /F1 12 Tf 72 720 Td ${shown} ET`;
      return [
        `<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents ${5 + 2 * i} 0 R/Resources<</Font<</F1 3 0 R>>>>>>`,
        `<</Length ${content.length}>>stream\n${content}\nendstream`,
      ];
    }),
    `<</Title(${escaped(title)})>>`,
  ];
  let out = "%PDF-1.4\n";
  const places = objects.map((body, i) => {
    const place = out.length;
    out += `${i + 1} 0 obj${body}endobj\n`;
    return place;
  });
  const start = out.length;
  const rows = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  out += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}`;
  out += `trailer<</Size ${objects.length + 1}/Root 1 0 R/Info ${objects.length} 0 R>>startxref\n${start}\n%%EOF`;
  return Uint8Array.from(out, (char) => char.charCodeAt(0));
}
