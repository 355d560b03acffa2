import { Switch } from "@base-ui/react/switch";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SettingsPatch, toApiError, unwrap } from "@trailmind/api";
import { useId, useState } from "react";
import { api } from "~/api/client";
import { optionalQuery } from "~/api/queries";
import { setLanguage, useLanguage, useMessages } from "~/i18n";
import { setTheme, useTheme } from "~/theme";
import { Segmented } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { Section } from "./Section";
import "./Settings.css";

const KEY = ["settings"];

/** Settings stored with the account, the same on every device. Language and theme also work without the server. */
export function Settings() {
  const t = useMessages();
  const language = useLanguage();
  const theme = useTheme();
  const client = useQueryClient();
  const domainsId = useId();
  const noticesId = useId();
  const stored = useQuery(optionalQuery(KEY, () => unwrap(api.GET("/v1/users/me/settings"))));
  const settings = stored.data?.settings;
  // A draft belongs to the list it started from; a changed list from the server discards it.
  const [draft, setDraft] = useState<{ of: readonly string[]; text: string } | null>(null);
  const domains = draft && draft.of === settings?.excluded_domains ? draft.text : null;
  const save = useMutation({
    mutationFn: (change: SettingsPatch) => unwrap(api.PATCH("/v1/users/me/settings", { body: change })),
    onSuccess: (reply) => {
      client.setQueryData(KEY, reply);
      toast(t.account.saved);
    },
    onError: (error) => {
      const problem = toApiError(error);
      toast(problem.kind === "bad_request" && problem.isFromServer ? problem.message : errorMessage(error, t));
    },
  });
  const change = (part: SettingsPatch) => {
    if (part.language) void setLanguage(part.language);
    if (part.theme) setTheme(part.theme);
    if (settings) save.mutate(part);
  };
  return (
    <Section title={t.account.settings}>
      <div className="stack">
        <div className="row wrap">
          <span className="label grow">{t.account.language}</span>
          <Segmented
            label={t.account.language}
            value={language}
            onChange={(value) => change({ language: value })}
            options={[
              { value: "ko", label: "한국어" },
              { value: "en", label: "English" },
            ]}
          />
        </div>
        <div className="row wrap">
          <span className="label grow">{t.account.theme}</span>
          <Segmented
            label={t.account.theme}
            value={theme}
            onChange={(value) => change({ theme: value })}
            options={[
              { value: "light", label: t.account.light },
              { value: "dark", label: t.account.dark },
              { value: "system", label: t.account.system },
            ]}
          />
        </div>
        {settings && (
          <>
            <div className="row">
              <span className="grow" id={noticesId}>
                <span className="label">{t.account.notices}</span>
                <br />
                <span className="small muted">{t.account.noticesHint}</span>
              </span>
              <Switch.Root
                className="switch"
                aria-labelledby={noticesId}
                checked={settings.email_notifications}
                onCheckedChange={(isOn) => change({ email_notifications: isOn })}
              >
                <Switch.Thumb className="switch-thumb" />
              </Switch.Root>
            </div>
            <form
              className="field"
              onSubmit={(e) => {
                e.preventDefault();
                change({
                  excluded_domains: (domains ?? "")
                    .split(/[\s,]+/)
                    .map((each) => each.trim())
                    .filter(Boolean),
                });
              }}
            >
              <label htmlFor={domainsId}>{t.account.excluded}</label>
              <textarea
                id={domainsId}
                className="input"
                aria-describedby={`${domainsId}-note`}
                value={domains ?? settings.excluded_domains.join("\n")}
                onChange={(e) => setDraft({ of: settings.excluded_domains, text: e.target.value })}
              />
              <p id={`${domainsId}-note`} className="field-hint">
                {t.account.excludedHint}
              </p>
              {domains !== null && (
                <button type="submit" className="button" disabled={save.isPending}>
                  {t.common.save}
                </button>
              )}
            </form>
          </>
        )}
      </div>
    </Section>
  );
}
