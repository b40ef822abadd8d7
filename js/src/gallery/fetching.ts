/**
 * Asks for what is looked at now: few requests in flight, and the next one is decided when one is over. What has scrolled away
 * meanwhile is never asked for.
 */
const MOST = 2; // requests in flight

export class Fetching {
  private flying = 0;

  /** next: what to do now, null when there is nothing. done: called when one is over. */
  constructor(private readonly next: () => (() => Promise<void>) | null, private readonly done: () => void) {}

  get busy() { return this.flying > 0; }

  pump() {
    while (this.flying < MOST) {
      const job = this.next();
      if (!job) return;
      this.flying++;
      void job().finally(() => {
        this.flying--;
        this.pump();
        this.done();
      });
    }
  }
}
