/** The controls that filter the list; each writes traits that Python also reads. */
import { focusedNear, h, setText } from "../dom";
import { popover, refreshAll, setTooltip } from "../ui/controls";
import type { Part } from "../ui/host";
import type { FocusTarget, LabelColorHost, QueueHost } from "./host";
import type { AttributeValue, Filters, GalleryModel } from "./traits";

export const NO_FILTERS: Filters = {
  status: [],
  filter_labels: [],
  tag: [],
  only: [],
  text: "",
  min_score: null,
  max_score: null,
  min_confidence: null,
  max_confidence: null,
  attributes: {},
  without_objects: false,
};

const SEARCH_DELAY_MS = 250; // after the last key
const MIN_CHOICES_FOR_SEARCH = 12;

/** Whether images without objects are listed; the filters of instances do not apply to them. */
export const listsImages = (model: GalleryModel) => model.get("without_objects") ?? false;

export function isFiltered(model: GalleryModel): boolean {
  return Object.entries(NO_FILTERS).some(([trait, empty]) => {
    const value = model.get(trait as keyof Filters) ?? empty;
    return JSON.stringify(value) !== JSON.stringify(empty);
  });
}

/** A panel in which any of several values can be checked. */
export function valueFilter(
  host: QueueHost & LabelColorHost,
  title: string,
  trait: "status" | "filter_labels" | "tag",
  choices: () => string[],
): Part {
  const { queue } = host;
  const checked = (): string[] => queue.model.get(trait);
  const text = h("span");
  const search = h("input", {
    type: "text",
    class: "cdw-typed",
    placeholder: "Find…",
    "aria-label": `Find a ${title.toLowerCase()}`,
    oninput: () => list(),
  });
  const rows = h("div", { class: "cdw-options-list" });
  const any = h("button", { type: "button", class: "cdw-button", onclick: () => check([]) }, "Any");
  const content = h("div", { class: "cdw-several" }, search, rows, any);
  let listed = "";

  function check(values: string[]) {
    queue.set({ [trait]: values });
  }

  function createRow(value: string, isChecked: boolean) {
    const others = () => checked().filter((other) => other !== value);
    const box = h("input", {
      type: "checkbox",
      onchange: () => check(box.checked ? [...checked(), value] : others()),
    });
    box.checked = isChecked;
    const swatch =
      trait === "filter_labels" ? h("i", { class: "cdw-swatch", style: `--swatch: ${host.color(value)}` }) : null;
    const name = h("span", { class: "cdw-name", title: value }, value || "no label");
    return h("label", { class: "cdw-check" }, box, swatch, name);
  }

  function list() {
    const query = search.value.trim().toLowerCase();
    const found = choices().filter((value) => value.toLowerCase().includes(query));
    const values = checked();
    const state = JSON.stringify([found, values]);
    if (state === listed) return;
    listed = state;
    const focused = focusedNear(rows);
    const index =
      focused && rows.contains(focused) ? [...rows.querySelectorAll("input")].indexOf(focused as HTMLInputElement) : -1;
    rows.replaceChildren(...found.map((value) => createRow(value, values.includes(value))));
    rows.querySelectorAll("input")[index]?.focus();
  }

  const refreshContent = () => {
    search.hidden = choices().length < MIN_CHOICES_FOR_SEARCH;
    any.disabled = checked().length === 0;
    list();
  };
  const panel = popover(`Filter by ${title.toLowerCase()}`, text, { element: content, refresh: refreshContent });

  function refresh() {
    const values = checked();
    const applies = trait !== "filter_labels" || !listsImages(queue.model);
    panel.element.hidden = !applies || (!values.length && !choices().length);
    const summary = values.length === 1 ? values[0] || "none" : String(values.length);
    setText(text, values.length ? `${title}: ${summary}` : title);
    panel.button.classList.toggle("cdw-changed", values.length > 0);
    panel.button.disabled = queue.isLost;
    panel.refresh();
  }

  return { element: panel.element, refresh };
}

const percent = (score: number | null, missing: string) => (score === null ? missing : String(Math.round(100 * score)));

type Limit = "min_score" | "max_score" | "min_confidence" | "max_confidence";

