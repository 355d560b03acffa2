import { ChevronDown, ListTree, Network, Orbit, Search, Workflow, X } from "lucide-react";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { useMessages } from "~/i18n";
import type { LayoutName } from "~/session/search-params";
import { IconButton, Segmented } from "~/ui/basics";
import { findNodes, type MapModel } from "./model";
import "./MapToolbar.css";

interface SearchProps {
  model: MapModel;
  selected: string | null;
  onSelect: (id: string | null) => void;
  onMatches: (ids: readonly string[]) => void;
}

export function MapToolbar(
  props: SearchProps & { layout: LayoutName; onLayout: (layout: LayoutName) => void; tools: ReactNode },
) {
  const t = useMessages();
  const [isSearching, setSearching] = useState(false);
  return (
    <div className="map-bar">
      <Segmented
        label={t.map.layout}
        value={props.layout}
        onChange={props.onLayout}
        options={[
          { value: "tree", label: t.map.tree, icon: <Workflow size={15} aria-hidden /> },
          { value: "radial", label: t.map.radial, icon: <Network size={15} aria-hidden /> },
          { value: "galaxy", label: t.map.galaxy, icon: <Orbit size={15} aria-hidden /> },
          { value: "outline", label: t.map.outline, icon: <ListTree size={15} aria-hidden /> },
        ]}
      />
      <span className="grow" />
      {isSearching ? (
        <MapSearch {...props} onClose={() => setSearching(false)} />
      ) : (
        <IconButton label={t.map.find} onClick={() => setSearching(true)}>
          <Search size={17} />
        </IconButton>
      )}
      {props.tools}
    </div>
  );
}

/** The search field. Enter selects the current match, then the next one; with Shift the previous one. */
function MapSearch({ model, selected, onSelect, onMatches, onClose }: SearchProps & { onClose: () => void }) {
  const t = useMessages();
  const [query, setQuery] = useState("");
  const [index, setIndex] = useState(0);
  const ids = useMemo(() => findNodes(model, query), [model, query]);
  useEffect(() => onMatches(ids), [ids, onMatches]);
  useEffect(() => () => onMatches([]), [onMatches]);
  const go = (by: number) => {
    if (ids.length === 0) return;
    const next = (index + by + ids.length) % ids.length;
    setIndex(next);
    onSelect(ids[next] ?? null);
  };
  return (
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
          setIndex(0);
        }}
        onKeyDown={(e) => {
          if (e.key === "Enter") {
            e.preventDefault();
            if (selected === ids[index]) go(e.shiftKey ? -1 : 1);
            else onSelect(ids[index] ?? null);
          }
          if (e.key === "Escape") onClose();
        }}
      />
      <span className="small muted tnum" role="status">
        {query && (ids.length ? t.map.found(index + 1, ids.length) : t.map.notFound)}
      </span>
      <IconButton label={t.map.nextMatch} onClick={() => go(1)} disabled={ids.length === 0}>
        <ChevronDown size={16} />
      </IconButton>
      <IconButton label={t.common.close} onClick={onClose}>
        <X size={16} />
      </IconButton>
    </search>
  );
}
