/** Components that several screens use. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import type { CommandName, CommandResponse } from "../protocol";
import { errorText, useUi } from "./context";
import "./parts.css";

const PATHS = {
  gear: "M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM19.4 13.5l1.7 1.3-1.9 3.2-2-.8a7.6 7.6 0 0 1-2.1 1.2l-.3 2.1h-3.7l-.3-2.1a7.6 7.6 0 0 1-2.1-1.2l-2 .8-1.9-3.2 1.7-1.3a7.7 7.7 0 0 1 0-3L4.8 9.2 6.7 6l2 .8a7.6 7.6 0 0 1 2.1-1.2l.3-2.1h3.7l.3 2.1a7.6 7.6 0 0 1 2.1 1.2l2-.8 1.9 3.2-1.7 1.3a7.7 7.7 0 0 1 0 3Z",
  back: "M15 5l-7 7 7 7",
  pencil: "M4 20l1-4L16 5l3 3L8 19l-4 1Z",
  check: "M5 13l4.5 4.5L19 7.5",
  out: "M9 5H5v14h14v-4M13 5h6v6M19 5l-9 9",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.7"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 128 128" aria-hidden="true">
      <rect width="128" height="128" rx="30" class="logo-background" />
      <g fill="none" stroke="#fff" stroke-width="8" stroke-linecap="round">
        <path d="M34 92C42 60 54 60 64 64M64 64C78 70 86 54 94 34M64 64C76 70 84 84 96 88" />
      </g>
      <g fill="#fff">
        <circle cx="64" cy="64" r="14" />
        <circle cx="33" cy="95" r="10" />
        <circle cx="95" cy="33" r="10" />
        <circle cx="97" cy="89" r="10" />
      </g>
    </svg>
  );
}

interface ButtonProps {
  onClick: () => void;
  children: ComponentChildren;
  kind?: "primary" | "record" | "plain" | "quiet" | "danger";
  isDisabled?: boolean;
  name?: string;
}

export function Button({ onClick, children, kind = "plain", isDisabled = false, name }: ButtonProps) {
  return (
    <button type="button" class={`button ${kind}`} disabled={isDisabled} onClick={onClick} data-name={name}>
      {children}
    </button>
  );
}

/** Runs commands, and has the error message of the last one. */
export function useCommand() {
  const { messages } = useUi();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const run = async <K extends CommandName>(response: Promise<CommandResponse<K>>): Promise<CommandResponse<K>> => {
    setBusy(true);
    setError(null);
    const result = await response;
    setBusy(false);
    if (!result.ok) setError(errorText(messages, result));
    return result;
  };
  return { run, isBusy, error, setError };
}

export function ErrorNote({ text }: { text: string | null }) {
  return (
    <div role="alert" class="alert-slot">
      {text && <p class="note danger">{text}</p>}
    </div>
  );
}

export function Statistics({ items }: { items: { value: string | number; label: string }[] }) {
  return (
    <dl class="numbers">
      {items.map(({ value, label }) => (
        <div key={label}>
          <dd>{value}</dd>
          <dt>{label}</dt>
        </div>
      ))}
    </dl>
  );
}