/** A panel with the lowest and the highest value of a number from 0 to 1, in percent. */
export function rangeFilter(
  { queue }: QueueHost,
  title: string,
  [lowest, highest]: [Limit, Limit],
  isOffered: () => boolean,
): Part {
  const { model } = queue;
  const text = h("span");
  const field = (label: string, trait: Limit): Part => {
    const input = h("input", {
      type: "number",
      min: "0",
      max: "100",
      step: "5",
      class: "cdw-typed",
      "aria-label": `${title} ${label} (percent)`,
      placeholder: trait === lowest ? "0" : "100",
      onchange: () => {
        const value = input.value === "" ? null : Math.min(100, Math.max(0, Number(input.value))) / 100;
        queue.set({ [trait]: value });
      },
    });
    const refresh = () => {
      input.value = percent(model.get(trait), "");
    };
    return { element: h("label", { class: "cdw-from" }, label, input), refresh };
  };
  const fields = [field("from", lowest), field("to", highest)];
  const any = h(
    "button",
    { type: "button", class: "cdw-button", onclick: () => queue.set({ [lowest]: null, [highest]: null }) },
    "Any",
  );
  const content = h("div", { class: "cdw-several" }, ...fields.map((one) => one.element), any);
  const panel = popover(`Filter by ${title.toLowerCase()}`, text, {
    element: content,
    refresh: () => refreshAll(fields),
  });

  function refresh() {
    const [low, high] = [model.get(lowest), model.get(highest)];
    const isActive = low !== null || high !== null;
    panel.element.hidden = listsImages(model) || (!isActive && !isOffered());
    setText(text, isActive ? `${title}: ${percent(low, "0")} – ${percent(high, "100")} %` : title);
    panel.button.classList.toggle("cdw-changed", isActive);
    panel.button.disabled = queue.isLost;
    panel.refresh();
  }

  return { element: panel.element, refresh };
}

/** A button that lists the images without objects instead of the instances. */
export function withoutObjectsFilter({ queue }: QueueHost): Part {
  const isOn = () => listsImages(queue.model);
  const element = h("button", {
    type: "button",
    class: "cdw-button",
    onclick: () => queue.set({ without_objects: !isOn() }),
  });
  setTooltip(element, "List the images without objects");

  function refresh() {
    element.hidden = !isOn() && !queue.withoutObjects;
    element.disabled = queue.isLost;
    element.setAttribute("aria-pressed", String(isOn()));
    setText(element, isOn() ? "No objects" : `No objects: ${queue.withoutObjects.toLocaleString("en")}`);
  }

  return { element, refresh };
}

/** A panel with one choice for each attribute; only instances with all chosen values are listed. */
export function attributeFilter({ queue }: QueueHost): Part {
  const text = h("span");
  const rows = h("div", { class: "cdw-options-list" });
  const any = h("button", { type: "button", class: "cdw-button", onclick: () => queue.set({ attributes: {} }) }, "Any");
  const content = h("div", { class: "cdw-several" }, rows, any);
  const chosen = () => queue.model.get("attributes") ?? {};
  let listed = "";

  function createRow(name: string, values: AttributeValue[]) {
    const { [name]: value, ...others } = chosen();
    const select = h(
      "select",
      {
        class: "cdw-typed",
        "aria-label": name,
        onchange: () => {
          const at = Number(select.value);
          queue.set({ attributes: at < 0 ? others : { ...others, [name]: values[at] } });
        },
      },
      h("option", { value: "-1" }, "any"),
      ...values.map((one, i) => h("option", { value: String(i) }, String(one))),
    );
    select.value = String(value == null ? -1 : values.indexOf(value));
    return h("label", { class: "cdw-from" }, name, select);
  }

  function list() {
    const state = JSON.stringify([queue.attributes, chosen()]);
    if (state === listed) return;
    listed = state;
    rows.replaceChildren(...Object.entries(queue.attributes).map(([name, values]) => createRow(name, values)));
  }

  const panel = popover("Filter by attributes", text, { element: content, refresh: list });

  function refresh() {
    const values = Object.entries(chosen());
    panel.element.hidden = listsImages(queue.model) || (!values.length && !Object.keys(queue.attributes).length);
    setText(text, values.length ? values.map(([name, value]) => `${name}: ${value}`).join(", ") : "Attributes");
    panel.button.classList.toggle("cdw-changed", values.length > 0);
    panel.button.disabled = queue.isLost;
    panel.refresh();
  }

  return { element: panel.element, refresh };
}

/** A text in a path or label; the list is requested when typing pauses. */
export function searchField(host: QueueHost & FocusTarget): Part & { element: HTMLInputElement } {
  const { queue } = host;
  const { model } = queue;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = () => {
    clearTimeout(timer);
    if (element.value !== model.get("text")) queue.set({ text: element.value });
  };
  const element = h("input", {
    type: "text",
    class: "cdw-typed cdw-search",
    placeholder: "Search name, label",
    "aria-label": "Search names and labels",
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(write, SEARCH_DELAY_MS);
    },
    onkeydown: (event: KeyboardEvent) => {
      if (event.key !== "Enter") return;
      write();
      host.takeFocus();
    },
  });

  function refresh() {
    if (focusedNear(element) !== element && element.value !== model.get("text")) element.value = model.get("text");
  }

  return { element, refresh };
}
