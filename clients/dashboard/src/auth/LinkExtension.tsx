import { useMutation } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { ApiError } from "@trailmind/api";
import { CircleCheck, Puzzle } from "lucide-react";
import { useSyncExternalStore } from "react";
import { canReachExtensions, linkExtension } from "~/api/extension";
import { currentLogin, onLogin } from "~/api/login";
import { useMessages } from "~/i18n";
import { EmptyState } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";

/**
 * The page that the extension opens for "sign in on the dashboard". It asks for consent, because an extension can read
 * every page.
 */
export function LinkExtension() {
  const t = useMessages();
  const search = useSearch({ from: "/frame/extension/link" });
  const login = useSyncExternalStore(onLogin, currentLogin);
  const link = useMutation({ mutationFn: linkExtension });
  const { extension_id: extensionId, state, code_challenge: codeChallenge } = search;
  const title = <title>{`${t.extension.title} · ${t.brand}`}</title>;
  if (!extensionId || !state || !codeChallenge || !canReachExtensions())
    return (
      <div className="page">
        {title}
        <EmptyState
          level={1}
          icon={<Puzzle className="figure" size={32} strokeWidth={1.5} aria-hidden />}
          title={t.extension.unreachable}
          actions={
            <Link className="button primary" to="/sessions">
              {t.goHome}
            </Link>
          }
        >
          {t.extension.unreachableHint}
        </EmptyState>
      </div>
    );
  return (
    <div className="page">
      {title}
      {link.isSuccess ? (
        <div role="status">
          <EmptyState
            level={1}
            icon={<CircleCheck className="figure" size={32} strokeWidth={1.5} aria-hidden />}
            title={t.extension.linked}
            actions={
              <Link className="button primary" to="/sessions">
                {t.goHome}
              </Link>
            }
          >
            {t.extension.linkedHint}
          </EmptyState>
        </div>
      ) : (
        <EmptyState
          level={1}
          icon={<Puzzle className="figure" size={32} strokeWidth={1.5} aria-hidden />}
          title={t.extension.title}
          actions={
            <>
              <button
                type="button"
                className="button primary"
                disabled={link.isPending}
                onClick={() => link.mutate({ extensionId, state, codeChallenge })}
              >
                {t.extension.go}
              </button>
              <Link className="button" to="/sessions">
                {t.common.cancel}
              </Link>
            </>
          }
        >
          {t.extension.body(login.state === "in" ? login.account.email : "")}
          {link.isError && (
            <span className="notice danger" role="alert">
              {link.error instanceof ApiError ? errorMessage(link.error, t) : t.extension.failed}
            </span>
          )}
        </EmptyState>
      )}
    </div>
  );
}
