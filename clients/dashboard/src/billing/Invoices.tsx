import { useQuery } from "@tanstack/react-query";
import { shortDate } from "@trailmind/api";
import { Section } from "~/account/Section";
import { useLanguage, useMessages } from "~/i18n";
import { money } from "./money";
import { billingQuery, invoicesQuery } from "./queries";

export function Invoices() {
  const t = useMessages();
  const language = useLanguage();
  const billing = useQuery(billingQuery()).data;
  const invoices = useQuery({ ...invoicesQuery(), enabled: Boolean(billing?.has_customer) }).data;
  if (!billing?.has_customer || !invoices || invoices.length === 0) return null;
  return (
    <Section title={t.billing.invoices}>
      <div className="invoice-scroll" tabIndex={0} role="region" aria-label={t.billing.invoiceTable}>
        <table className="invoices tnum">
          <thead>
            <tr>
              <th>{t.billing.date}</th>
              <th>{t.billing.number}</th>
              <th>{t.billing.what}</th>
              <th className="amount">{t.billing.amount}</th>
              <th>{t.billing.state}</th>
              <th>
                <span className="sr">{t.billing.document}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {invoices.map((invoice) => (
              <tr key={invoice.id}>
                <td>{shortDate(new Date(invoice.created_at), new Date(), language)}</td>
                <td>{invoice.number ?? "–"}</td>
                <td>{t.billing.kinds[invoice.kind]}</td>
                <td className="amount">{money(invoice.amount_cents, invoice.currency, language)}</td>
                <td>
                  {t.billing.states[invoice.status]}
                  {invoice.status !== "refunded" && invoice.refunded_cents > 0
                    ? ` · ${t.billing.partRefunded(money(invoice.refunded_cents, invoice.currency, language))}`
                    : ""}
                </td>
                <td>
                  {(invoice.pdf_url ?? invoice.url) && (
                    <a href={invoice.pdf_url ?? invoice.url} target="_blank" rel="noreferrer">
                      {invoice.pdf_url ? "PDF" : t.billing.open}
                      <span className="sr"> {invoice.number}</span>
                    </a>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}
