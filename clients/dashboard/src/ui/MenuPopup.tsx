import { Menu as BaseMenu } from "@base-ui/react/menu";
import type { RefObject } from "react";
import type { MenuEntry } from "./menu-types";
import "./MenuPopup.css";

/** The open menu of `button`. On close the focus returns to the button. */
export function MenuPopup({
  button,
  entries,
  onClose,
}: {
  button: RefObject<HTMLButtonElement | null>;
  entries: readonly MenuEntry[];
  onClose: () => void;
}) {
  return (
    <BaseMenu.Root
      open
      modal={false}
      onOpenChange={(isOpen, { event }) => {
        // A press on the button closes the menu in the button's own handler; closing it here too would open it again.
        if (
          !isOpen &&
          !(event.target instanceof Node && button.current?.contains(event.target) && event.type !== "keydown")
        )
          onClose();
      }}
    >
      <BaseMenu.Portal>
        <BaseMenu.Positioner className="positioner" anchor={button} sideOffset={6} align="end">
          <BaseMenu.Popup className="menu" finalFocus={button}>
            {entries.map((entry, i) =>
              entry.kind === "line" ? (
                // biome-ignore lint/suspicious/noArrayIndexKey: a separator has nothing but its place
                <BaseMenu.Separator key={`line-${i}`} className="menu-line" />
              ) : entry.kind === "label" ? (
                <div key={entry.label} className="menu-label">
                  {entry.label}
                </div>
              ) : (
                <BaseMenu.Item
                  key={entry.label}
                  className={`menu-item ${entry.isDanger ? "danger" : ""}`}
                  onClick={entry.onPick}
                >
                  {entry.icon}
                  {entry.label}
                </BaseMenu.Item>
              ),
            )}
          </BaseMenu.Popup>
        </BaseMenu.Positioner>
      </BaseMenu.Portal>
    </BaseMenu.Root>
  );
}
