import { Dialog as BaseDialog } from "@base-ui/react/dialog";
import { Menu as BaseMenu } from "@base-ui/react/menu";
import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import type { ReactElement, ReactNode } from "react";
import { useWords } from "~/i18n";
import { IconButton } from "./basics";

export function Dialog(props: { title: string; isOpen: boolean; onClose: () => void; children: ReactNode; className?: string; isTitleHidden?: boolean }) {
  const t = useWords();
  return (
    <BaseDialog.Root open={props.isOpen} onOpenChange={(isOpen) => !isOpen && props.onClose()}>
      <BaseDialog.Portal>
        <BaseDialog.Backdrop className="backdrop" />
        <BaseDialog.Popup className={`dialog ${props.className ?? ""}`}>
          {props.isTitleHidden ? (
            <BaseDialog.Title className="sr">{props.title}</BaseDialog.Title>
          ) : (
            <div className="row">
              <BaseDialog.Title className="grow">{props.title}</BaseDialog.Title>
              <IconButton label={t.common.close} onClick={props.onClose}>
                <X size={18} />
              </IconButton>
            </div>
          )}
          {props.children}
        </BaseDialog.Popup>
      </BaseDialog.Portal>
    </BaseDialog.Root>
  );
}

export type MenuEntry =
  | { kind: "item"; label: string; icon?: ReactNode; isDanger?: boolean; onPick: () => void }
  | { kind: "label"; label: string }
  | { kind: "line" };

export function Menu({ trigger, entries }: { trigger: ReactElement; entries: readonly MenuEntry[] }) {
  return (
    <BaseMenu.Root modal={false}>
      <BaseMenu.Trigger render={trigger} />
      <BaseMenu.Portal>
        <BaseMenu.Positioner className="positioner" sideOffset={6} align="end">
          <BaseMenu.Popup className="menu">
            {entries.map((entry, i) =>
              entry.kind === "line" ? (
                <BaseMenu.Separator key={`line-${i}`} className="menu-line" />
              ) : entry.kind === "label" ? (
                <div key={entry.label} className="menu-label">
                  {entry.label}
                </div>
              ) : (
                <BaseMenu.Item key={entry.label} className={`menu-item ${entry.isDanger ? "danger" : ""}`} onClick={entry.onPick}>
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

export const toasts = Toast.createToastManager();

/** Says that something happened. With `undo`, stays for eight seconds, the time one needs to see a mistake. */
export function say(text: string, undo?: { label: string; run: () => void }): void {
  const id: string = toasts.add({
    title: text,
    timeout: undo ? 8_000 : 5_000,
    ...(undo
      ? {
          actionProps: {
            children: undo.label,
            onClick: () => {
              toasts.close(id);
              undo.run();
            },
          },
        }
      : {}),
  });
}

function ToastList() {
  const t = useWords();
  const { toasts: shown } = Toast.useToastManager();
  return shown.map((toast) => (
    <Toast.Root key={toast.id} toast={toast} className="toast">
      <Toast.Title className="toast-text" />
      <Toast.Action />
      <Toast.Close aria-label={t.common.close}>
        <X size={16} />
      </Toast.Close>
    </Toast.Root>
  ));
}

export function Toasts({ children }: { children: ReactNode }) {
  return (
    <Toast.Provider toastManager={toasts} limit={3}>
      {children}
      <Toast.Portal>
        <Toast.Viewport className="toasts">
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}
