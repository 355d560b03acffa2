import { Toast as BaseToast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import { useEffect } from "react";
import { useMessages } from "~/i18n";
import { onToast, type Toast } from "./toast";
import "./Toasts.css";

const manager = BaseToast.createToastManager();

const shownIds = new Map<string, string>();

function show({ text, undo, subject }: Toast): void {
  const earlier = subject ? shownIds.get(subject) : undefined;
  if (earlier) manager.close(earlier);
  if (!text) return;
  const id: string = manager.add({
    title: text,
    timeout: undo ? 8_000 : 5_000,
    ...(undo
      ? {
          actionProps: {
            children: undo.label,
            onClick: () => {
              manager.close(id);
              undo.run();
            },
          },
        }
      : {}),
  });
  if (subject) shownIds.set(subject, id);
}

function ToastList() {
  const t = useMessages();
  const { toasts } = BaseToast.useToastManager();
  useEffect(() => onToast(show), []);
  return toasts.map((toast) => (
    <BaseToast.Root key={toast.id} toast={toast} className="toast">
      <BaseToast.Title className="toast-text" />
      <BaseToast.Action />
      <BaseToast.Close aria-label={t.common.close}>
        <X size={16} />
      </BaseToast.Close>
    </BaseToast.Root>
  ));
}

export function Toasts() {
  const t = useMessages();
  return (
    <BaseToast.Provider toastManager={manager} limit={3}>
      <BaseToast.Portal>
        <BaseToast.Viewport className="toasts" aria-label={t.common.notifications}>
          <ToastList />
        </BaseToast.Viewport>
      </BaseToast.Portal>
    </BaseToast.Provider>
  );
}
