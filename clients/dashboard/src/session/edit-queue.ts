/**
 * The edits of one session's map on their way to the server. They are shown at once and sent one after the other, each
 * with the length of the edit log that it is based on. A refused edit, and those made after it, are undone; an edit that did not
 * reach the server is sent again until it does.
 */
import type { EditsReply, MindmapReply, OperationBody } from "@trailmind/api";
import { applyOperation, temporaryId, withIds } from "./apply-operation";
import type { StoredEdits } from "./stored-edits";

export interface EditServer {
  /** The map as the server last reported it; null before it is loaded. */
  current: () => MindmapReply | null;
  /** `version` is the map's version that the operation is based on. */
  send: (operation: OperationBody, expectedSeq: number | undefined, version: number | undefined) => Promise<EditsReply>;
  /** Whether the server could not be asked, so that the edit is sent again instead of undone. */
  isTemporary: (error: unknown) => boolean;
  /** Keeps the edits that are not saved yet beyond the life of the page. */
  keep: (edits: StoredEdits) => void;
  /** Loads the current map again. */
  reload: () => void;
  /** Stores the reply as the current map. */
  onSaved: (reply: EditsReply, operation: OperationBody) => void;
  /** `lost` are the edit that failed and those made after it. */
  onFailed: (error: unknown, lost: readonly OperationBody[]) => void;
  /** The edits wait for the server; called once for each time that it does not answer. */
  onWaiting: (num: number) => void;
  /** The edits that an earlier page left behind are saved. */
  onResumed: (num: number) => void;
}

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

const seqOf = (map: MindmapReply | null) => map?.edits?.seq;

export class EditQueue {
  private pending: readonly OperationBody[] = [];
  private isSending = false;
  /** Documents before the edits of this page, for an undo that is visible at once. They belong to `historySeq`. */
  private undoable: unknown[] = [];
  private redoable: unknown[] = [];
  private historySeq: number | undefined;
  /** The ids of created nodes, by those that they had before the server answered. */
  private readonly created = new Map<string, string>();
  /** The map's version and the length of its edit log, as the event stream last reported them. */
  latest: { version: number; seq: number } | null = null;
  private readonly listeners = new Set<() => void>();
  /** What the first edit is based on, when an earlier page made it. */
  private resumedBase: { seq: number | undefined; version: number | undefined } | null = null;
  private numResumed = 0;
  private numFailures = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;

  /** The server, and what the page does with its answers. A page that is opened again replaces them. */
  server: EditServer;

  constructor(server: EditServer) {
    this.server = server;
  }

  /** The edits that are not saved yet. Another array after every change. */
  readonly snapshot = (): readonly OperationBody[] => this.pending;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The id of a node, also of one that was shown before the server had created it. */
  idOf(id: string): string {
    return this.created.get(id) ?? id;
  }

  run(...operations: OperationBody[]): void {
    this.setPending([...this.pending, ...operations.map((each) => withIds(each, this.created))]);
    void this.sendNext();
  }

  /** Sends edits that an earlier page left behind. */
  resume({ operations, seq, version }: StoredEdits): void {
    const now = seqOf(this.server.current());
    // A step of an earlier version has no id by which the server recognizes it. When the log has grown, it had arrived.
    const isSaved = operations[0]?.op_id === undefined && seq !== undefined && now !== undefined && now > seq;
    const rest = isSaved ? operations.slice(1) : operations;
    if (rest.length === 0) return;
    this.resumedBase = isSaved ? null : { seq, version };
    this.numResumed += rest.length;
    this.setPending([...rest, ...this.pending]);
    void this.sendNext();
  }

  /** Whether the last attempt to send did not reach the server. */
  get isWaiting(): boolean {
    return this.numFailures > 0;
  }

  /** Tries again now instead of after the pause. */
  retryNow(): void {
    if (this.isWaiting) void this.sendNext();
  }

