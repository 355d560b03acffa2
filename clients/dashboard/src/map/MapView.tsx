/** The map with its tools: layouts, search, zoom, legend, outline, full screen. Selection is the caller's. */
import { duration } from "@trailmind/api";
import {
  ChevronDown,
  ChevronUp,
  Expand,
  FoldVertical,
  ListTree,
  Maximize,
  Minus,
  Network,
  Orbit,
  Plus,
  Search,
  Shrink,
  UnfoldVertical,
  Workflow,
  X,
} from "lucide-react";
import { type ReactNode, useEffect, useEffectEvent, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useLanguage, useMessages } from "~/i18n";
import type { LayoutName } from "~/session/search-params";
import { IconButton, Segmented } from "~/ui/basics";
import { useMedia } from "~/ui/media";
import { fitCamera } from "./draw";
import { FlatMap, type MapHandle, type MapProps } from "./FlatMap";
import { useFontLoads } from "./fonts";
import { loadedGalaxy, loadGalaxy } from "./lazy-galaxy";
import { ancestors, findNodes, type MapModel, type MapNode, subtree } from "./model";
import { Outline } from "./Outline";
import { galaxyScene, radialScene, treeScene } from "./scene";
import { hasWebGL } from "./webgl";

/** The 3-D map once its code has come. Not `lazy`: React would keep back what comes soon for 300 ms. */
function useGalaxy(isWanted: boolean): ReturnType<typeof loadedGalaxy> {
  const [, setCome] = useState(false);
  useEffect(() => {
    if (isWanted && !loadedGalaxy()) void loadGalaxy().then(() => setCome(true));
  }, [isWanted]);
  return loadedGalaxy();
}

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

