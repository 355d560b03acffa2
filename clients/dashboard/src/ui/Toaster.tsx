import { type ComponentType, useEffect, useState } from "react";
import { onFirstToast } from "./toast";

/** The place of the toasts. Most visits have none, so their code comes with the first. */
export function Toaster() {
  const [Toasts, setToasts] = useState<ComponentType | null>(null);
  useEffect(() => onFirstToast(() => void import("./Toasts").then((module) => setToasts(() => module.Toasts))), []);
  return Toasts && <Toasts />;
}