  /** `document` after the edits that are not saved yet. */
  preview(document: unknown): unknown {
    if (this.pending.length === 0) return document;
    const isKnown = this.historySeq !== undefined && this.historySeq === seqOf(this.server.current());
    const undoable = isKnown ? [...this.undoable] : [];
    const redoable = isKnown ? [...this.redoable] : [];
    let shown = document;
    for (const operation of this.pending) shown = this.after(shown, operation, undoable, redoable);
    return shown;
  }

  private after(document: unknown, operation: OperationBody, undoable: unknown[], redoable: unknown[]): unknown {
    if (operation.op === "undo" || operation.op === "redo") {
      const [from, to] = operation.op === "undo" ? [undoable, redoable] : [redoable, undoable];
      // An edit of another page or tab is undone by the server only.
      if (from.length === 0) return document;
      to.push(document);
      return from.pop();
    }
    undoable.push(document);
    redoable.length = 0;
    return applyOperation(document, operation);
  }

  /** Loads the map again when it is older than the stream says. Own edits are answered by their replies. */
  reloadIfOutdated(): void {
    const map = this.server.current();
    if (!this.latest || !map?.edits || this.pending.length > 0) return;
    const { version, seq } = this.latest;
    const known = map.version ?? 0;
    if (version > known || (version === known && seq > map.edits.seq)) this.server.reload();
  }

  private setPending(pending: readonly OperationBody[]): void {
    this.pending = pending;
    const map = this.server.current();
    const base = this.resumedBase ?? { seq: seqOf(map), version: map?.version };
    this.server.keep({ operations: [...pending], ...base });
    for (const listener of this.listeners) listener();
  }

  private async sendNext(): Promise<void> {
    const operation = this.pending[0];
    if (this.isSending || !operation) return;
    clearTimeout(this.retryTimer);
    this.isSending = true;
    const before = this.server.current();
    const base = this.resumedBase ?? { seq: seqOf(before), version: before?.version };
    try {
      const reply = await this.server.send(operation, base.seq, base.version);
      this.numFailures = 0;
      this.resumedBase = null;
      if (seqOf(before) !== this.historySeq) this.undoable = this.redoable = [];
      const isApplied = reply.reports.every((report) => report.status !== "not_applied");
      if (isApplied && before?.data) this.remember(before.data, operation);
      this.historySeq = seqOf(reply.mindmap);
      for (const { op_id, op, node_id } of reply.reports)
        if (node_id && (op === "add_node" || op === "split")) this.created.set(temporaryId(op_id), node_id);
      this.server.onSaved(reply, operation);
      this.setPending(this.pending.slice(1).map((each) => withIds(each, this.created)));
      if (this.pending.length === 0 && this.numResumed > 0) {
        this.server.onResumed(this.numResumed);
        this.numResumed = 0;
      }
    } catch (error) {
      if (this.server.isTemporary(error)) return this.retryLater();
      this.numFailures = this.numResumed = 0;
      this.resumedBase = null;
      const lost = this.pending;
      this.setPending([]);
      this.server.onFailed(error, lost);
    } finally {
      this.isSending = false;
    }
    this.reloadIfOutdated();
    void this.sendNext();
  }

  private retryLater(): void {
    this.numFailures += 1;
    if (this.numFailures === 1) this.server.onWaiting(this.pending.length);
    // Another array, so that the page shows that the edits wait.
    this.setPending([...this.pending]);
    const pauseMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.numFailures - 1));
    this.retryTimer = setTimeout(() => void this.sendNext(), pauseMs);
  }

  private remember(document: unknown, operation: OperationBody): void {
    if (operation.op === "undo") {
      this.undoable.pop();
      this.redoable.push(document);
    } else if (operation.op === "redo") {
      this.redoable.pop();
      this.undoable.push(document);
    } else {
      this.undoable.push(document);
      this.redoable = [];
    }
  }
}
