/** The images of a list as a row of small pictures, with a mark on those that are done. Only the ones in view are loaded. */

import { h } from "../dom";
import { type Reply, RequestPool } from "../kernel";
import type { DocumentHost, FocusHost, ModeHost, Part } from "./host";

const FRAME_PX = 80; // CSS pixels from one picture to the next
const PICTURE_SIDE_PX = 144; // pixels of the longer side of a picture: twice its size, for fine screens
const BATCH = 6; // pictures of one request
const MAX_PICTURES = 600; // kept in memory, some 4 MB

interface Frame {
  element: HTMLButtonElement;
  picture: HTMLImageElement;
}

export interface ImageMark {
  name: string;
  done: boolean; // it has objects, or was submitted or skipped
}

export function filmstrip(host: DocumentHost & ModeHost & FocusHost): Part {
  const { doc } = host;
  const track = h("div", { class: "cdw-track" });
  const element = h(
    "div",
    { class: "cdw-filmstrip", role: "group", "aria-label": "Filmstrip", onscroll: render },
    track,
  );
  const frames = new Map<number, Frame>(); // the elements in view, by the position of their image
  const pictures = new Map<number, string>(); // URLs; "" while it is loading or if it cannot be read
  const marks = new Map<number, ImageMark>();
  const pool = new RequestPool(nextRequest, render);
  let marksKey = 0; // key of the image that was shown when the marks were loaded
  let shownKey = 0;

  function range(): [number, number] {
    const first = Math.floor(element.scrollLeft / FRAME_PX);
    return [first, Math.min(first + Math.ceil(element.clientWidth / FRAME_PX) + 1, doc.image.count)];
  }

  function indices(): number[] {
    const [start, stop] = range();
    return Array.from({ length: Math.max(stop - start, 0) }, (_, i) => start + i);
  }

  /** The most urgent request: marks in view first, as they are cheap, then pictures. */
  function nextRequest(): (() => Promise<void>) | null {
    const { key, count } = doc.image;
    if (element.hidden || doc.isLost) return null;
    if (marksKey !== key) {
      marksKey = key;
      marks.clear();
    }
    const unmarked = indices().filter((index) => !marks.has(index));
    if (unmarked.length) {
      const [start, stop] = range();
      for (const index of unmarked) marks.set(index, { name: "", done: false });
      return () =>
        load<{ images: ImageMark[] }>("marks", { start, stop }, ({ result }) => {
          if (key !== doc.image.key) return;
          for (const [i, mark] of result.images.entries()) marks.set(start + i, mark);
        });
    }
    const missing = indices()
      .filter((index) => !pictures.has(index) && index < count)
      .slice(0, BATCH);
    if (!missing.length) return null;
    for (const index of missing) pictures.set(index, "");
    return () =>
      load<{ pictures: string[] }>("pictures", { indices: missing, side: PICTURE_SIDE_PX }, ({ result }) => {
        for (const [i, url] of result.pictures.entries()) pictures.set(missing[i], url);
        for (const index of pictures.keys()) if (pictures.size > MAX_PICTURES) pictures.delete(index);
      });
  }

  async function load<Result>(op: string, fields: Record<string, unknown>, use: (reply: Reply<Result>) => void) {
    await doc.kernel.request<Result>(op, fields).then(use, () => {}); // a picture that fails stays empty
  }

  function createFrame(index: number): Frame {
    const picture = h("img", { alt: "", draggable: "false" });
    const button = h(
      "button",
      { type: "button", class: "cdw-frame", style: `left: ${index * FRAME_PX}px`, onclick: () => goTo(index) },
      picture,
      h("span", {}, String(index + 1)),
    );
    return { element: button, picture };
  }

  function goTo(index: number) {
    if (index !== doc.image.index) void doc.edit(() => doc.changeImage("goto", { index }), { changesImage: true });
  }

  function isDone(index: number): boolean {
    const isCurrent = index === doc.image.index && doc.instances.some(({ outline }) => outline);
    return isCurrent || !!marks.get(index)?.done;
  }

  function reveal(index: number) {
    const left = index * FRAME_PX;
    const { scrollLeft, clientWidth } = element;
    if (left < scrollLeft || left + FRAME_PX > scrollLeft + clientWidth)
      element.scrollLeft = left - (clientWidth - FRAME_PX) / 2;
  }

  function render() {
    if (element.hidden) return;
    track.style.width = `${doc.image.count * FRAME_PX}px`;
    const inView = new Set(indices());
    for (const [index, { element: old }] of frames) {
      if (inView.has(index)) continue;
      old.remove();
      frames.delete(index);
    }
    for (const index of inView) {
      let frame = frames.get(index);
      if (!frame) {
        frame = createFrame(index);
        frames.set(index, frame);
        track.append(frame.element);
      }
      const isCurrent = index === doc.image.index;
      const url = pictures.get(index) ?? "";
      if (frame.picture.getAttribute("src") !== url && url) frame.picture.src = url;
      const { element: button } = frame;
      const name = marks.get(index)?.name || `Image ${index + 1}`;
      const done = isDone(index);
      button.classList.toggle("cdw-done", done);
      button.setAttribute("aria-label", `${index + 1}: ${name}${done ? ", done" : ""}`);
      button.title = name;
      if (isCurrent) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      button.tabIndex = isCurrent ? 0 : -1;
    }
    pool.fill();
  }

  element.addEventListener("keydown", (event) => {
    const index = [...frames].find(([, frame]) => frame.element === event.target)?.[0];
    const last = doc.image.count - 1;
    const targets: Record<string, number> = {
      ArrowLeft: Math.max((index ?? 0) - 1, 0),
      ArrowRight: Math.min((index ?? 0) + 1, last),
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (index === undefined || target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    reveal(target);
    render();
    frames.get(target)?.element.focus({ preventScroll: true });
  });
  element.addEventListener(
    "wheel",
    (event) => {
      if (!event.deltaY || event.ctrlKey) return;
      element.scrollLeft += event.deltaY;
      event.preventDefault();
    },
    { passive: false },
  );

  function refresh() {
    const { key, count, index } = doc.image;
    const isOpening = element.hidden;
    element.hidden = !host.modes.filmstrip || count < 2;
    if (element.hidden) return;
    if (isOpening || shownKey !== key) {
      shownKey = key;
      track.style.width = `${count * FRAME_PX}px`;
      reveal(index);
    }
    render();
  }

  return { element, refresh };
}
