/** Keeps the steps of a page in the browser, so that a reload loses nothing. */
import type { SavedStep } from "./page_data";

const DATABASE = "cdwidget";
const STEPS = "steps";
const OTHER_TAB_TEXT = "another tab with this page has newer labels, which a reload shows";

export class Storage {
  private added: Promise<void> = Promise.resolve(); // settles when all steps so far are on the disk; rejects if one is not

  private constructor(
    private readonly database: IDBDatabase,
    private readonly page: string,
    readonly steps: readonly SavedStep[], // of earlier visits, oldest first
    private newest: IDBValidKey | undefined, // key of the newest step that this tab knows
  ) {}

  /** Open the steps of a page; rejects if the browser keeps nothing, as in a private window. */
  static async open(page: string): Promise<Storage> {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STEPS, { autoIncrement: true }).createIndex("page", "page");
    };
    const database = await settled(request);
    const index = database.transaction(STEPS).objectStore(STEPS).index("page");
    const [records, keys] = await Promise.all([settled(index.getAll(page)), settled(index.getAllKeys(page))]);
    const steps = records.map(({ step }) => step);
    return new Storage(database, page, steps, keys.at(-1));
  }

  /**
   * Keep a step after all others. Once one is lost, or another tab has added one, it rejects: later steps change objects that the
   * browser does not have.
   */
  add(step: SavedStep): Promise<void> {
    this.added = this.added.then(() => this.write(step));
    return this.added;
  }

  private async write(step: SavedStep) {
    const transaction = this.database.transaction(STEPS, "readwrite");
    const store = transaction.objectStore(STEPS);
    const cursor = await settled(store.index("page").openKeyCursor(this.page, "prev"));
    if (cursor?.primaryKey !== this.newest) throw new Error(OTHER_TAB_TEXT);
    const written = settled(store.add({ page: this.page, step }));
    [this.newest] = await Promise.all([written, committed(transaction)]);
  }
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A full disk may only show when the transaction ends. */
function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("the browser did not store a step"));
  });
}