export function MapView(props: MapViewProps) {
  const { model, layout, selected, onSelect, topic, onTopic } = props;
  const t = useMessages();
  const [hovered, setHovered] = useState<string | null>(null);
  const [folds, setFolds] = useState(() => ({ tree: foldedAtFirst(model, 24), others: foldedAtFirst(model, 220) }));
  const kind = layout === "tree" ? "tree" : "others";
  const collapsed: ReadonlySet<string> = folds[kind];
  const setCollapsed = (next: ReadonlySet<string>) => setFolds((old) => ({ ...old, [kind]: next }));
  const [query, setQuery] = useState("");
  const [isFinding, setFinding] = useState(false);
  const [match, setMatch] = useState(0);
  const [isFull, setFull] = useState(false);
  const [isLegendOpen, setLegend] = useState(() => matchMedia("(min-width: 1600px)").matches);
  const frame = useRef<HTMLDivElement>(null);
  const handle = useRef<MapHandle>(null);
  const is3d = useMemo(() => layout === "galaxy" && hasWebGL(), [layout]);
  const Galaxy = useGalaxy(is3d);
  const found = useMemo(() => findNodes(model, query), [model, query]);
  const matches = useMemo(() => new Set(found), [found]);

  const isNarrow = useMedia("(max-width: 599px)");
  const fonts = useFontLoads();
  const pointer = useRef<[number, number]>([0, 0]);
  const stage = useRef<HTMLDivElement>(null);
  const [pane, setPane] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const watch = new ResizeObserver(
      ([entry]) => entry && setPane({ width: entry.contentRect.width, height: entry.contentRect.height }),
    );
    if (stage.current) {
      setPane({ width: stage.current.clientWidth, height: stage.current.clientHeight });
      watch.observe(stage.current);
    }
    return () => watch.disconnect();
  }, []);
  // To one side or to both, whichever shows the tree larger. Decided once for each picture: nothing jumps while a
  // divider is moved or a branch is folded.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a later width and later folds must not change the sides
  const isOneSided = useMemo(() => {
    if (layout !== "tree" || isNarrow || pane.width === 0) return false;
    const scale = (isOne: boolean) =>
      fitCamera(treeScene(model, { collapsed, focus: topic, isOneSided: isOne }).bounds, pane, 1.25).k;
    return scale(true) > scale(false) * 1.05;
  }, [model, layout, topic, isNarrow, pane.width > 0]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: labels have another width once the fonts are loaded
  const scene = useMemo(() => {
    const options = { collapsed, focus: topic, isNarrow, isOneSided };
    return layout === "radial"
      ? radialScene(model, options)
      : layout === "galaxy"
        ? galaxyScene(model, options)
        : treeScene(model, options);
  }, [model, layout, collapsed, topic, isNarrow, isOneSided, fonts]);

  const unfold = (id: string) => {
    const above = ancestors(model, id).filter((each) => collapsed.has(each));
    if (above.length > 0) setCollapsed(new Set([...collapsed].filter((each) => !above.includes(each))));
  };
  // What is chosen elsewhere (timeline, link, search) must be visible here.
  const uncover = useEffectEvent((id: string) => {
    unfold(id);
    if (topic && !subtree(model, topic).has(id) && id !== model.root.id) onTopic(null);
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another layout has to show the selection again
  useEffect(() => {
    if (!selected || !model.byId.has(selected)) return;
    uncover(selected);
    const timer = setTimeout(() => handle.current?.show(selected), 30);
    return () => clearTimeout(timer);
  }, [selected, model, layout]);

  const go = (by: number) => {
    if (found.length === 0) return;
    const next = (match + by + found.length) % found.length;
    setMatch(next);
    onSelect(found[next] ?? null);
  };
  const toggle = (id: string) => {
    if ((model.children.get(id)?.length ?? 0) === 0 || id === model.root.id) return;
    const next = new Set(collapsed);
    if (!next.delete(id)) next.add(id);
    setCollapsed(next);
  };

  useEffect(() => {
    const onChange = () => setFull(document.fullscreenElement === frame.current);
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, []);
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    const isTyping = event.target instanceof HTMLElement && event.target.closest("input, textarea, select");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = ({ 1: "tree", 2: "radial", 3: "galaxy", 4: "outline" } as const)[event.key];
    if (next) props.onLayout(next);
    if (event.key === "Escape" && !document.fullscreenElement) onSelect(null);
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event);
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);

  const shared: MapProps = {
    model,
    selected,
    hovered,
    matches,
    collapsed,
    onSelect,
    onHover: setHovered,
    onToggle: toggle,
    onRename: props.onRename,
    onDrop: props.onDrop,
  };
  const isOutline = layout === "outline";
  return (
    <div ref={frame} className="map">
      <div className="map-bar">
        <Segmented
          label={t.map.layout}
          value={layout}
          onChange={props.onLayout}
          options={[
            { value: "tree", label: t.map.tree, icon: <Workflow size={15} aria-hidden /> },
            { value: "radial", label: t.map.radial, icon: <Network size={15} aria-hidden /> },
            { value: "galaxy", label: t.map.galaxy, icon: <Orbit size={15} aria-hidden /> },
            { value: "outline", label: t.map.outline, icon: <ListTree size={15} aria-hidden /> },
          ]}
        />
        <span className="grow" />
        {isFinding ? (
          <search className="map-find">
            <input
              className="input compact"
              type="search"
              autoFocus
              aria-label={t.map.find}
              placeholder={t.map.find}
              value={query}
              onChange={(e) => {
                setQuery(e.target.value);
                setMatch(0);
              }}
              onKeyDown={(e) => {
                if (e.key === "Enter") {
                  e.preventDefault();
                  if (selected === found[match]) go(e.shiftKey ? -1 : 1);
                  else onSelect(found[match] ?? null);
                }
                if (e.key === "Escape") {
                  setQuery("");
                  setFinding(false);
                }
              }}
            />
            <span className="small muted tnum" role="status">
              {query && (found.length ? t.map.found(match + 1, found.length) : t.map.notFound)}
            </span>
            <IconButton label={t.map.nextMatch} onClick={() => go(1)} disabled={found.length === 0}>
              <ChevronDown size={16} />
            </IconButton>
            <IconButton
              label={t.common.close}
              onClick={() => {
                setQuery("");
                setFinding(false);
              }}
            >
              <X size={16} />
            </IconButton>
          </search>
        ) : (
          <IconButton label={t.map.find} onClick={() => setFinding(true)}>
            <Search size={17} />
          </IconButton>
        )}
        {props.tools}
      </div>
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
          Galaxy ? (
            <Galaxy {...shared} scene={scene} ref={handle} />
          ) : (
            <p className="map-loading muted" role="status">
              {t.map.loading3d}
            </p>
          )
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
          <div className="map-tools">
            {/* Fingers zoom by themselves, and the map needs the room. */}
            {!isNarrow && (
              <>
                <IconButton label={t.map.zoomIn} onClick={() => handle.current?.zoomBy(1.35)}>
                  <Plus size={17} />
                </IconButton>
                <IconButton label={t.map.zoomOut} onClick={() => handle.current?.zoomBy(1 / 1.35)}>
                  <Minus size={17} />
                </IconButton>
              </>
            )}
            <IconButton label={t.map.fit} onClick={() => handle.current?.fit()}>
              <Maximize size={16} />
            </IconButton>
            {layout === "tree" && (
              <IconButton
                label={collapsed.size > 0 ? t.map.expandAll : t.map.collapseAll}
                onClick={() =>
                  setCollapsed(collapsed.size > 0 ? new Set() : new Set(model.topics.map((each) => each.id)))
                }
              >
                {collapsed.size > 0 ? <UnfoldVertical size={16} /> : <FoldVertical size={16} />}
              </IconButton>
            )}
            {document.fullscreenEnabled && (
              <IconButton
                label={isFull ? t.map.exitFull : t.map.full}
                onClick={() => void (isFull ? document.exitFullscreen() : frame.current?.requestFullscreen())}
              >
                {isFull ? <Shrink size={16} /> : <Expand size={16} />}
              </IconButton>
            )}
          </div>
        )}
        {!isOutline && model.topics.length > 0 && (
          <div className="legend">
            <button
              type="button"
              className="legend-head"
              aria-expanded={isLegendOpen}
              onClick={() => setLegend(!isLegendOpen)}
            >
              {t.map.legend} <span className="muted tnum">{model.topics.length}</span>
              {isLegendOpen ? <ChevronDown size={14} aria-hidden /> : <ChevronUp size={14} aria-hidden />}
            </button>
            {isLegendOpen && (
              <ul>
                {model.topics.map((each) => (
                  <li key={each.id}>
                    <button
                      type="button"
                      data-hue={model.hueOf(each.id)}
                      aria-pressed={topic === each.id}
                      title={topic === each.id ? t.map.unfocus : t.map.focus}
                      onClick={() => onTopic(topic === each.id ? null : each.id)}
                      onMouseEnter={() => setHovered(each.id)}
                      onMouseLeave={() => setHovered(null)}
                    >
                      <i className="dot" />
                      <span className="grow">{each.label}</span>
                    </button>
                  </li>
                ))}
              </ul>
            )}
          </div>
        )}
        {!isOutline && hovered && hovered !== selected && model.byId.has(hovered) && (
          <Hover node={model.byId.get(hovered) as MapNode} at={pointer.current} box={stage.current} />
        )}
        {layout === "galaxy" && !is3d && <p className="map-note small muted">{t.map.no3d}</p>}
        <p className="sr" role="status">
          {selected && model.byId.get(selected)
            ? `${t.map.kinds[model.byId.get(selected)?.type ?? "page"]}: ${model.byId.get(selected)?.label}`
            : ""}
        </p>
      </div>
    </div>
  );
}

