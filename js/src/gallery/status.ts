/** The progress of the review above the tiles, and the details of the focused tile with the status line below them. */
import { h, setText } from "../dom";
import type { Part } from "../ui/host";
import { listsImages } from "./filters";
import type { FocusedRowHost, LabelColorHost, QueueHost } from "./host";
import { labelText, type Reason, type Row } from "./rows";
import { formatScore, reasonChip, suspicion, writeReason } from "./tile";

const STATUS_WORDS = [
  ["accepted", "accepted"],
  ["rejected", "rejected"],
  ["skipped", "skipped"],
  ["new", "left"],
] as const;

const format = (count: number) => count.toLocaleString("en");

/** A bar of decisions, their numbers, and the time left at the current pace. */
export function progressBar({ queue }: QueueHost): Part {
  const shares = STATUS_WORDS.map(([status]) => h("i", { "data-status": status }));
  const counts = STATUS_WORDS.map(([status, word]) => {
    const count = h("b");
    return { count, element: h("span", { "data-status": status }, h("i", { class: "cdw-kind" }), count, ` ${word}`) };
  });
  const listed = h("span", { class: "cdw-count", role: "status" });
  const pace = h("span", { class: "cdw-pace" });
  const bar = h(
    "div",
    { class: "cdw-meter", role: "progressbar", "aria-label": "Reviewed", "aria-valuemin": "0" },
    ...shares,
  );
  const element = h(
    "div",
    { class: "cdw-progress-line" },
    listed,
    bar,
    ...counts.map((one) => one.element),
    h("span", { class: "cdw-spacer" }),
    pace,
  );

  function refresh() {
    const { done, total, per_hour, by_status } = queue.progress;
    const { count } = queue.rows;
    const noun = listsImages(queue.model) ? "image" : "instance";
    setText(listed, `${format(count)} ${noun}${count === 1 ? "" : "s"}`);
    for (const [i, [status]] of STATUS_WORDS.entries()) {
      const statusCount = by_status[status] ?? 0;
      shares[i].style.width = `${total ? (100 * statusCount) / total : 0}%`;
      setText(counts[i].count, format(statusCount));
    }
    bar.setAttribute("aria-valuemax", String(Math.max(1, total)));
    bar.setAttribute("aria-valuenow", String(done));
    bar.setAttribute("aria-valuetext", `${format(done)} of ${format(total)}`);
    const hasPace = per_hour && total > done;
    setText(
      pace,
      hasPace ? `${format(Math.round(per_hour))} per hour · ${duration((total - done) / per_hour)} left` : "",
    );
  }

  return { element, refresh };
}

/** Hours in words. */
function duration(hours: number): string {
  const minutes = Math.ceil(hours * 60);
  if (minutes < 60) return `${minutes} min`;
  if (hours < 48) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${format(Math.round(hours / 24))} days`;
}

/** The focused instance with its reasons in full, and the state of the kernel. */
export function details(host: QueueHost & FocusedRowHost & LabelColorHost): Part {
  const { queue } = host;
  const label = h("b");
  const swatch = h("i", { class: "cdw-swatch" });
  const file = h("span", { class: "cdw-soft cdw-path" });
  const score = h("span");
  const reasons = h("ul", { class: "cdw-why" });
  const error = h("p", { class: "cdw-fault" });
  const phase = h("span", { class: "cdw-phase" });
  const message = h("span", { class: "cdw-said", role: "status" });
  const position = h("span", { class: "cdw-place" });
  const saved = h("span", { class: "cdw-saved", role: "status" });
  const instance = h("div", { class: "cdw-who" }, swatch, label, score, file);
  const statusLine = h(
    "div",
    { class: "cdw-status" },
    h("i", { class: "cdw-light" }),
    phase,
    message,
    saved,
    h("span", { class: "cdw-spacer" }),
    position,
  );
  const element = h(
    "div",
    { class: "cdw-foot" },
    h("div", { class: "cdw-details" }, instance, error, reasons),
    statusLine,
  );
  let shown: unknown = null;

  function kernelState(): [string, string] {
    if (queue.isLost) return ["failed", "No kernel"];
    if (queue.isBusy || queue.isWaiting) return ["working", "Working…"];
    return ["ready", queue.model.get("view_only") ? "View only" : "Ready"];
  }

  function refresh() {
    const [state, text] = kernelState();
    const { row } = host;
    const { count } = queue.rows;
    const selected = queue.selected.length;
    statusLine.dataset.state = state;
    setText(phase, text);
    setText(message, queue.message);
    setText(saved, queue.model.get("_notice") ?? "");
    const focused = count ? `${format(host.focus + 1)} / ${format(count)}` : "";
    setText(position, selected ? `${format(selected)} selected · ${focused}` : focused);
    setText(error, (row && queue.thumbnails.get(row.id)?.error) ?? "");
    if (row === shown) return;
    shown = row;
    instance.hidden = !row;
    reasons.replaceChildren(...reasonLines(row));
    if (!row) return;
    swatch.hidden = row.objects !== null;
    swatch.style.setProperty("--swatch", host.color(row.label));
    setText(label, labelText(row));
    const confidence = row.confidence === null ? "" : ` · confidence ${formatScore(row.confidence)}`;
    const suspect = row.score === null ? "not scored yet" : suspicion(row.score);
    setText(score, row.objects === null ? suspect + confidence : "");
    setText(file, row.name);
    label.title = row.label;
    file.title = row.name;
  }

  return { element, refresh };
}

function reasonLines(row: Row | undefined): HTMLElement[] {
  return (row?.chips ?? []).map((reason) => {
    const chip = reasonChip();
    writeReason(chip, reason);
    return h("li", {}, chip, h("span", {}, explanation(reason)));
  });
}

/** A reason in words; the number only where the words do not name it. */
export function explanation({ value, reason }: Reason): string {
  const number = formatScore(value);
  const isNamed = [number, number.replace(" ", "")].some((text) => reason.includes(text));
  return isNamed ? reason : [number, reason].filter(Boolean).join("  ");
}
