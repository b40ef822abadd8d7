/** The control of the intensity window, for images of more than 8 bits. */
import { h } from "../dom";
import { ImageWindow, type IntensityWindow, type WindowInfo } from "../image_window";
import { refreshAll, slider } from "./controls";
import type { DocumentHost, Part } from "./host";

const GAMMA_RANGE = { min: 0.2, max: 5, step: 0.05, isCurved: true };

/** Sliders and numbers for black, white and gamma. Its refresh requests the window, so it belongs into a panel that is opened. */
export function windowControl({ doc }: DocumentHost): Part {
  const setting = new ImageWindow(doc, () => refresh());
  const sliders = h("div", { class: "cdw-picture" });
  const reset = h(
    "button",
    { type: "button", class: "cdw-button", onclick: () => void setting.reset() },
    "Choose the window from the values",
  );
  const element = h("div", { class: "cdw-window", role: "group", "aria-label": "Intensity window" }, sliders, reset);
  let parts: Part[] = [];
  let built: WindowInfo | null = null;

  function build(info: WindowInfo) {
    const { low, high } = info.window;
    const bounds = { min: Math.min(low, info.range[0]), max: Math.max(high, info.range[1]), step: setting.step };
    const field = (name: keyof IntensityWindow) => ({
      get: () => info.window[name],
      set: (value: number) => setting.set({ [name]: value }),
    });
    parts = [
      slider({ label: "Black", ...bounds, ...field("low") }),
      slider({ label: "White", ...bounds, ...field("high") }),
      slider({ label: "Gamma", ...GAMMA_RANGE, ...field("gamma") }),
    ];
    sliders.replaceChildren(...parts.map((part) => part.element));
  }

  function refresh() {
    void setting.load();
    element.hidden = !setting.info;
    if (setting.info && setting.info !== built) build(setting.info);
    built = setting.info;
    element.toggleAttribute("inert", !doc.isEditable);
    refreshAll(parts);
  }

  return { element, refresh };
}