/** What the pointer is on, in full, and what its size is made of. */
function Hover({ node, at, box }: { node: MapNode; at: readonly [number, number]; box: HTMLElement | null }) {
  const t = useMessages();
  const language = useLanguage();
  const bounds = box?.getBoundingClientRect();
  if (!bounds || at[0] < bounds.left || at[0] > bounds.right || at[1] < bounds.top || at[1] > bounds.bottom)
    return null;
  const { data } = node;
  const made = t.evidence.minutes(
    duration(data.totalDuration, language),
    data.highlights.length,
    Math.max(0, data.visitCount - 1),
  );
  const [x, y] = [at[0] - bounds.left, at[1] - bounds.top];
  return (
    <div
      className="map-hover"
      role="tooltip"
      style={{
        left: Math.max(8, Math.min(x + 14, bounds.width - 268)),
        top: y > bounds.height - 110 ? y - 86 : y + 16,
      }}
    >
      <b>{node.label}</b>
      {node.type === "page" && data.host && <span className="muted">{data.host}</span>}
      {data.totalDuration > 0 && (
        <span className="muted tnum">{node.type === "page" ? made : duration(data.totalDuration, language)}</span>
      )}
    </div>
  );
}

/** More than `most` nodes are not read at first sight: such a map begins with its topics and subtopics, pages folded. */
function foldedAtFirst(model: MapModel, most: number): ReadonlySet<string> {
  if (model.nodes.length <= most) return new Set();
  const isLeafy = (id: string) =>
    (model.children.get(id) ?? []).every((child) => model.byId.get(child)?.type === "page");
  return new Set(
    model.nodes
      .filter((node) => (node.type === "topic" || node.type === "subtopic") && isLeafy(node.id))
      .map((node) => node.id),
  );
}
