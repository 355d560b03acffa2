import type { ReactNode } from "react";
import type { FieldValues, Path, UseFormReturn } from "react-hook-form";
import type { Messages } from "~/i18n";
import { Field } from "~/ui/Field";
import { FormError } from "~/ui/FormError";

/** The field of an e-mail address. */
export const emailInput = (t: Messages) =>
  ({ name: "email", label: t.auth.email, type: "email", autoComplete: "username" }) as const;

/** A field of a password that the user chooses. */
export const newPasswordInput = <Name extends string>(name: Name, label: string, hint?: string) =>
  ({ name, label, type: "password", autoComplete: "new-password", ...(hint ? { hint } : {}) }) as const;

interface FieldDescription<Values extends FieldValues> {
  name: Path<Values>;
  label: string;
  type: "email" | "password";
  autoComplete: "username" | "current-password" | "new-password";
  hint?: string;
}

/** The error of a form, its fields with theirs, and the button that sends it. `children` stand before the button. */
export function FormFields<Values extends FieldValues>(props: {
  form: UseFormReturn<Values>;
  fields: readonly FieldDescription<Values>[];
  submit: string;
  submitting: string;
  children?: ReactNode;
}) {
  const { form, fields, submit, submitting, children } = props;
  const { errors, isSubmitting } = form.formState;
  return (
    <>
      <FormError message={errors.root?.message} />
      {fields.map(({ name, ...field }) => (
        <Field
          key={name}
          {...field}
          error={form.getFieldState(name, form.formState).error?.message}
          {...form.register(name)}
        />
      ))}
      {children}
      <button type="submit" className="button primary wide" disabled={isSubmitting}>
        {isSubmitting ? submitting : submit}
      </button>
    </>
  );
}
