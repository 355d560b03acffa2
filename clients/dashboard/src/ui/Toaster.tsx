import { type ComponentType, useEffect, useState } from "react";
import { onFirstToast } from "./toast";

/** The container of the toasts. Most visits show none, so their code is loaded with the first one. */
export function Toaster() {
  const [Toasts, setToasts] = useState<ComponentType | null>(null);
  useEffect(() => onFirstToast(() => void import("./Toasts").then((module) => setToasts(() => module.Toasts))), []);
  return Toasts && <Toasts />;
}
