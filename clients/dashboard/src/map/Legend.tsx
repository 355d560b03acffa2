import { ChevronDown, ChevronUp } from "lucide-react";
import { useState } from "react";
import { useMessages } from "~/i18n";
import type { MapModel } from "./model";
import "./Legend.css";

/** The topics and their colours. A click shows one topic only; hovering highlights it. */
export function Legend({
  isVisible,
  model,
  topic,
  onTopic,
  onHover,
}: {
  isVisible: boolean;
  model: MapModel;
  topic: string | null;
  onTopic: (id: string | null) => void;
  onHover: (id: string | null) => void;
}) {
  const t = useMessages();
  const [isOpen, setOpen] = useState(() => matchMedia("(min-width: 1600px)").matches);
  if (!isVisible || model.topics.length === 0) return null;
  return (
    <div className="legend">
      <button type="button" className="legend-head" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {t.map.legend} <span className="muted tnum">{model.topics.length}</span>
        {isOpen ? <ChevronDown size={14} aria-hidden /> : <ChevronUp size={14} aria-hidden />}
      </button>
      {isOpen && (
        <ul>
          {model.topics.map((each) => (
            <li key={each.id}>
              <button
                type="button"
                data-hue={model.hueOf(each.id)}
                aria-pressed={topic === each.id}
                title={topic === each.id ? t.map.unfocus : t.map.focus}
                onClick={() => onTopic(topic === each.id ? null : each.id)}
                onMouseEnter={() => onHover(each.id)}
                onMouseLeave={() => onHover(null)}
              >
                <i className="dot" />
                <span className="grow">{each.label}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
