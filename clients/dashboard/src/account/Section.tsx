import type { ReactNode } from "react";
import "./Section.css";

export function Section({ title, id, children }: { title: string; id?: string; children: ReactNode }) {
  return (
    <section id={id} className="section" aria-label={title}>
      <h2>{title}</h2>
      <div>{children}</div>
    </section>
  );
}
