import type { ReactNode } from "react";
import "./Section.css";

export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="section" aria-label={title}>
      <h2>{title}</h2>
      <div>{children}</div>
    </section>
  );
}
