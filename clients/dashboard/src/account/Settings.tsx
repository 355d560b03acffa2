import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SettingsReply, toApiError, unwrap } from "@trailmind/api";
import { useId, useState } from "react";
import { api } from "~/api/client";
import { serverQuery, settingsQuery } from "~/api/queries";
import { storeReply } from "~/api/refresh";
import { useSendsMail } from "~/api/sends-mail";
import { setLanguage, useLanguage, useMessages } from "~/i18n";
import { setTheme, useTheme } from "~/theme";
import { Segmented } from "~/ui/basics";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { Section } from "./Section";
import "./Settings.css";

type Change = Partial<Omit<SettingsReply, "is_language_chosen">>;
const SAVING = ["save-settings"];

/** Settings stored with the account, the same on every device. Language and theme also work without the server. */
export function Settings() {
  const t = useMessages();
  const language = useLanguage();
  const theme = useTheme();
  const client = useQueryClient();
  const stored = useQuery(settingsQuery());
  const server = useQuery(serverQuery());
  const settings = stored.data?.settings;
  const sendsMail = useSendsMail();
  const { queryKey } = settingsQuery();
  const show = (part: Change) =>
    client.setQueryData(queryKey, (old) => old && { ...old, settings: { ...old.settings, ...part } });
  const save = useMutation({
    mutationKey: SAVING,
    // One after the other: of two changes of one setting, the later one counts.
    scope: { id: "settings" },
    mutationFn: (change: Change) => unwrap(api.PATCH("/v1/users/me/settings", { body: change })),
    // A list is saved with a button and may be refused: until then its field keeps what was typed.
    onMutate: async ({ excluded_domains, allowed_domains, ...part }) => {
      await client.cancelQueries({ queryKey });
      const before = Object.entries(client.getQueryData(queryKey)?.settings ?? {});
      show(part);
      return Object.fromEntries(before.filter(([name]) => name in part));
    },
    onSuccess: (reply) => {
      // While another change is on its way, the answer does not have it.
      if (client.isMutating({ mutationKey: SAVING }) === 1) storeReply(client, queryKey, reply);
      toast(t.account.saved);
    },
    onError: (error, part, before) => {
      if (before) show(before);
      const hasDomains = part.excluded_domains !== undefined || part.allowed_domains !== undefined;
      const isDomain = hasDomains && toApiError(error).code === "VALIDATION_ERROR";
      toast(isDomain ? t.account.excludedBad : errorMessage(error, t));
    },
  });
  const change = (part: Change) => {
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
            {server.data?.uses_models && (
              <ModelChoices settings={settings} vendors={server.data.model_vendors} change={change} />
            )}
            {sendsMail && (
              <Switch
                label={t.mail.sends.notices}
                hint={t.mail.sends.noticesHint}
                isOn={settings.email_notifications}
                onChange={(email_notifications) => change({ email_notifications })}
              />
            )}
            <Switch
              label={t.account.datasets}
              hint={t.account.datasetsHint}
              isOn={settings.allows_datasets}
              onChange={(allows_datasets) => change({ allows_datasets })}
            />
            <DomainList
              label={t.account.excluded}
              hint={t.account.excludedHint}
              domains={settings.excluded_domains}
              isSaving={save.isPending}
              onSave={(excluded_domains) => change({ excluded_domains })}
            />
            <DomainList
              label={t.account.allowed}
              hint={t.account.allowedHint}
              domains={settings.allowed_domains}
              isSaving={save.isPending}
              onSave={(allowed_domains) => change({ allowed_domains })}
            />
          </>
        )}
      </div>
    </Section>
  );
}

/** A setting that is on or off, saved when it changes. */
function Switch(props: { label: string; hint: string; isOn: boolean; onChange: (isOn: boolean) => void }) {
  return (
    <label className="row wrap">
      <span className="grow">
        <span className="label">{props.label}</span>
        <br />
        <span className="small muted">{props.hint}</span>
      </span>
      <input type="checkbox" checked={props.isOn} onChange={(e) => props.onChange(e.target.checked)} />
    </label>
  );
}

/** A list of domains, one per line. */
function DomainList(props: {
  label: string;
  hint: string;
  domains: readonly string[];
  isSaving: boolean;
  onSave: (domains: string[]) => void;
}) {
  const t = useMessages();
  const id = useId();
  // A draft belongs to the list it started from; a changed list from the server discards it.
  const [draft, setDraft] = useState<{ of: readonly string[]; text: string } | null>(null);
  const text = draft && draft.of === props.domains ? draft.text : null;
  return (
    <form
      className="field"
      onSubmit={(e) => {
        e.preventDefault();
        const entries = (text ?? "").split(/[\s,]+/).map((each) => each.trim());
        props.onSave(entries.filter(Boolean));
      }}
    >
      <label htmlFor={id}>{props.label}</label>
      <textarea
        id={id}
        className="input"
        aria-describedby={`${id}-note`}
        value={text ?? props.domains.join("\n")}
        onChange={(e) => setDraft({ of: props.domains, text: e.target.value })}
      />
      <p id={`${id}-note`} className="field-hint">
        {props.hint}
      </p>
      {text !== null && (
        <button type="submit" className="button" disabled={props.isSaving}>
          {t.common.save}
        </button>
      )}
    </form>
  );
}

/** What may be sent to AI vendors, and what happens when the plan's tokens are used up. */
function ModelChoices({
  settings,
  vendors,
  change,
}: {
  settings: SettingsReply;
  vendors: string[];
  change: (part: Change) => void;
}) {
  const t = useMessages();
  const named = vendors.join(", ");
  return (
    <>
      <label className="row wrap">
        <span className="grow">
          <span className="label">{t.account.modelUse}</span>
          <br />
          <span className="small muted">
            {vendors.length > 0 ? t.account.modelUseHint(named) : t.account.modelUseOwn}
          </span>
        </span>
        <select
          className="input compact"
          // Without vendors "vendor" means no more than "ask": an operator may add a vendor later.
          value={vendors.length === 0 && settings.model_use === "vendor" ? "ask" : settings.model_use}
          onChange={(e) => change({ model_use: e.target.value as SettingsReply["model_use"] })}
        >
          <option value="ask">{vendors.length > 0 ? t.account.modelUses.ask : t.account.modelUses.own}</option>
          {vendors.length > 0 && <option value="vendor">{t.account.modelUses.vendor(named)}</option>}
          <option value="local">{t.account.modelUses.local}</option>
        </select>
      </label>
      <label className="row wrap">
        <span className="grow label">{t.account.outOfTokens}</span>
        <select
          className="input compact"
          value={settings.when_out_of_tokens}
          onChange={(e) => change({ when_out_of_tokens: e.target.value as SettingsReply["when_out_of_tokens"] })}
        >
          <option value="local">{t.account.outOfTokensLocal}</option>
          <option value="refuse">{t.account.outOfTokensRefuse}</option>
        </select>
      </label>
    </>
  );
}
