// Reads an export of Trailmind with a library that other programs use, and prints what it found as JSON.
// Usage: node read.mjs markdown|opml|freemind|csv < file. The tests in tests/exports/ compare it with the map.
import { Transformer } from "markmap-lib";
import Papa from "papaparse";
import { parseStringPromise } from "xml2js";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const text = Buffer.concat(chunks).toString("utf8");

/** The nodes that markmap draws: the HTML of each, and what is below it. */
const markmapNode = (node) => ({ html: node.content.trim(), children: (node.children ?? []).map(markmapNode) });

const opmlNode = (node) => ({ ...node.$, children: (node.outline ?? []).map(opmlNode) });

const freemindNode = (node) => ({
  ...node.$,
  notes: (node.richcontent ?? []).flatMap((content) => content.html?.[0]?.body?.[0]?.p ?? []),
  links: (node.arrowlink ?? []).map((arrow) => arrow.$.DESTINATION),
  children: (node.node ?? []).map(freemindNode),
});

const readers = {
  markdown: () => markmapNode(new Transformer().transform(text).root),
  opml: async () => opmlNode((await parseStringPromise(text)).opml.body[0].outline[0]),
  freemind: async () => freemindNode((await parseStringPromise(text)).map.node[0]),
  csv: () => {
    const read = Papa.parse(text, { header: true, skipEmptyLines: true });
    return { rows: read.data, errors: read.errors };
  },
};
process.stdout.write(JSON.stringify(await readers[process.argv[2]]()));
