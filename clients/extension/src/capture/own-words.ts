/** The words of one visit, where a document keeps the text of earlier visits: a list that grows at its end. */

/** The lines of the earlier text, so many of them, are still there if a page has grown. */
const MIN_KEPT_PART = 0.9;

export class OwnWords {
  private visitId: string | null = null;
  private lines = new Set<string>();
  private before = new Set<string>();

  /** `text` without what the visits before `visitId` showed, if the document only added to it. */
  of(visitId: string | null, text: string): string {
    const lines = new Set(text.split("\n"));
    if (visitId !== this.visitId) {
      const numKept = [...this.lines].filter((line) => lines.has(line)).length;
      const hasGrown = this.lines.size > 0 && lines.size > this.lines.size;
      this.before = hasGrown && numKept >= this.lines.size * MIN_KEPT_PART ? this.lines : new Set();
      this.visitId = visitId;
    }
    this.lines = lines;
    if (this.before.size === 0) return text;
    return text
      .split("\n")
      .filter((line) => !this.before.has(line))
      .join("\n")
      .trim();
  }
}

/** Shared by the scripts of the extension in one document: the recorder says which visit is being read. */
export interface ReadingState {
  trailmindVisitId?: string;
  trailmindOwnWords?: OwnWords;
}
