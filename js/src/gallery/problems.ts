/** The panel of problems: entries of imported data sets that were left out, or not read as they are. */
import { h, setText } from "../dom";
import { popover } from "../ui/controls";
import type { Part } from "../ui/host";
import type { QueueHost } from "./host";
import type { Queue } from "./queue";

export const PROBLEMS_PER_PAGE = 100;

/** A `ReadProblem` of Python: the entry, its fault and the remedy. */
export interface Problem {
  file: string;
  image: string;
  annotation: string;
  message: string;
  advice: string;
}

/** The first problems of the list in Python, as many as were loaded. */
export class ProblemList {
  listed: Problem[] = [];

  constructor(private readonly queue: Pick<Queue, "run">) {}

  /** Load the next page. */
  async loadMore() {
    const start = this.listed.length;
    const reply = await this.queue.run<{ problems: Problem[] }>("problems", { start, stop: start + PROBLEMS_PER_PAGE });
    if (reply && this.listed.length === start) this.listed = [...this.listed, ...reply.result.problems];
  }

  /** Delete one problem, or all of them, in Python too. */
  async dismiss(problem: Problem | null) {
    const reply = await this.queue.run("dismiss_problems", { problems: problem && [problem] });
    if (reply)
      this.listed = problem ? this.listed.filter((one) => JSON.stringify(one) !== JSON.stringify(problem)) : [];
  }
}

export function problemsPanel({ queue }: QueueHost): Part {
  const list = new ProblemList(queue);
  const text = h("span");
  const rows = h("ul", { class: "cdw-problems" });
  const showing = (done: Promise<void>) => void done.then(showRows);
  const more = h(
    "button",
    { type: "button", class: "cdw-button", onclick: () => showing(list.loadMore()) },
    "Show more",
  );
  const dismissAll = h(
    "button",
    { type: "button", class: "cdw-button", onclick: () => showing(list.dismiss(null)) },
    "Dismiss all",
  );
  const buttons = h("div", { class: "cdw-problem-buttons" }, more, dismissAll);
  const content = h("div", { class: "cdw-several" }, rows, buttons);
  const panel = popover("Entries that could not be imported", text, { element: content, refresh: () => {} });
  const onToggle = (event: Event) => {
    if ((event as ToggleEvent).newState !== "open") return;
    list.listed = [];
    showing(list.loadMore());
  };
  panel.element.addEventListener("beforetoggle", onToggle, true);

  function showRows() {
    rows.replaceChildren(...list.listed.map(createRow));
    refresh();
  }

  function createRow(problem: Problem) {
    const { file, image, annotation, message, advice } = problem;
    const name = [image || fileName(file), annotation && `annotation ${annotation}`].filter(Boolean).join(", ");
    const dismiss = h(
      "button",
      { type: "button", class: "cdw-button", onclick: () => showing(list.dismiss(problem)) },
      "Dismiss",
    );
    dismiss.hidden = !queue.isEditable;
    const reason = h("p", {}, [message, advice].filter(Boolean).join("; "));
    return h("li", {}, h("b", { title: file }, name), dismiss, reason, h("p", { class: "cdw-soft" }, fileName(file)));
  }

  function refresh() {
    const count = queue.choices.problems ?? 0;
    panel.element.hidden = !count;
    setText(text, count === 1 ? "1 problem" : `${count.toLocaleString("en")} problems`);
    panel.button.disabled = queue.isLost;
    more.hidden = list.listed.length >= count;
    dismissAll.hidden = !queue.isEditable;
  }

  return { element: panel.element, refresh };
}

function fileName(path: string): string {
  return path.split(/[\\/]/).pop() ?? path;
}
