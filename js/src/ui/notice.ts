/** The banner over a widget: an error with a way out, a slow kernel, or a lost one. */

import { h, setText } from "../dom";
import type { Kernel, Notice } from "../kernel";
import type { Part } from "./host";
import { ICONS, icon } from "./icons";

/** `standing` gives a notice that is shown as long as there is no other one; the user cannot dismiss it. */
export function noticeBanner(kernel: Kernel, standing: () => Notice | null = () => null): Part {
  const current = () => kernel.notice ?? standing();
  const message = h("span");
  const offer = h("button", {
    type: "button",
    class: "cdw-button cdw-text",
    onclick: () => current()?.offer?.run(),
  });
  const close = h(
    "button",
    { type: "button", class: "cdw-button cdw-small", "aria-label": "Dismiss", onclick: () => kernel.dismiss() },
    icon(ICONS.close),
  );
  const element = h("div", { class: "cdw-notice", role: "alert" }, icon(ICONS.warning), message, offer, close);

  function refresh() {
    const notice = current();
    element.hidden = !notice;
    if (!notice) return;
    element.dataset.kind = notice.kind;
    setText(message, notice.text);
    setText(offer, notice.offer?.text ?? "");
    offer.hidden = !notice.offer;
    close.hidden = kernel.isLost || notice !== kernel.notice;
  }

  return { element, refresh };
}
