import { Eye, EyeOff } from "lucide-react";
import { type InputHTMLAttributes, useId, useState } from "react";
import { useMessages } from "~/i18n";

export function Field(
  props: { label: string; error?: string | undefined; hint?: string } & InputHTMLAttributes<HTMLInputElement> & {
      ref?: React.Ref<HTMLInputElement>;
    },
) {
  const { label, error, hint, type, ...rest } = props;
  const t = useMessages();
  const id = useId();
  const [isShown, setShown] = useState(false);
  const input = (
    <input
      id={id}
      className="input"
      type={type === "password" && isShown ? "text" : type}
      aria-invalid={error ? true : undefined}
      aria-describedby={error || hint ? `${id}-note` : undefined}
      {...rest}
    />
  );
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {type === "password" ? (
        <div className="password">
          {input}
          <button
            type="button"
            className="icon-button"
            aria-label={isShown ? t.auth.hidePassword : t.auth.showPassword}
            aria-pressed={isShown}
            onClick={() => setShown(!isShown)}
          >
            {isShown ? <EyeOff size={18} /> : <Eye size={18} />}
          </button>
        </div>
      ) : (
        input
      )}
      {(error || hint) && (
        <p id={`${id}-note`} className={error ? "field-error" : "field-hint"} role={error ? "alert" : undefined}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}
