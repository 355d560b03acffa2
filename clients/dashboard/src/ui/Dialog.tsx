import { Dialog as BaseDialog } from "@base-ui/react/dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useMessages } from "~/i18n";
import { IconButton } from "./basics";
import "./Dialog.css";

export function Dialog(props: {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  children: ReactNode;
  className?: string;
  isTitleHidden?: boolean;
}) {
  const t = useMessages();
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
