import { type Passage, textDirective, withTextDirective } from "@trailmind/api";
import type { ButtonHTMLAttributes, ReactNode } from "react";
import type { Status } from "~/api/queries";
import { useMessages } from "~/i18n";
import "./basics.css";

/** A button with an icon only; `label` is its accessible name. */
export function IconButton({
  label,
  children,
  ...rest
}: { label: string; children: ReactNode } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button type="button" className="icon-button" aria-label={label} title={label} {...rest}>
      {children}
    </button>
  );
}

export function Segmented<T extends string>(props: {
  label: string;
  value: T;
  options: readonly { value: T; label: string; icon?: ReactNode }[];
  onChange: (value: T) => void;
}) {
  return (
    // One stop for the Tab key; the arrow keys move inside.
    <div
      className="segmented"
      role="group"
      aria-label={props.label}
      onKeyDown={(event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (by === undefined) return;
        const buttons = [...event.currentTarget.querySelectorAll("button")];
        const at = buttons.indexOf(event.target as HTMLButtonElement);
        buttons[(at + by + buttons.length) % buttons.length]?.focus();
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {props.options.map((option) => (
        <button
          key={option.value}
          type="button"
          tabIndex={option.value === props.value ? 0 : -1}
          aria-pressed={option.value === props.value}
          onClick={() => props.onChange(option.value)}
        >
          {option.icon}
          <span>{option.label}</span>
        </button>
      ))}
    </div>
  );
}

export function StatusBadge({ status }: { status: Status }) {
  const t = useMessages();
  return (
    <span className={`badge ${status}`}>
      {status === "recording" && <i className="dot" />}
      {t.status[status] ?? status}
    </span>
  );
}

/**
 * The first letter of a site in the hue of its topic. A favicon is not fetched, because the request would tell the site
 * who reads it.
 */
export function SiteMark({ host, hue }: { host: string; hue?: number | null }) {
  return (
    <span className="site" data-hue={hue ?? "none"} aria-hidden="true">
      {host.replace(/^www\./, "").slice(0, 1) || "·"}
    </span>
  );
}

export function EmptyState({
  icon,
  title,
  children,
  actions,
  level = 2,
}: {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  level?: 1 | 2;
}) {
  const Heading = level === 1 ? "h1" : "h2";
  return (
    <div className="empty-state">
      {icon}
      <Heading>{title}</Heading>
      {children && <p>{children}</p>}
      {actions && <div className="row wrap">{actions}</div>}
    </div>
  );
}

/** `url` when it is http(s), otherwise null: other schemes of recorded pages are not linked. */
export function safeHref(url: string | undefined | null): string | null {
  try {
    return url && /^https?:$/.test(new URL(url).protocol) ? url : null;
  } catch {
    return null;
  }
}

export function hostOf(url: string | undefined | null): string {
  try {
    return url ? new URL(url).host.replace(/^www\./, "") : "";
  } catch {
    return "";
  }
}

/** A link to a passage: browsers that support text fragments scroll to it and highlight it. */
export function passageHref(url: string, passage: Passage): string | null {
  const href = safeHref(url);
  return href && withTextDirective(href, textDirective(passage));
}
