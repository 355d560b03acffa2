/**
 * The edits of one session's map on their way to the server. They are shown at once and sent one after the other, each
 * with the length of the edit log that it is based on. A refused edit, and those made after it, are undone.
 */
import type { EditsReply, MindmapReply, OperationBody } from "@trailmind/api";
import { applyOperation } from "./apply-operation";

export interface EditServer {
  /** The map as the server last reported it; null before it is loaded. */
  current: () => MindmapReply | null;
  send: (operation: OperationBody, expectedSeq: number | undefined) => Promise<EditsReply>;
  /** Loads the current map again. */
  reload: () => void;
  /** Stores the reply as the current map. */
  onSaved: (reply: EditsReply, operation: OperationBody) => void;
  /** `lost` are the edit that failed and those made after it. */
  onFailed: (error: unknown, lost: readonly OperationBody[]) => void;
}

const seqOf = (map: MindmapReply | null) => map?.edits?.seq;

export class EditQueue {
  private pending: readonly OperationBody[] = [];
  private isSending = false;
  /** Documents before the edits of this page, for an undo that is visible at once. They belong to `historySeq`. */
  private undoable: unknown[] = [];
  private redoable: unknown[] = [];
  private historySeq: number | undefined;
  /** The map's version and the length of its edit log, as the event stream last reported them. */
  latest: { version: number; seq: number } | null = null;
  private readonly listeners = new Set<() => void>();

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

  run(...operations: OperationBody[]): void {
    this.setPending([...this.pending, ...operations]);
    void this.sendNext();
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
    for (const listener of this.listeners) listener();
  }

  private async sendNext(): Promise<void> {
    const operation = this.pending[0];
    if (this.isSending || !operation) return;
    this.isSending = true;
    const before = this.server.current();
    try {
      const reply = await this.server.send(operation, seqOf(before));
      if (seqOf(before) !== this.historySeq) this.undoable = this.redoable = [];
      const isApplied = reply.reports.every((report) => report.status !== "not_applied");
      if (isApplied && before?.data) this.remember(before.data, operation);
      this.historySeq = seqOf(reply.mindmap);
      this.server.onSaved(reply, operation);
      this.setPending(this.pending.slice(1));
    } catch (error) {
      const lost = this.pending;
      this.setPending([]);
      this.server.onFailed(error, lost);
    } finally {
      this.isSending = false;
    }
    this.reloadIfOutdated();
    void this.sendNext();
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
