import { type ComponentType, useEffect, useState } from "react";
import { loadPart } from "~/load-part";
import { onFirstToast } from "./toast";

/** Toasts say that a server does not answer, so their code is loaded while it does, after the page itself. */
const LOAD_AFTER_MS = 3_000;

/** The container of the toasts. Their code is loaded with the first one, or when the page has been open for a while. */
export function Toaster() {
  const [Toasts, setToasts] = useState<ComponentType | null>(null);
  useEffect(() => {
    const load = () => void loadPart(() => import("./Toasts")).then((module) => setToasts(() => module.Toasts));
    const timer = setTimeout(load, LOAD_AFTER_MS);
    const unsubscribe = onFirstToast(load);
    return () => {
      clearTimeout(timer);
      unsubscribe();
    };
  }, []);
  return Toasts && <Toasts />;
}
