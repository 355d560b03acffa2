import { useQuery } from "@tanstack/react-query";
import { type PageTextReply, placeOf, type Span, shortDate } from "@trailmind/api";
import { ExternalLink } from "lucide-react";
import { useEffect, useMemo, useRef } from "react";
import { type MapOwner, pageTextQuery } from "~/api/queries";
import { useLanguage, useMessages } from "~/i18n";
import { hostOf, passageHref } from "~/ui/basics";
import { Dialog } from "~/ui/Dialog";
import { ErrorState, Skeletons } from "~/ui/states";
import { type MarkedLine, markedLines } from "./marked-lines";
import "./Reader.css";

/** The captured text of a page with its highlights in place, whatever has become of the page since. */
export default function Reader(props: { owner: MapOwner; pageId: string; quote: string | null; onClose: () => void }) {
  const t = useMessages();
  const language = useLanguage();
  const page = useQuery(pageTextQuery(props.owner, props.pageId));
  const href = page.data && passageHref(page.data.url, { quote: "" });
  return (
    <Dialog title={page.data?.title || t.reader.title} isOpen onClose={props.onClose} className="reader">
      {page.isPending ? (
        <Skeletons rows={6} height={24} />
      ) : page.isError ? (
        <ErrorState error={page.error} onRetry={() => void page.refetch()} />
      ) : (
        <>
          <p className="row wrap small muted">
            <span>{hostOf(page.data.url)}</span>
            {page.data.first_visited_at && (
              <span>{t.reader.captured(shortDate(new Date(page.data.first_visited_at), new Date(), language))}</span>
            )}
            {href && (
              <a href={href} target="_blank" rel="noreferrer noopener" className="row">
                <ExternalLink size={14} aria-hidden />
                {t.evidence.openPage}
              </a>
            )}
          </p>
          <PageText page={page.data} quote={props.quote} />
        </>
      )}
    </Dialog>
  );
}

function PageText({ page, quote }: { page: PageTextReply; quote: string | null }) {
  const t = useMessages();
  const box = useRef<HTMLElement>(null);
  const { lines, isQuoteFound, unplaced } = useMemo(() => {
    const spans: (Span & { kind: string })[] = [];
    const unplaced: PageTextReply["highlights"] = [];
    for (const each of page.highlights) {
      const place = placeOf(page.text, { quote: each.text, prefix: each.prefix, suffix: each.suffix });
      if (place) spans.push({ ...place, kind: "highlight" });
      else unplaced.push(each);
    }
    const place = quote ? placeOf(page.text, { quote }) : null;
    if (place) spans.push({ ...place, kind: "cited" });
    return { lines: markedLines(page.text, spans), isQuoteFound: place !== null, unplaced };
  }, [page, quote]);
  useEffect(() => {
    const mark = box.current?.querySelector("mark.cited") ?? box.current?.querySelector("mark");
    mark?.scrollIntoView({ block: "center" });
  }, []);
  return (
    // The reader scrolls by keyboard, too.
    <article
      ref={box}
      className="reader-text"
      lang={page.language ?? undefined}
      tabIndex={0}
      aria-label={t.reader.title}
    >
      {!page.text && <p className="muted">{t.reader.empty}</p>}
      {page.text && quote && !isQuoteFound && <p className="notice">{t.reader.notFound}</p>}
      {unplaced.length > 0 && (
        <section>
          <h3>{t.reader.unplaced}</h3>
          {unplaced.map((each) => (
            <blockquote key={each.id} className="quote" dir="auto">
              {each.text}
            </blockquote>
          ))}
        </section>
      )}
      {lines.map((line, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines never change
        <Line key={i} line={line} />
      ))}
      {page.is_truncated && <p className="muted small">{t.reader.truncated}</p>}
    </article>
  );
}

function Line({ line }: { line: MarkedLine }) {
  return (
    <p>
      {line.map(({ text, kind }, i) =>
        kind ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a line never change
          <mark key={i} className={kind}>
            {text}
          </mark>
        ) : (
          text
        ),
      )}
    </p>
  );
}
