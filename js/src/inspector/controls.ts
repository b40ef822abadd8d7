/** The controls next to the map, one for each setting. */
import { h } from "../dom";
import { checkbox, choice, refreshAll, slider } from "../ui/controls";
import type { Part } from "../ui/host";
import type { Drawing, InspectorTraits } from "./drawing";

const OWN_COLORMAP = "the map's own";
const NOTHING = "nothing";
const PLAY_INTERVAL_MS = 350; // between two steps

type Option = [value: string, text: string];
type ListTrait = "map" | "compare" | "colormap";

export function settings(drawing: Drawing): Part {
  const { model } = drawing;
  const texts = () => model.get("_maps").find(({ name }) => name === model.get("map"));
  const named = (names: string[], none: string): Option[] => [["", none], ...names.map((name): Option => [name, name])];
  const offered = () => {
    const [listed, chosen] = [model.get("_colormaps"), model.get("colormap")];
    return !chosen || listed.includes(chosen) ? listed : [...listed, chosen]; // Python may set any colormap of matplotlib
  };
  const branches = enabledIf(
    choice<InspectorTraits["branch"]>(
      "Branch",
      { foreground: { text: "foreground" }, background: { text: "background" } },
      () => model.get("branch"),
      (branch) => drawing.set("branch", branch),
    ),
    () => !!texts()?.has_branches,
  );
  const opacity = slider({
    label: "opacity",
    min: 0,
    max: 1,
    step: 0.05,
    get: () => model.get("opacity"),
    set: (value) => drawing.set("opacity", value),
  });
  const flag = (trait: "smooth" | "marks", text: string) =>
    checkbox(
      text,
      () => model.get(trait),
      (on) => drawing.set(trait, on),
    );
  const maps = list(drawing, "map", () => model.get("_maps").map(({ name, title }) => [name, title]));
  maps.element.size = model.get("_maps").length;
  maps.element.setAttribute("aria-label", "Map");
  const compare = list(drawing, "compare", () => named(model.get("_variants"), NOTHING));
  const colormap = list(drawing, "colormap", () => named(offered(), OWN_COLORMAP));
  const parts = [
    maps,
    branches,
    enabledIf(labeled("compare", compare), () => model.get("_variants").length > 0),
    opacity,
    enabledIf(labeled("colormap", colormap), () => !!texts()?.has_colormap),
    flag("smooth", "smooth tokens"),
    flag("marks", "clicks and outline"),
  ];
  const element = h("fieldset", { class: "cdw-inspector-settings" }, ...parts.map((part) => part.element));
  return {
    element,
    refresh() {
      element.disabled = model.get("view_only");
      refreshAll(parts);
    },
  };
}

/** The slider of the steps of PDM or of the heads, with a button that plays them. */
export function steps(drawing: Drawing, signal: AbortSignal): Part {
  const { model } = drawing;
  const button = h("button", { type: "button", class: "cdw-button cdw-text cdw-play", onclick: () => toggle() });
  const track = h("input", {
    type: "range",
    min: "0",
    "aria-label": "Step",
    oninput: () => drawing.set("number", Number(track.value)),
  });
  const name = h("span", { class: "cdw-step" });
  const element = h("div", { class: "cdw-steps" }, button, track, name);
  let timer: ReturnType<typeof setInterval> | undefined;
  const last = () => model.get("_steps").length - 1;

  function stop() {
    clearInterval(timer);
    timer = undefined;
    refresh();
  }
  function toggle() {
    if (timer) return stop();
    if (model.get("number") >= last()) drawing.set("number", 0);
    timer = setInterval(() => {
      if (model.get("number") < last()) drawing.set("number", model.get("number") + 1);
      else stop();
    }, PLAY_INTERVAL_MS);
    refresh();
  }
  function refresh() {
    const names = model.get("_steps");
    element.hidden = !names.length;
    button.disabled = track.disabled = model.get("view_only");
    if (timer && element.hidden) return stop();
    button.textContent = timer ? "Pause" : "Play";
    track.max = String(last());
    track.value = String(model.get("number"));
    name.textContent = names[model.get("number")] ?? "";
    track.setAttribute("aria-valuetext", name.textContent);
  }
  signal.addEventListener("abort", () => clearInterval(timer));
  return { element, refresh };
}

/** A list of the values of a trait. */
function list(drawing: Drawing, trait: ListTrait, options: () => Option[]): Part & { element: HTMLSelectElement } {
  const element = h("select", { class: "cdw-typed", onchange: () => drawing.set(trait, element.value) });
  let listed = "";
  return {
    element,
    refresh() {
      const current = options();
      if (listed !== JSON.stringify(current)) {
        listed = JSON.stringify(current);
        element.replaceChildren(...current.map(([value, text]) => h("option", { value }, text)));
      }
      element.value = drawing.model.get(trait);
    },
  };
}

function labeled(label: string, { element, refresh }: Part): Part {
  return { element: h("label", { class: "cdw-field" }, h("span", { class: "cdw-label" }, label), element), refresh };
}

function enabledIf({ element, refresh }: Part, isEnabled: () => boolean): Part {
  const field = h("fieldset", {}, element);
  return {
    element: field,
    refresh() {
      field.disabled = !isEnabled();
      refresh();
    },
  };
}
