/** The tree on a narrow screen: every branch below its topic and set in, so that names have the width of the screen. */
import { labelWidth } from "./measure";
import type { MapModel, MapNode } from "./model";
import {
  crossLinks,
  FONT_SIZE,
  LINE_HEIGHT,
  LINK_WIDTH,
  type Scene,
  type SceneLink,
  type SceneNode,
  type SceneOptions,
  sceneNodeBase,
  treeRadius,
  visibleNodes,
  withBounds,
} from "./scene";

/** How far each level is set in. */
const INDENT = 20;
/** Characters in a line: what a screen 360 px wide has space for behind three levels, at the size of the font. */
const WRAP = { core: 22, topic: 26, subtopic: 32, page: 38 } as const;
/** The space above and below a name together: a row of one line can be hit by a finger. */
const ROW_SPACE = { core: 40, topic: 20, subtopic: 16, page: 14 } as const;

/**
 * The core at the top, everything else below it in reading order. Places that the reader has chosen in the wide tree are
 * not used: they would leave the screen.
 */
export function indentedTreeScene(model: MapModel, options: SceneOptions): Scene {
  const { kids } = visibleNodes(model, options);
  const nodes: SceneNode[] = [];
  const links: SceneLink[] = [];
  let nextY = 0;
  const add = (id: string, x: number, parent: SceneNode | null): SceneNode => {
    const node = model.byId.get(id) as MapNode;
    const base = sceneNodeBase(model, node, options, WRAP[node.type]);
    const height = base.lines.length * FONT_SIZE[node.type] * LINE_HEIGHT + ROW_SPACE[node.type];
    const at: SceneNode = {
      ...base,
      x,
      y: nextY + (parent ? height / 2 : 0),
      side: parent ? "right" : "center",
      turn: 0,
    };
    if (parent) at.r = treeRadius(at);
    nextY += parent ? height : height / 2;
    nodes.push(at);
    return at;
  };
  const addBelow = (parent: SceneNode, stemX: number) => {
    for (const id of kids(parent.id)) {
      const at = add(id, stemX + INDENT, parent);
      links.push({
        from: parent.id,
        to: id,
        hue: at.hue,
        width: LINK_WIDTH[at.node.type],
        kind: "contains",
        // Down the stem, then to the node.
        curve: [stemX, parent.y, stemX, at.y, stemX, at.y, at.x - at.r, at.y],
      });
      addBelow(at, at.x);
    }
  };
  const core = add(model.root.id, 0, null);
  addBelow(core, INDENT / 2 - labelWidth(core.lines, "core", FONT_SIZE.core) / 2);
  // Of the lines that share a stem, the nearest one is drawn last.
  return withBounds(nodes, [...links.reverse(), ...crossLinks(model, nodes)], 14, true);
}
