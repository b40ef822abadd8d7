import { expect, test } from "vitest";
import { PROBLEMS_PER_PAGE, type Problem, ProblemList } from "./problems";

const problem = (number: number): Problem => ({
  file: "/data/labels.json",
  image: `${number}.jpg`,
  annotation: "",
  message: "it is damaged",
  advice: "",
});

/** The list in Python, as the requests of the page see it. */
class FakeQueue {
  stored: Problem[] = [];
  isLost = false;
  async run<Result>(op: string, fields: Record<string, unknown> = {}) {
    if (this.isLost) return null;
    const { start, stop, problems } = fields as { start: number; stop: number; problems: Problem[] | null };
    if (op === "problems") return { result: { problems: this.stored.slice(start, stop) } as Result, buffers: [] };
    this.stored = problems ? this.stored.filter((one) => one.image !== problems[0].image) : [];
    return { result: {} as Result, buffers: [] };
  }
}

test("problems are loaded by the page, and dismissed one by one or together", async () => {
  const queue = new FakeQueue();
  queue.stored = Array.from({ length: PROBLEMS_PER_PAGE + 5 }, (_, number) => problem(number));
  const list = new ProblemList(queue);
  await list.loadMore();
  expect(list.listed).toHaveLength(PROBLEMS_PER_PAGE);
  await list.dismiss(problem(3));
  expect(list.listed.map(({ image }) => image)).not.toContain("3.jpg");
  expect(queue.stored).toHaveLength(PROBLEMS_PER_PAGE + 4);
  await list.loadMore();
  expect(list.listed).toEqual(queue.stored);
  await list.dismiss(null);
  expect([list.listed, queue.stored]).toEqual([[], []]);
});

test("a problem that could not be dismissed stays", async () => {
  const queue = new FakeQueue();
  queue.stored = [problem(1)];
  const list = new ProblemList(queue);
  await list.loadMore();
  queue.isLost = true;
  await list.dismiss(problem(1));
  await list.loadMore();
  expect(list.listed).toEqual([problem(1)]);
});
