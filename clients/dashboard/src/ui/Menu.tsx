import { cloneElement, lazy, type MouseEvent, type ReactElement, type Ref, Suspense, useRef, useState } from "react";
import { loadPart } from "~/load-part";
import type { MenuEntry } from "./menu-types";

const load = () => loadPart(() => import("./MenuPopup"));
const MenuPopup = lazy(() => load().then((module) => ({ default: module.MenuPopup })));

interface TriggerProps {
  ref?: Ref<HTMLButtonElement>;
  onClick?: (event: MouseEvent) => void;
  [other: string]: unknown;
}

/** A button with a menu. The menu's code is loaded when the pointer or the focus enters the button. */
export function Menu({ trigger, entries }: { trigger: ReactElement<TriggerProps>; entries: readonly MenuEntry[] }) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  return (
    <>
      {cloneElement(trigger, {
        ref: button,
        "aria-haspopup": "menu",
        "aria-expanded": isOpen,
        onClick: () => setOpen(!isOpen),
        onPointerEnter: load,
        onFocus: load,
        onKeyDown: (event: React.KeyboardEvent) => {
          if (event.key !== "ArrowDown" || isOpen) return;
          event.preventDefault();
          setOpen(true);
        },
      })}
      {isOpen && (
        <Suspense fallback={null}>
          <MenuPopup button={button} entries={entries} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
