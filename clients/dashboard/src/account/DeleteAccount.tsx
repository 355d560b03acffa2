import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { toApiError, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { endLogin } from "~/api/login";
import { useMessages } from "~/i18n";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { Field } from "~/ui/Field";
import { toast } from "~/ui/toast";

/** Asks for confirmation, because erasing the account cannot be undone. */
export function DeleteAccount({ email, hasPassword }: { email: string; hasPassword: boolean }) {
  const t = useMessages();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [isOpen, setOpen] = useState(false);
  const [typedEmail, setTyped] = useState("");
  const [password, setPassword] = useState("");
  const erase = useMutation({
    mutationFn: () =>
      unwrap(api.POST("/v1/users/me/deletion", { body: { ...(password ? { password } : {}), now: true } })),
    onSuccess: async () => {
      setOpen(false);
      toast(t.account.deleted);
      endLogin(false);
      client.clear();
      await navigate({ to: "/login" });
    },
  });
  const problem = erase.isError ? toApiError(erase.error) : null;
  return (
    <div className="row wrap">
      <p className="grow muted">{t.account.deleteHint}</p>
      <button type="button" className="button danger" onClick={() => setOpen(true)}>
        {t.account.delete}
      </button>
      <Dialog title={t.account.delete} isOpen={isOpen} onClose={() => setOpen(false)}>
        <form
          className="stack"
          onSubmit={(e) => {
            e.preventDefault();
            erase.mutate();
          }}
        >
          <p>{t.account.deleteHint}</p>
          {problem && (
            <p className="notice danger" role="alert">
              {problem.code === "LOGIN_TOO_OLD"
                ? t.account.loginTooOld
                : problem.status === 400 || problem.status === 401 || problem.status === 403
                  ? t.account.wrongPassword
                  : errorMessage(problem, t)}
            </p>
          )}
          <Field
            label={t.account.deleteConfirm}
            type="email"
            autoComplete="off"
            placeholder={email}
            value={typedEmail}
            onChange={(e) => setTyped(e.target.value)}
          />
          {hasPassword && (
            <Field
              label={t.auth.password}
              type="password"
              autoComplete="current-password"
              value={password}
              onChange={(e) => setPassword(e.target.value)}
            />
          )}
          <div className="dialog-actions">
            <button type="button" className="button" onClick={() => setOpen(false)}>
              {t.common.cancel}
            </button>
            <button
              type="submit"
              className="button danger"
              disabled={!email || typedEmail.trim().toLowerCase() !== email.toLowerCase() || erase.isPending}
            >
              {t.account.deleteGo}
            </button>
          </div>
        </form>
      </Dialog>
    </div>
  );
}
