import { Eraser } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useMessages } from "~/i18n";
import { loadPart } from "~/load-part";
import type { ForgettablePage } from "./ForgetDialog";

// Loaded when it is opened: the dialog's library is a tenth of what a route may weigh.
const ForgetDialog = lazy(() => loadPart(() => import("./ForgetDialog")).then((m) => ({ default: m.ForgetDialog })));

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
