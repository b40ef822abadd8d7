import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { SavedStep } from "./page_data";
import { Storage } from "./storage";

/** The part of IndexedDB that `Storage` uses; one store, whose transactions end at once. */
class FakeDatabase {
  readonly records = new Map<number, { page: string; step: SavedStep }>();
  isFull = false;

  transaction() {
    const transaction = { objectStore: () => this.store(transaction), error: null as Error | null } as unknown as Fake;
    return transaction;
  }

  private store(transaction: Fake) {
    const found = (page: string) => [...this.records].filter(([, record]) => record.page === page);
    return {
      index: () => ({
        getAll: (page: string) => replyWith(found(page).map(([, record]) => record)),
        getAllKeys: (page: string) => replyWith(found(page).map(([key]) => key)),
        openKeyCursor: (page: string) => {
          const [key] = found(page).at(-1) ?? [];
          return replyWith(key === undefined ? null : { primaryKey: key });
        },
      }),
      add: (record: { page: string; step: SavedStep }) => {
        const key = this.records.size + 1;
        if (this.isFull) transaction.error = new Error("the disk is full");
        else this.records.set(key, record);
        setTimeout(() => (this.isFull ? transaction.onabort() : transaction.oncomplete()));
        return replyWith(key); // succeeds also if the transaction is aborted later
      },
    };
  }
}

interface Fake {
  error: Error | null;
  oncomplete(): void;
  onabort(): void;
}

function replyWith(result: unknown) {
  const request = { result, onsuccess: () => {} };
  queueMicrotask(() => request.onsuccess());
  return request;
}

const step = (image: number): SavedStep => ({ image, kind: "submit" });
let database: FakeDatabase;

beforeEach(() => {
  database = new FakeDatabase();
  vi.stubGlobal("indexedDB", { open: () => replyWith(database) });
});
afterEach(() => vi.unstubAllGlobals());

test("steps are kept in order, apart from those of other pages", async () => {
  const [page, other] = [await Storage.open("a"), await Storage.open("b")];
  await Promise.all([page.add(step(1)), other.add(step(9)), page.add(step(2))]);
  expect((await Storage.open("a")).steps).toEqual([step(1), step(2)]);
});

test("after a step that a full disk has lost, no later one is kept", async () => {
  const page = await Storage.open("a");
  await page.add(step(1));
  database.isFull = true;
  await expect(page.add(step(2))).rejects.toThrow("full");
  database.isFull = false;
  await expect(page.add(step(3))).rejects.toThrow("full");
  expect((await Storage.open("a")).steps).toEqual([step(1)]);
});

test("a tab does not add to steps of another tab that it has not seen", async () => {
  const [first, second] = [await Storage.open("a"), await Storage.open("a")];
  await first.add(step(1));
  await expect(second.add(step(2))).rejects.toThrow("another tab");
  await first.add(step(3));
  expect((await Storage.open("a")).steps).toEqual([step(1), step(3)]);
});
