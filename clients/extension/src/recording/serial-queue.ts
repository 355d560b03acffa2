/** Runs tasks one after the other, in the order in which they were added. A failed task does not stop the next one. */
export class SerialQueue {
  private tail: Promise<unknown> = Promise.resolve();

  /** The result of `task`, which starts when every earlier task has ended. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.tail.then(task);
    this.tail = result.catch(() => undefined);
    return result;
  }
}
