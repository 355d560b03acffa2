import { Expand, FoldVertical, Maximize, Minus, Plus, Shrink, UnfoldVertical } from "lucide-react";
import { type RefObject, useEffect, useState } from "react";
import { useMessages } from "~/i18n";
import { IconButton } from "~/ui/basics";
import { useMedia } from "~/ui/media";
import type { MapHandle } from "./map-props";
import "./MapTools.css";

/** The buttons over the map: zoom, fit, collapse, full screen. */
export function MapTools({
  handle,
  frame,
  isTree,
  isCollapsed,
  onCollapse,
}: {
  handle: RefObject<MapHandle | null>;
  frame: RefObject<HTMLDivElement | null>;
  isTree: boolean;
  /** Whether any node is collapsed. */
  isCollapsed: boolean;
  /** With true all topics are collapsed, with false all nodes expanded. */
  onCollapse: (isAll: boolean) => void;
}) {
  const t = useMessages();
  const isNarrow = useMedia("(max-width: 599px)");
  return (
    <div className="map-tools">
      {/* On touch screens pinching zooms, and a narrow map needs the space. */}
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
      {isTree && (
        <IconButton label={isCollapsed ? t.map.expandAll : t.map.collapseAll} onClick={() => onCollapse(!isCollapsed)}>
          {isCollapsed ? <UnfoldVertical size={16} /> : <FoldVertical size={16} />}
        </IconButton>
      )}
      {document.fullscreenEnabled && <FullScreenButton frame={frame} />}
    </div>
  );
}

function FullScreenButton({ frame }: { frame: RefObject<HTMLDivElement | null> }) {
  const t = useMessages();
  const [isFull, setFull] = useState(() => document.fullscreenElement === frame.current && frame.current !== null);
  useEffect(() => {
    const onChange = () => setFull(document.fullscreenElement === frame.current);
    document.addEventListener("fullscreenchange", onChange);
    return () => document.removeEventListener("fullscreenchange", onChange);
  }, [frame]);
  return (
    <IconButton
      label={isFull ? t.map.exitFull : t.map.full}
      onClick={() => void (isFull ? document.exitFullscreen() : frame.current?.requestFullscreen())}
    >
      {isFull ? <Shrink size={16} /> : <Expand size={16} />}
    </IconButton>
  );
}
