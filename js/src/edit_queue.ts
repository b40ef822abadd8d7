/**
 * Runs the edits of a user one after another. Each starts when the reply to the one before has arrived, so it sees the document that the
 * others have left: keys typed while the model works have the same effect as keys typed slowly.
 */
export class EditQueue {
  private readonly waiting: (() => Promise<void>)[] = [];
  private isRunning = false;
  private imageChanges = 0; // edits that show another image, running or waiting

  constructor(private readonly changed: () => void) {}

  get isBusy() {
    return this.isRunning;
  }
  get isChangingImage() {
    return this.imageChanges > 0;
  }

  /** Run an edit now or after those before it; the promise settles when it has ended. An error does not stop the edits after it. */
  add(edit: () => unknown, { changesImage = false } = {}): Promise<void> {
    if (changesImage) this.imageChanges++;
    return new Promise((resolve, reject) => {
      this.waiting.push(async () => {
        try {
          await edit();
          resolve();
        } catch (error) {
          reject(error);
        } finally {
          if (changesImage) this.imageChanges--;
        }
      });
      if (!this.isRunning) void this.run();
    });
  }

  private async run() {
    this.isRunning = true;
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) await next();
    this.isRunning = false;
    this.changed();
  }
}
