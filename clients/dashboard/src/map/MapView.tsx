/** The map with its tools: layouts, search, zoom, legend, outline, full screen. The caller owns the selection. */
import { type ReactNode, useCallback, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import { useMessages } from "~/i18n";
import type { LayoutName } from "~/session/search-params";
import { useMedia } from "~/ui/media";
import { useElementSize } from "~/ui/useElementSize";
import { useKeyDown } from "~/ui/useKeyDown";
import { bestArrangement, PLAIN } from "./arrangement";
import { type Size, sizeBesideTools } from "./camera";
import { flatPicture } from "./draw";
import { FlatMap } from "./FlatMap";
import { useFontLoads } from "./fonts";
import { placeAt } from "./free-places";
import { HoverCard } from "./HoverCard";
import { indentedTreeScene } from "./indented-tree";
import { Legend } from "./Legend";
import { loadedGalaxy, loadGalaxy } from "./lazy-galaxy";
import { MapToolbar } from "./MapToolbar";
import { MapTools } from "./MapTools";
import type { MapEditing, MapHandle, MapProps } from "./map-props";
import { ancestors, type MapModel, subtree } from "./model";
import { Outline } from "./Outline";
import { readPalette } from "./palette";
import { RenameField } from "./RenameField";
import { galaxyScene, radialScene, type Scene, treeScene } from "./scene";
import { showPicture } from "./shown-picture";
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
  /** What is said about the map: it lies over the map, so that nothing moves when it comes or goes. */
  notices?: ReactNode;
  /** The map of a session that is recorded now. */
  isGrowing?: boolean;
  editing?: MapEditing | null;
}

/** A map of more nodes starts with its pages collapsed, in the tree and in the other layouts. */
const MAX_EXPANDED_TREE = 24;
const MAX_EXPANDED_OTHERS = 220;
const LAYOUT_OF_KEY: Readonly<Record<string, LayoutName>> = { 1: "tree", 2: "radial", 3: "galaxy", 4: "outline" };

export function MapView(props: MapViewProps) {
  const { model, layout, selected, onSelect, topic, onTopic, isGrowing = false, editing = null } = props;
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
  const notices = useRef<HTMLDivElement>(null);
  const coveredTop = useElementSize(notices).height;
  const is3d = useMemo(() => layout === "galaxy" && hasWebGL(), [layout]);
  // Counts what asks for the whole map anew: everything expanded or collapsed.
  const [numResets, setNumResets] = useState(0);
  const isNarrow = useMedia("(max-width: 599px)");
  const { scene, arrangement } = useScene(
    model,
    layout,
    collapsed,
    topic,
    isNarrow,
    size,
    // A growing map is arranged anew each time it has grown by half.
    `${props.version} ${numResets} ${isGrowing ? Math.round(Math.log2(model.nodes.length) * 1.7) : ""}`,
  );
  const isOutline = layout === "outline";
  const mode = layout === "tree" || isOutline ? "all" : "fitting";
  const title = model.document.title || model.root.label;
  useEffect(
    () =>
      showPicture(() =>
        is3d ? (handle.current?.picture?.(title) ?? null) : flatPicture(scene, title, readPalette(), mode),
      ),
    [is3d, scene, title, mode],
  );

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
    // Wherever the focus is: on the map, in the outline, the timeline or the panel beside it.
    if (event.key === "F2" && editing && selected && model.byId.has(selected)) {
      event.preventDefault();
      editing.startRename(selected);
    }
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
    editing,
  };
  const renamed = editing?.renamingId ? model.byId.get(editing.renamingId) : undefined;
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
            mode={mode}
            sceneKey={`${layout} ${topic ?? ""} ${numResets} ${isGrowing ? "" : arrangement}`}
            isGrowing={isGrowing}
            coveredTop={coveredTop}
            // In the tree of a narrow screen every branch has its row.
            placeAt={layout === "tree" && isNarrow ? null : (id, x, y) => placeAt(layout, model, scene, id, x, y)}
            ref={handle}
          />
        )}
        {!isOutline && (
          <MapTools
            handle={handle}
            frame={frame}
            isTree={layout === "tree"}
            isCollapsed={collapsed.size > 0}
            onCollapse={(isAll) => {
              setCollapsed(new Set(isAll ? model.topics.map((each) => each.id) : []));
              setNumResets(numResets + 1);
            }}
          />
        )}
        <Legend isVisible={!isOutline} model={model} topic={topic} onTopic={onTopic} onHover={setHovered} />
        {!isOutline && hoveredNode && !renamed && (
          <HoverCard node={hoveredNode} at={pointer.current} box={stage.current} />
        )}
        {!isOutline && renamed && editing && (
          <RenameField
            key={renamed.id}
            id={renamed.id}
            label={renamed.label}
            handle={handle}
            onEnd={(label) => editing.endRename(label)}
          />
        )}
        <div ref={notices} className="map-notices">
          {props.notices}
          {layout === "galaxy" && !is3d && <p className="notice small">{t.map.no3d}</p>}
        </div>
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
      .filter((node) => node.type === "subtopic" || (node.type === "topic" && hasOnlyPages(node.id)))
      .map((node) => node.id),
  );
}

/** A function that calls `compute` once, when it is first called, and returns that result for any arguments. */
function callOnce<Args extends unknown[], Result>(compute: (...args: Args) => Result): (...args: Args) => Result {
  let computed: { result: Result } | null = null;
  return (...args) => {
    computed ??= { result: compute(...args) };
    return computed.result;
  };
}

function useScene(
  model: MapModel,
  layout: LayoutName,
  collapsed: ReadonlySet<string>,
  topic: string | null,
  isNarrow: boolean,
  size: Size,
  mapKey: string,
): { scene: Scene; arrangement: string } {
  const numFontLoads = useFontLoads();
  // Decided once for each map, which lays the tree out many times: nothing changes sides while a divider is moved, a
  // branch is collapsed, a node edited or another layout shown.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const arrange = useMemo(() => callOnce(bestArrangement), [topic, isNarrow, size.width > 0, mapKey]);
  const isArranged = layout === "tree" && !isNarrow && size.width > 0;
  const arrangement = isArranged
    ? arrange(model, { collapsed, focus: topic }, sizeBesideTools(size), MAX_EXPANDED_TREE)
    : PLAIN;
  // biome-ignore lint/correctness/useExhaustiveDependencies: labels have another width once the fonts are loaded
  const scene = useMemo(() => {
    const options = { collapsed, focus: topic, isNarrow, ...arrangement };
    if (layout === "radial") return radialScene(model, options);
    if (layout === "galaxy") return galaxyScene(model, options);
    return isNarrow ? indentedTreeScene(model, options) : treeScene(model, options);
  }, [model, layout, collapsed, topic, isNarrow, arrangement, numFontLoads]);
  return {
    scene,
    arrangement: `${isNarrow} ${arrangement.isOneSided} ${arrangement.maxRows} ${arrangement.labelScale}`,
  };
}
