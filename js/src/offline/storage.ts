/** Keeps the steps of a page in the browser, so that a reload loses nothing. */
import type { SavedStep } from "./page_data";

const DATABASE = "cdwidget";
const STEPS = "steps";

export class Storage {
  private constructor(
    private readonly database: IDBDatabase,
    private readonly page: string,
  ) {}

  /** Open the steps of a page; rejects if the browser keeps nothing, as in a private window. */
  static async open(page: string): Promise<Storage> {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(STEPS, { autoIncrement: true }).createIndex("page", "page");
    };
    return new Storage(await settled(request), page);
  }

  /** Return the steps of earlier visits, oldest first. */
  async steps(): Promise<SavedStep[]> {
    const records = await settled(this.database.transaction(STEPS).objectStore(STEPS).index("page").getAll(this.page));
    return records.map(({ step }) => step);
  }

  async add(step: SavedStep): Promise<void> {
    const transaction = this.database.transaction(STEPS, "readwrite");
    await settled(transaction.objectStore(STEPS).add({ page: this.page, step }));
  }
}

function settled<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
