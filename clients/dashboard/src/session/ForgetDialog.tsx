import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type Language, shortDate, timeOfDay, unwrap } from "@trailmind/api";
import { useState } from "react";
import { api } from "~/api/client";
import { useLanguage, useMessages } from "~/i18n";
import { hostOf } from "~/ui/basics";
import { Dialog } from "~/ui/Dialog";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { type ForgetScope, forgetBody, hourOf } from "./forget-body";

export interface ForgettablePage {
  /** The session in which to forget the page; null: in all of them. */
  sessionId: string | null;
  pageId: string;
  url: string;
  /** When the page was visited last, in UTC epoch milliseconds; without it no hour is offered. */
  visitedMs: number | null;
}

/** The question what of a page to forget. It cannot be undone, so that the dialog says what goes. */
export function ForgetDialog(props: { page: ForgettablePage; onForgotten: () => void; onClose: () => void }) {
  const { page, onForgotten, onClose } = props;
  const t = useMessages();
  const language = useLanguage();
  const client = useQueryClient();
  const [scope, setScope] = useState<ForgetScope>("page");
  const forget = useMutation({
    mutationFn: () => unwrap(api.POST("/v1/forget", { body: forgetBody(scope, page) })),
    onSuccess: async (reply) => {
      onClose();
      toast(t.forget.done(reply.receipt.total));
      onForgotten();
      await client.invalidateQueries();
    },
  });
  const choices: [ForgetScope, string][] = [
    ["page", t.forget.page],
    ["site", t.forget.site(hostOf(page.url))],
    ...(page.visitedMs === null
      ? []
      : [["hour", t.forget.hour(wordedHour(page.visitedMs, language))] as [ForgetScope, string]]),
  ];
  return (
    <Dialog title={t.forget.title} isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          forget.mutate();
        }}
      >
        <fieldset className="stack forget-choices">
          <legend className="sr">{t.forget.title}</legend>
          {choices.map(([value, label]) => (
            <label key={value}>
              <input type="radio" name="scope" checked={scope === value} onChange={() => setScope(value)} /> {label}
            </label>
          ))}
        </fieldset>
        <p className="small muted">{t.forget.what}</p>
        {forget.isError && (
          <p className="notice danger" role="alert">
            {errorMessage(forget.error, t)}
          </p>
        )}
        <div className="dialog-actions">
          <button type="button" className="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button type="submit" className="button danger" disabled={forget.isPending}>
            {t.forget.confirm}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function wordedHour(visitedMs: number, language: Language): string {
  const { from, to } = hourOf(visitedMs);
  return `${shortDate(from, new Date(), language)} ${timeOfDay(from, language)}–${timeOfDay(to, language)}`;
}
