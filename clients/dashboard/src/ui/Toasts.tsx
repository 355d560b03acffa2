import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";
import { useEffect } from "react";
import { useWords } from "~/i18n";
import { hearSayings, type Saying } from "./say";

const manager = Toast.createToastManager();

function show({ text, undo }: Saying): void {
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
}

function ToastList() {
  const t = useWords();
  const { toasts } = Toast.useToastManager();
  useEffect(() => hearSayings(show), []);
  return toasts.map((toast) => (
    <Toast.Root key={toast.id} toast={toast} className="toast">
      <Toast.Title className="toast-text" />
      <Toast.Action />
      <Toast.Close aria-label={t.common.close}>
        <X size={16} />
      </Toast.Close>
    </Toast.Root>
  ));
}

export function Toasts() {
  return (
    <Toast.Provider toastManager={manager} limit={3}>
      <Toast.Portal>
        <Toast.Viewport className="toasts">
          <ToastList />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}
