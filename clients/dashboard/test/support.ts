/** A map document: `topics` topics with `pages` pages each, and one cross edge. */
export function mapData(topics = 3, pages = 4) {
  const nodes: Record<string, unknown>[] = [
    { id: "core", label: "Everything", type: "core", size: 100, position: { x: 0, y: 0, z: 0 }, data: {} },
  ];
  const edges: Record<string, unknown>[] = [];
  for (let i = 0; i < topics; i++) {
    nodes.push({
      id: `t${i}`,
      label: `Topic ${i}`,
      type: "topic",
      size: 60,
      position: { x: 100 * i, y: 50, z: 10 },
      data: { hue: i, keywords: [`word${i}`] },
    });
    edges.push({ source: "core", target: `t${i}`, kind: "contains" });
    for (let j = 0; j < pages; j++) {
      nodes.push({
        id: `p${i}-${j}`,
        label: `Page ${j} of topic ${i}`,
        type: "page",
        size: 20,
        position: { x: i, y: j, z: 0 },
        data: { page_id: `page-${i}-${j}`, importance: { score: j / pages } },
      });
      edges.push({ source: `t${i}`, target: `p${i}-${j}`, kind: "contains" });
    }
  }
  if (topics > 1) edges.push({ source: "t0", target: "t1", kind: "cross", weight: 0.4, terms: ["shared"] });
  return {
    title: "Everything",
    nodes,
    edges,
    layouts: { radial: { core: { x: 0, y: 0 }, t0: { x: 100, y: 0 }, "p0-0": { x: -200, y: 10 } } },
    left_out: [],
  };
}
