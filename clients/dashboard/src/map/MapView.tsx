/** The map with its tools: layouts, search, zoom, legend, outline, full screen. The caller owns the selection. */
import { type ReactNode, useCallback, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import { useMessages } from "~/i18n";
import type { LayoutName } from "~/session/search-params";
import { useMedia } from "~/ui/media";
import { useElementSize } from "~/ui/useElementSize";
import { useKeyDown } from "~/ui/useKeyDown";
import { fitCamera, type Size } from "./camera";
import { FlatMap } from "./FlatMap";
import { useFontLoads } from "./fonts";
import { HoverCard } from "./HoverCard";
import { Legend } from "./Legend";
import { loadedGalaxy, loadGalaxy } from "./lazy-galaxy";
import { MapToolbar } from "./MapToolbar";
import { MapTools } from "./MapTools";
import type { MapHandle, MapProps } from "./map-props";
import { ancestors, type MapModel, subtree } from "./model";
import { Outline } from "./Outline";
import { galaxyScene, radialScene, type Scene, treeScene } from "./scene";
import { hasWebGL } from "./webgl";
import "./MapView.css";

export interface MapViewProps {
  model: MapModel;
  version: number;
  layout: LayoutName;
  onLayout: (layout: LayoutName) => void;
  selected: string | null;
  onSelect: (id: string | null) => void;
  topic: string | null;
  onTopic: (id: string | null) => void;
  tools?: ReactNode;
  onRename?: ((id: string) => void) | undefined;
  onDrop?: ((id: string, target: string) => void) | undefined;
}

/** A map of more nodes starts with its pages collapsed, in the tree and in the other layouts. */
const MAX_EXPANDED_TREE = 24;
const MAX_EXPANDED_OTHERS = 220;
const LAYOUT_OF_KEY: Readonly<Record<string, LayoutName>> = { 1: "tree", 2: "radial", 3: "galaxy", 4: "outline" };

export function MapView(props: MapViewProps) {
  const { model, layout, selected, onSelect, topic, onTopic } = props;
  const t = useMessages();
  const [hovered, setHovered] = useState<string | null>(null);
  const [collapsed, setCollapsed] = useCollapsed(model, layout);
  const [matchIds, setMatchIds] = useState<readonly string[]>([]);
  // The same empty list is kept, so that opening the search draws nothing anew.
  const onMatches = useCallback(
    (ids: readonly string[]) => setMatchIds((old) => (old.length === 0 && ids.length === 0 ? old : ids)),
    [],
  );
  const matches = useMemo(() => new Set(matchIds), [matchIds]);
  const frame = useRef<HTMLDivElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const handle = useRef<MapHandle>(null);
  const pointer = useRef<[number, number]>([0, 0]);
  const size = useElementSize(stage);
  const is3d = useMemo(() => layout === "galaxy" && hasWebGL(), [layout]);
  const { scene, isOneSided } = useScene(model, layout, collapsed, topic, size);
  const isOutline = layout === "outline";

  // A node selected elsewhere (timeline, link, search) becomes visible here.
  const uncover = useEffectEvent((id: string) => {
    const above = ancestors(model, id).filter((each) => collapsed.has(each));
    if (above.length > 0) setCollapsed(new Set([...collapsed].filter((each) => !above.includes(each))));
    if (topic && !subtree(model, topic).has(id) && id !== model.root.id) onTopic(null);
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another layout has to show the selection again
  useEffect(() => {
    if (!selected || !model.byId.has(selected)) return;
    uncover(selected);
    const timer = setTimeout(() => handle.current?.show(selected), 30);
    return () => clearTimeout(timer);
  }, [selected, model, layout]);

  useKeyDown((event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = LAYOUT_OF_KEY[event.key];
    if (next) props.onLayout(next);
    if (event.key === "Escape" && !document.fullscreenElement) onSelect(null);
  });

  const shared: MapProps = {
    model,
    selected,
    hovered,
    matches,
    collapsed,
    onSelect,
    onHover: setHovered,
    onToggle: (id) => {
      if ((model.children.get(id)?.length ?? 0) === 0 || id === model.root.id) return;
      const next = new Set(collapsed);
      if (!next.delete(id)) next.add(id);
      setCollapsed(next);
    },
    onRename: props.onRename,
    onDrop: props.onDrop,
  };
  const selectedNode = selected ? model.byId.get(selected) : undefined;
  const hoveredNode = hovered && hovered !== selected ? model.byId.get(hovered) : undefined;
  return (
    <div ref={frame} className="map">
      <MapToolbar
        model={model}
        layout={layout}
        onLayout={props.onLayout}
        selected={selected}
        onSelect={onSelect}
        onMatches={onMatches}
        tools={props.tools}
      />
      <div
        ref={stage}
        className="map-stage"
        onPointerMove={(event) => {
          if (event.pointerType === "mouse") pointer.current = [event.clientX, event.clientY];
        }}
      >
        {isOutline ? (
          <Outline {...shared} topic={topic} />
        ) : is3d ? (
          <LazyGalaxy shared={shared} scene={scene} handle={handle} />
        ) : (
          <FlatMap
            {...shared}
            scene={scene}
            mode={layout === "tree" ? "all" : "fitting"}
            sceneKey={`${layout}-${topic ?? ""}-${props.version}-${isOneSided}`}
            ref={handle}
          />
        )}
        {!isOutline && (
          <MapTools
            handle={handle}
            frame={frame}
            isTree={layout === "tree"}
            isCollapsed={collapsed.size > 0}
            onCollapse={(isAll) => setCollapsed(new Set(isAll ? model.topics.map((each) => each.id) : []))}
          />
        )}
        <Legend isVisible={!isOutline} model={model} topic={topic} onTopic={onTopic} onHover={setHovered} />
        {!isOutline && hoveredNode && <HoverCard node={hoveredNode} at={pointer.current} box={stage.current} />}
        {layout === "galaxy" && !is3d && <p className="map-note small muted">{t.map.no3d}</p>}
        <p className="sr" role="status">
          {selectedNode ? `${t.map.kinds[selectedNode.type]}: ${selectedNode.label}` : ""}
        </p>
      </div>
    </div>
  );
}

/** The 3-D map once its code is loaded. React's `lazy` is not used: it delays a fast load by 300 ms. */
function LazyGalaxy({
  shared,
  scene,
  handle,
}: {
  shared: MapProps;
  scene: Scene;
  handle: React.RefObject<MapHandle | null>;
}) {
  const t = useMessages();
  const [Galaxy, setGalaxy] = useState(loadedGalaxy);
  useEffect(() => {
    if (!Galaxy) void loadGalaxy().then((module) => setGalaxy(() => module.Galaxy));
  }, [Galaxy]);
  return Galaxy ? (
    <Galaxy {...shared} scene={scene} ref={handle} />
  ) : (
    <p className="map-loading muted" role="status">
      {t.map.loading3d}
    </p>
  );
}

/** The ids of the collapsed nodes: one set for the tree, one for the other layouts. */
function useCollapsed(model: MapModel, layout: LayoutName) {
  const [byKind, setByKind] = useState(() => ({
    tree: initiallyCollapsed(model, MAX_EXPANDED_TREE),
    others: initiallyCollapsed(model, MAX_EXPANDED_OTHERS),
  }));
  const kind = layout === "tree" ? "tree" : "others";
  const setCollapsed = (next: ReadonlySet<string>) => setByKind((old) => ({ ...old, [kind]: next }));
  return [byKind[kind], setCollapsed] as const;
}

function initiallyCollapsed(model: MapModel, maxExpanded: number): ReadonlySet<string> {
  if (model.nodes.length <= maxExpanded) return new Set();
  const hasOnlyPages = (id: string) =>
    (model.children.get(id) ?? []).every((child) => model.byId.get(child)?.type === "page");
  return new Set(
    model.nodes
      .filter((node) => (node.type === "topic" || node.type === "subtopic") && hasOnlyPages(node.id))
      .map((node) => node.id),
  );
}

function useScene(
  model: MapModel,
  layout: LayoutName,
  collapsed: ReadonlySet<string>,
  topic: string | null,
  size: Size,
): { scene: Scene; isOneSided: boolean } {
  const isNarrow = useMedia("(max-width: 599px)");
  const numFontLoads = useFontLoads();
  // Branches to one side or to both, whichever shows the tree larger. Decided once for each scene: the layout does not
  // change while a divider is moved or a branch is collapsed.
  // biome-ignore lint/correctness/useExhaustiveDependencies: later sizes and collapses must not change the sides
  const isOneSided = useMemo(() => {
    if (layout !== "tree" || isNarrow || size.width === 0) return false;
    const scale = (isOne: boolean) =>
      fitCamera(treeScene(model, { collapsed, focus: topic, isOneSided: isOne }).bounds, size, 1.25).k;
    return scale(true) > scale(false) * 1.05;
  }, [model, layout, topic, isNarrow, size.width > 0]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: labels have another width once the fonts are loaded
  const scene = useMemo(() => {
    const options = { collapsed, focus: topic, isNarrow, isOneSided };
    if (layout === "radial") return radialScene(model, options);
    return layout === "galaxy" ? galaxyScene(model, options) : treeScene(model, options);
  }, [model, layout, collapsed, topic, isNarrow, isOneSided, numFontLoads]);
  return { scene, isOneSided };
}
