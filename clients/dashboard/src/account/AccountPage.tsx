import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { unwrap } from "@trailmind/api";
import { useState, useSyncExternalStore } from "react";
import { api, download } from "~/api/client";
import { currentLogin, endLogin, markSignedOut, onLogin } from "~/api/login";
import { serverQuery } from "~/api/queries";
import { useSendsMail } from "~/api/sends-mail";
import { CheckoutReturn } from "~/billing/CheckoutReturn";
import { Invoices } from "~/billing/Invoices";
import { PlanSection } from "~/billing/PlanSection";
import { usageQuery } from "~/billing/queries";
import { TokenPacks } from "~/billing/TokenPacks";
import { useMessages } from "~/i18n";
import { forgetStoredEdits } from "~/session/stored-edits";
import { errorMessage } from "~/ui/error-message";
import { toast } from "~/ui/toast";
import { ApiKeys } from "./ApiKeys";
import { ChangePassword } from "./ChangePassword";
import { DeleteAccount } from "./DeleteAccount";
import { DeletionReceipts } from "./DeletionReceipts";
import { Logins } from "./Logins";
import { Section } from "./Section";
import { Settings } from "./Settings";
import { Usage } from "./Usage";
import "./AccountPage.css";

export function AccountPage() {
  const t = useMessages();
  const navigate = useNavigate();
  const client = useQueryClient();
  const login = useSyncExternalStore(onLogin, currentLogin);
  const { checkout } = useSearch({ from: "/frame/account" });
  const usage = useQuery(usageQuery());
  const server = useQuery(serverQuery());
  const sendsMail = useSendsMail();
  const [isLeaving, setLeaving] = useState(false);
  if (login.state !== "in") return null;
  const { account } = login;
  const signOut = async () => {
    setLeaving(true);
    // The login ends here even when the request fails; on the server it then expires.
    await unwrap(api.POST("/v1/auth/logout")).catch(() => undefined);
    markSignedOut();
    forgetStoredEdits();
    endLogin(false);
    client.clear();
    await navigate({ to: "/login" });
  };
  return (
    <div className="page">
      <title>{`${t.account.title} · ${t.brand}`}</title>
      <div className="page-head">
        <div className="grow">
          <h1>{t.account.title}</h1>
          <p className="muted">{account.email}</p>
        </div>
        <button type="button" className="button" disabled={isLeaving} onClick={() => void signOut()}>
          {t.auth.signOut}
        </button>
      </div>
      {account.isVerified === false && sendsMail && (
        <p className="notice amber unverified">
          <span className="grow">{t.account.unverified}</span>
          <button
            type="button"
            className="button"
            onClick={() =>
              unwrap(api.POST("/v1/auth/send-verification")).then(
                () => toast(t.mail.sends.verifySent),
                (error: unknown) => toast(errorMessage(error, t)),
              )
            }
          >
            {t.mail.sends.verifyAgain}
          </button>
        </p>
      )}
      {checkout && <CheckoutReturn id={checkout} />}
      <PlanSection />
      {usage.data !== null && <Usage query={usage} />}
      <TokenPacks />
      <Invoices />
      <Settings />
      <ChangePassword key={String(account.hasPassword)} hasPassword={account.hasPassword !== false} />
      <ApiKeys />
      <Logins />
      <Section title={t.account.disclosures} id="disclosures">
        <p className="muted">{t.account.disclosureBody}</p>
        <p className="muted">
          {server.data
            ? server.data.model_vendors.length > 0
              ? t.account.disclosureVendors(server.data.model_vendors.join(", "))
              : t.account.disclosureNone
            : ""}
        </p>
      </Section>
      <DeletionReceipts />
      <Section title={t.account.data}>
        <div className="stack">
          <div className="row wrap">
            <p className="grow muted">{t.account.exportHint}</p>
            <button
              type="button"
              className="button"
              onClick={() =>
                void download("/v1/users/me/export", "trailmind.zip").catch((error: unknown) =>
                  toast(errorMessage(error, t)),
                )
              }
            >
              {t.account.export}
            </button>
          </div>
          <DeleteAccount email={account.email} hasPassword={account.hasPassword !== false} />
        </div>
      </Section>
    </div>
  );
}
