import { useLanguage } from "~/i18n";

/** A text by which a list is filtered. It takes effect when the field loses focus, or by Enter. */
export function TextFilter({
  label,
  value,
  placeholder,
  onChange,
}: {
  label: string;
  value: string | undefined;
  placeholder: string;
  onChange: (value: string | undefined) => void;
}) {
  return (
    <label className="filter">
      <span>{label}</span>
      <input
        className="input compact"
        // A change of the URL, such as "clear filters", makes a new field.
        key={value}
        placeholder={placeholder}
        defaultValue={value ?? ""}
        onBlur={(event) => onChange(event.target.value.trim() || undefined)}
        onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      />
    </label>
  );
}

/** A day by which a list is filtered, `YYYY-MM-DD`. */
export function DateFilter({
  label,
  value,
  min,
  max,
  onChange,
}: {
  label: string;
  value: string | undefined;
  min?: string | undefined;
  max?: string | undefined;
  onChange: (value: string | undefined) => void;
}) {
  return (
    <label className="filter">
      <span>{label}</span>
      <input
        className="input compact"
        type="date"
        lang={useLanguage()}
        value={value ?? ""}
        min={min}
        max={max}
        onChange={(event) => onChange(event.target.value || undefined)}
      />
    </label>
  );
}
