/** Parts that several tabs of the operators' page share. */
import { type InfiniteData, type UseInfiniteQueryResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useId } from "react";
import { useMessages } from "~/i18n";
import { errorMessage } from "~/ui/error-message";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { useAdminWords } from "./words";

/** A table that scrolls sideways in its own frame. */
export function Table({ label, columns, children }: { label: string; columns: string[]; children: ReactNode }) {
  return (
    <div className="admin-scroll" tabIndex={0} role="region" aria-label={label}>
      <table className="admin-table tnum">
        <thead>
          <tr>
            {/* A header without words would be announced as one. */}
            {columns.map((column) => (column ? <th key={column}>{column}</th> : <td key="" />))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** The pages of a list with a button for the next one. */
export function Pages<T>(props: {
  query: UseInfiniteQueryResult<InfiniteData<T>>;
  count: (pages: T[]) => number;
  total?: (pages: T[]) => number;
  children: (pages: T[]) => ReactNode;
}) {
  const w = useAdminWords();
  const { query } = props;
  if (query.isPending) return <Skeletons rows={6} height={36} />;
  if (!query.data) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  const pages = query.data.pages;
  const count = props.count(pages);
  if (count === 0) return <p className="muted">{w.none}</p>;
  return (
    <>
      {props.children(pages)}
      <div className="row wrap admin-more">
        {props.total && <span className="small muted tnum">{w.more(count, props.total(pages))}</span>}
        {query.hasNextPage && (
          <button
            type="button"
            className="button"
            disabled={query.isFetchingNextPage}
            onClick={() => void query.fetchNextPage()}
          >
            {w.loadMore}
          </button>
        )}
      </div>
    </>
  );
}

/** An act of an operator: afterwards everything shown is read again. */
export function useAct<T>(act: (value: T) => Promise<unknown>, onDone?: () => void) {
  const client = useQueryClient();
  const t = useMessages();
  const w = useAdminWords();
  return useMutation({
    mutationFn: act,
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ["admin"] });
      toast(w.done);
      onDone?.();
    },
    onError: (error) => toast(errorMessage(error, t)),
  });
}

export function Choice<T extends string>(props: {
  label: string;
  value: T | undefined;
  none: string;
  options: readonly { value: T; label: string }[];
  onChange: (value: T | undefined) => void;
}) {
  return (
    <select
      className="input compact admin-choice"
      aria-label={props.label}
      value={props.value ?? ""}
      onChange={(event) => props.onChange(props.options.find(({ value }) => value === event.target.value)?.value)}
    >
      <option value="">{props.none}</option>
      {props.options.map(({ value, label }) => (
        <option key={value} value={value}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** The text field for the reason of an act; the acts of a form are possible once it has three characters. */
export function ReasonField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const w = useAdminWords();
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{w.reason}</label>
      <input
        id={id}
        className="input compact"
        maxLength={500}
        value={value}
        aria-describedby={`${id}-note`}
        onChange={(event) => onChange(event.target.value)}
      />
      <p id={`${id}-note`} className="field-hint">
        {w.reasonHint}
      </p>
    </div>
  );
}

export const isReason = (text: string) => text.trim().length >= 3;

/** A sentence in which what stands between backticks is code. */
export function WithCode({ text }: { text: string }) {
  return text.split("`").map((part, index) => (index % 2 === 1 ? <code key={part}>{part}</code> : part));
}
