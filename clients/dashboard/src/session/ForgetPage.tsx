import { Eraser } from "lucide-react";
import { Suspense, useState } from "react";
import { useMessages } from "~/i18n";
import { lazyPart } from "~/ui/lazyPart";
import type { ForgettablePage } from "./ForgetDialog";

// Loaded when it is opened: the dialog's library is a tenth of what a route may weigh.
const ForgetDialog = lazyPart(() => import("./ForgetDialog"), "ForgetDialog");

/** A button that opens the question what of a page to forget. */
export function ForgetPage({ page, onForgotten }: { page: ForgettablePage; onForgotten: () => void }) {
  const t = useMessages();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="button quiet" onClick={() => setOpen(true)}>
        <Eraser size={15} />
        {t.forget.open}
      </button>
      <Suspense fallback={null}>
        {isOpen && <ForgetDialog page={page} onForgotten={onForgotten} onClose={() => setOpen(false)} />}
      </Suspense>
    </>
  );
}
