/** How far the review is: a bar of verdicts, their numbers, and how long the rest will take at this pace. */
import { h, setText } from "../ui/dom";
import type { Part } from "../view";
import type { GalleryView } from "./view";

const KINDS = [["accepted", "accepted"], ["rejected", "rejected"], ["skipped", "skipped"], ["new", "left"]] as const;

export function progress(view: GalleryView): Part {
  const shares = KINDS.map(([status]) => h("i", { "data-status": status }));
  const counts = KINDS.map(([status, word]) => {
    const count = h("b");
    return { count, element: h("span", { "data-status": status }, h("i", { class: "cdw-kind" }), count, ` ${word}`) };
  });
  const listed = h("span", { class: "cdw-count", role: "status" });
  const pace = h("span", { class: "cdw-pace" });
  const bar = h("div", { class: "cdw-meter", role: "progressbar", "aria-label": "Reviewed", "aria-valuemin": "0" }, ...shares);
  const element = h("div", { class: "cdw-progress-line" }, listed, bar, ...counts.map((one) => one.element), h("span", { class: "cdw-spacer" }), pace);

  function refresh() {
    const { progress: { done, total, per_hour, by_status }, rows: { count } } = view.queue;
    setText(listed, `${count.toLocaleString("en")} ${count === 1 ? "instance" : "instances"}`);
    KINDS.forEach(([status], i) => {
      const count = by_status[status] ?? 0;
      shares[i].style.width = `${total ? (100 * count) / total : 0}%`;
      setText(counts[i].count, count.toLocaleString("en"));
    });
    bar.setAttribute("aria-valuemax", String(Math.max(1, total)));
    bar.setAttribute("aria-valuenow", String(done));
    bar.setAttribute("aria-valuetext", `${done.toLocaleString("en")} of ${total.toLocaleString("en")}`);
    setText(pace, per_hour && total > done ? `${Math.round(per_hour).toLocaleString("en")} an hour · ${lasting((total - done) / per_hour)} left` : "");
  }

  return { element, refresh };
}

/** Hours in words. */
export function lasting(hours: number): string {
  const minutes = Math.ceil(hours * 60);
  if (minutes < 60) return `${minutes} min`;
  if (hours < 48) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.round(hours / 24).toLocaleString("en")} days`;
}
