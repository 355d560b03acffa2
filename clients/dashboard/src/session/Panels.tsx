/** What is one click away from a session: left-out pages, scorecard, receipt, versions, sharing, drawing again. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { json } from "~/api/client";
import { type Mindmap, optionalQuery, type Session } from "~/api/queries";
import { sentence } from "~/ui/sentence";
import { useWords } from "~/i18n";
import { date, duration, type Language } from "~/i18n/format";
import type { MapModel } from "~/map/model";
import { SharePanel } from "~/share/SharePanel";
import { hostOf, safeHref, SiteMark } from "~/ui/basics";
import { Dialog, say } from "~/ui/overlays";
import { ErrorState, Skeletons } from "~/ui/states";
import type { Receipt } from "./features";
import { useGenerate } from "./MapPane";
import type { PanelName } from "./SessionPage";

interface Props {
  name: PanelName;
  session: Session;
  model: MapModel | null;
  mindmap: Mindmap | null;
  language: Language;
  onClose: () => void;
  onSelect: (id: string | null) => void;
}

export function Panels(props: Props) {
  const t = useWords();
  const titles = { "left-out": t.leftOut.title, score: t.score.title, receipt: t.receipt.title, versions: t.versions.title, share: t.share.title, regenerate: t.regenerate.title };
  if (!props.name) return null;
  const Body = { "left-out": LeftOutList, score: Score, receipt: ReceiptFacts, versions: Versions, share: SharePanel, regenerate: Regenerate }[props.name];
  return (
    <Dialog title={titles[props.name]} isOpen onClose={props.onClose}>
      <Body {...props} />
    </Dialog>
  );
}

function LeftOutList({ model, language }: Props) {
  const t = useWords();
  const pages = model?.document.left_out ?? [];
  return (
    <>
      <p className="muted">{t.leftOut.hint}</p>
      {pages.length === 0 ? (
        <p>{t.leftOut.none}</p>
      ) : (
        <ul className="panel-list">
          {pages.map((page) => {
            const href = safeHref(page.url);
            return (
              <li key={page.page_id}>
                <SiteMark host={hostOf(page.url)} />
                <span className="grow">
                  {href ? <a href={href} target="_blank" rel="noreferrer noopener">{page.title || hostOf(page.url)}</a> : page.title || page.page_id}
                  <span className="small muted"> · {hostOf(page.url)}</span>
                  <br />
                  <span className="small muted">{t.leftOut.reasons[page.reason] ?? page.sentence}</span>
                </span>
                {page.totalDuration > 0 && <span className="small muted tnum">{duration(page.totalDuration, language)}</span>}
              </li>
            );
          })}
        </ul>
      )}
    </>
  );
}

const SCORES = ["grounding", "coverage", "attention", "separation", "stability", "continuity"] as const;

function Score({ model }: Props) {
  const t = useWords();
  const score = model?.document.scorecard ?? {};
  return (
    <>
      <p className="muted">{t.score.hint}</p>
      <dl className="score">
        {SCORES.map((key) => {
          const value = score[key];
          return (
            <div key={key}>
              <dt className="strong">{t.score[key]}</dt>
              <dd className="tnum">{typeof value === "number" ? `${Math.round(value * 100)}%` : t.score.unknown}</dd>
              <dd className="small muted">{t.score[`${key}Hint`]}</dd>
              <dd className="meter" aria-hidden="true"><i style={{ width: `${(value ?? 0) * 100}%` }} /></dd>
            </div>
          );
        })}
      </dl>
    </>
  );
}

function ReceiptFacts({ session }: Props) {
  const t = useWords();
  const receipt = useQuery(optionalQuery<{ receipt: Receipt }>(["receipt", session.id], `/v1/sessions/${session.id}/receipt`));
  if (receipt.isPending) return <Skeletons rows={2} height={48} />;
  if (receipt.isError) return <ErrorState error={receipt.error} />;
  const facts = receipt.data?.receipt;
  if (!facts) return <p>{t.account.absent}</p>;
  const reasons = [...listOf(facts.excluded_by), ...listOf(facts.invalid_because)];
  return (
    <>
      <p className="muted">{t.receipt.hint}</p>
      <dl className="facts tnum">
        {(["seen", "stored", "duplicate", "excluded", "invalid"] as const).map((key) => (
          <div key={key}><dt className="muted small">{t.receipt[key]}</dt><dd>{String(facts[key] ?? 0)}</dd></div>
        ))}
        {typeof facts.missing === "number" && <div><dt className="muted small">{t.receipt.gaps}</dt><dd>{facts.missing}</dd></div>}
      </dl>
      {reasons.length > 0 && <ul className="panel-list">{reasons.map(({ reason, count }) => <li key={reason}><span className="grow">{reason}</span><span className="tnum">{count}</span></li>)}</ul>}
    </>
  );
}

function listOf(value: unknown): { reason: string; count: number }[] {
  return Array.isArray(value) ? (value as { reason: string; count: number }[]) : [];
}

interface Version {
  number: number;
  provider?: string;
  created_at: string;
  is_current?: boolean;
}
interface Change {
  kind: string;
  sentence: string;
  why?: string;
}

function Versions({ session, mindmap, language }: Props) {
  const t = useWords();
  const client = useQueryClient();
  const base = `/v1/sessions/${session.id}/mindmap/versions`;
  const versions = useQuery(optionalQuery<{ versions: Version[] }>(["versions", session.id], base));
  const compare = useMutation({ mutationFn: (number: number) => json<{ changes: Change[] }>("GET", `${base}/${number}/diff?to=${mindmap?.version ?? number}`), onError: (error) => say(sentence(error, t)) });
  const restore = useMutation({
    mutationFn: (number: number) => json("POST", `${base}/${number}/restore`),
    onSuccess: (_, number) => {
      void client.invalidateQueries({ queryKey: ["mindmap", session.id] });
      void client.invalidateQueries({ queryKey: ["versions", session.id] });
      say(t.versions.restored(number));
    },
    onError: (error) => say(sentence(error, t)),
  });
  if (versions.isPending) return <Skeletons rows={3} height={40} />;
  if (versions.isError) return <ErrorState error={versions.error} />;
  if (!versions.data) return <p>{t.account.absent}</p>;
  const list = versions.data.versions;
  return (
    <>
      {list.length <= 1 && <p className="muted">{t.versions.none}</p>}
      <ul className="panel-list">
        {list.map((each) => (
          <li key={each.number}>
            <span className="grow">
              <b>{t.versions.version(each.number)}</b> <span className="small muted">{each.provider} · {date(new Date(each.created_at), new Date(), language)}</span>
            </span>
            {each.number === mindmap?.version ? (
              <span className="badge">{t.versions.current}</span>
            ) : (
              <>
                <button type="button" className="button quiet" onClick={() => compare.mutate(each.number)}>{t.versions.compare}</button>
                <button type="button" className="button" disabled={restore.isPending} onClick={() => restore.mutate(each.number)}>{t.versions.restore}</button>
              </>
            )}
          </li>
        ))}
      </ul>
      {compare.data && (
        <ul className="stack tight" aria-live="polite">
          {compare.data.changes.length === 0 && <li className="muted">{t.versions.same}</li>}
          {compare.data.changes.map((change) => <li key={change.sentence}>{change.sentence} {change.why && <span className="muted">{change.why}</span>}</li>)}
        </ul>
      )}
    </>
  );
}

function Regenerate({ session, onClose }: Props) {
  const t = useWords();
  const generate = useGenerate(session.id);
  const quote = useQuery({ queryKey: ["quote", session.id], queryFn: () => json<{ quote: { provider: string; cost_micros: number; tokens: number } }>("POST", `/v1/sessions/${session.id}/mindmap/quote`), retry: false });
  const cost = quote.data?.quote;
  return (
    <>
      <p>{t.regenerate.body}</p>
      <p className="muted">{cost && cost.provider !== "local" ? t.regenerate.cost(`${cost.provider}, $${(cost.cost_micros / 1e6).toFixed(3)}, ${t.account.tokens(cost.tokens.toLocaleString())}`) : t.regenerate.free}</p>
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onClose}>{t.common.cancel}</button>
        <button type="button" className="button primary" disabled={generate.isPending} onClick={() => generate.mutate(true, { onSuccess: onClose })}>{t.regenerate.go}</button>
      </div>
    </>
  );
}
