/** Line icons: SVG paths on a grid of 20 x 20, in the color of the text. The tools have theirs in their own files. */
export const ICONS = {
  commands: '<path d="M10 3.25l1.75 4.6 4.75 1.9-4.75 1.9L10 16.25l-1.75-4.6-4.75-1.9 4.75-1.9z"/>',
  fill_holes:
    '<circle cx="10" cy="10" r="6.5"/><circle cx="10" cy="10" r="2.5" fill="currentColor" stroke-dasharray="1.5 1.2"/>',
  keep_largest:
    '<path d="M3.5 8.5a5 5 0 119.5 2.25 5 5 0 01-9.5-2.25z" fill="currentColor"/><circle cx="15" cy="15" r="1.75" stroke-dasharray="1.5 1.2"/>',
  smooth: '<path d="M3 14l2.5-4.5 2 2L10 6l2.5 5.5" opacity=".45"/><path d="M3 15.5c3-8 5.5-9.5 7.5-7s3 5.5 6.5 3"/>',
  grow: '<circle cx="10" cy="10" r="3"/><path d="M10 4.5v-2M10 17.5v-2M4.5 10h-2M17.5 10h-2M6.1 6.1L4.7 4.7M15.3 15.3l-1.4-1.4M6.1 13.9l-1.4 1.4M15.3 4.7l-1.4 1.4"/>',
  shrink:
    '<circle cx="10" cy="10" r="6.75" stroke-dasharray="2 1.8"/><circle cx="10" cy="10" r="3" fill="currentColor"/>',
  similar:
    '<circle cx="6" cy="6" r="2.75" fill="currentColor"/><circle cx="14" cy="6" r="2.75" stroke-dasharray="1.6 1.4"/><circle cx="6" cy="14" r="2.75" stroke-dasharray="1.6 1.4"/><circle cx="14" cy="14" r="2.75" stroke-dasharray="1.6 1.4"/>',
  duplicate: '<path d="M7.25 7.25h9v9h-9z"/><path d="M12.75 7V3.75h-9v9H7"/>',
  merge: '<path d="M3.75 3.75h8v4.5h4.5v8h-8v-4.5h-4.5z"/><path d="M8.25 11.75v-3.5h3.5" stroke-dasharray="1.5 1.7"/>',
  split: '<path d="M3.5 4.5h4.75v11H3.5zM11.75 4.5h4.75v11h-4.75z"/><path d="M10 2.5v15" stroke-dasharray="1.7 1.7"/>',
  snap: '<path d="M4.25 3.5v6a5.75 5.75 0 0011.5 0v-6h-3.5v6a2.25 2.25 0 01-4.5 0v-6z"/><path d="M4.25 6.5h3.5M12.25 6.5h3.5"/>',
  rename: '<path d="M4 16l.75-3.5L13.5 3.75l2.75 2.75L7.5 15.25z"/><path d="M11.5 5.75l2.75 2.75"/>',
  pressure:
    '<path d="M15.25 3.25l1.5 1.5-6 7.5-2.5 1 1-2.5z"/><path d="M3.5 16.5c2 0 3-.25 4.5-.75s3.25-1 8.5-.25" stroke-width="1.25"/>',
  forward: '<path d="M10 16V5M5.5 9L10 4.5 14.5 9"/>',
  backward: '<path d="M10 4v11M5.5 11l4.5 4.5 4.5-4.5"/>',
  lock: '<path d="M5 9h10v7.25H5z"/><path d="M7 9V6.5a3 3 0 016 0V9"/>',
  sources:
    '<path d="M10 3.25L16.75 7 10 10.75 3.25 7z" fill="currentColor"/><path d="M3.25 10.25L10 14l6.75-3.75M3.25 13.25L10 17l6.75-3.75"/>',
  adjust:
    '<circle cx="10" cy="10" r="3.25"/><path d="M10 3.75v-1.5M10 17.75v-1.5M3.75 10h-1.5M17.75 10h-1.5M5.6 5.6L4.5 4.5M15.5 15.5l-1.1-1.1M5.6 14.4l-1.1 1.1M15.5 4.5l-1.1 1.1"/>',
  chevron: '<path d="M6.5 8.5L10 12l3.5-3.5"/>',
  minus: '<path d="M4 10h12"/>',
  alternative: '<path d="M4 7.5h9.5L10.5 4.5M16 12.5H6.5l3 3"/>',
  undo: '<path d="M7.5 4L4 7.5 7.5 11"/><path d="M4 7.5h7.5a4.25 4.25 0 010 8.5H8"/>',
  redo: '<path d="M12.5 4L16 7.5 12.5 11"/><path d="M16 7.5H8.5a4.25 4.25 0 000 8.5H12"/>',
  finish: '<path d="M4 10.5l4 4 8-9"/>',
  delete: '<path d="M4 5.5h12M8 5.5V3.75h4V5.5M5.5 5.5l.75 11h7.5l.75-11M8.5 8.5v5M11.5 8.5v5"/>',
  backspace: '<path d="M7 4.75h9.75v10.5H7L2.75 10z"/><path d="M9.75 7.75l4.5 4.5M14.25 7.75l-4.5 4.5"/>',
  filmstrip: '<path d="M3 5.5h14v9H3zM7.7 5.5v9M12.3 5.5v9"/>',
  following:
    '<rect x="2.75" y="6.5" width="7" height="7"/><rect x="9.5" y="6.5" width="7" height="7" stroke-dasharray="1.6 1.4"/><path d="M6 10h7M11 8l2 2-2 2"/>',
  next_unlabeled: '<path d="M4.5 5l5 5-5 5M10 5l5 5-5 5"/>',
  names: '<path d="M3.25 5.25h8l5.5 4.75-5.5 4.75h-8z"/><circle cx="6.75" cy="10" r="1" fill="currentColor"/>',
  attribute:
    '<path d="M4 5.5h12M4 10h12M4 14.5h12"/><circle cx="7.5" cy="5.5" r="1.5" fill="currentColor"/><circle cx="13" cy="10" r="1.5" fill="currentColor"/><circle cx="6" cy="14.5" r="1.5" fill="currentColor"/>',
  tag: '<path d="M3.5 3.5h6l7 7-6 6-7-7z"/><circle cx="6.75" cy="6.75" r="1.1" fill="currentColor"/>',
  on_white:
    '<circle cx="7" cy="13" r="2.25"/><circle cx="13" cy="13" r="2.25"/><path d="M8.3 11.1L13.5 3.5M11.7 11.1L6.5 3.5"/>',
  color_by_object:
    '<circle cx="7" cy="7" r="3.5" fill="currentColor"/><circle cx="13.25" cy="8.75" r="3.5"/><circle cx="8.75" cy="13.25" r="3.5" stroke-dasharray="1.8 1.5"/>',
  palette:
    '<path d="M10 3.25a6.75 6.75 0 100 13.5c1.25 0 1.6-.8 1.25-1.7-.5-1.3.2-2.3 1.6-2.3h1.9c1.25 0 2-1 2-2.5 0-4-3-7-6.75-7z"/><path d="M6.75 8.5v.1M9.75 6.5v.1M13 8v.1M6.5 12v.1" stroke-width="2.2"/>',
  eye: '<path d="M2.5 10S5.25 5 10 5s7.5 5 7.5 5-2.75 5-7.5 5-7.5-5-7.5-5z"/><circle cx="10" cy="10" r="2.25"/>',
  hidden:
    '<path d="M3.5 3.5l13 13M8.2 5.2A7 7 0 0110 5c4.75 0 7.5 5 7.5 5a13 13 0 01-2.2 2.7M5.3 6.7A12.6 12.6 0 002.5 10s2.75 5 7.5 5a7 7 0 003-.7"/>',
  preview:
    '<path d="M3.5 7.5V5A1.5 1.5 0 015 3.5h2.5M12.5 3.5H15A1.5 1.5 0 0116.5 5v2.5M16.5 12.5V15a1.5 1.5 0 01-1.5 1.5h-2.5M7.5 16.5H5A1.5 1.5 0 013.5 15v-2.5"/><path d="M10 7v6M7 10h6"/>',
  zoom_in: '<circle cx="9" cy="9" r="5.5"/><path d="M13.2 13.2L17 17M9 6.8v4.4M6.8 9h4.4"/>',
  zoom_out: '<circle cx="9" cy="9" r="5.5"/><path d="M13.2 13.2L17 17M6.8 9h4.4"/>',
  fullscreen: '<path d="M3.5 7.5v-4h4M12.5 3.5h4v4M16.5 12.5v4h-4M7.5 16.5h-4v-4"/>',
  help: '<circle cx="10" cy="10" r="7"/><path d="M7.9 7.8a2.15 2.15 0 114 1.05c-.5.85-1.9 1.15-1.9 2.4"/><path d="M10 13.9v.1"/>',
  previous: '<path d="M12 4.5L6.5 10l5.5 5.5"/>',
  next: '<path d="M8 4.5l5.5 5.5L8 15.5"/>',
  opacity: '<circle cx="10" cy="10" r="6.75"/><path d="M10 3.25a6.75 6.75 0 010 13.5z" fill="currentColor"/>',
  plus: '<path d="M10 4v12M4 10h12"/>',
  close: '<path d="M5 5l10 10M15 5L5 15"/>',
  heat: '<path d="M10 17.25c3 0 5-2 5-4.75 0-2.5-1.75-3.75-2.5-5.5-.25 1.25-1 2-1.75 2.25C11 6.5 10 4 7.75 2.75c.25 3-2.75 5-2.75 9.25 0 3.25 2 5.25 5 5.25z"/>',
  skip: '<path d="M4.5 5l6.5 5-6.5 5zM14.75 4.75v10.5"/>',
  refresh: '<path d="M15.75 8.25A6.25 6.25 0 104 12.25"/><path d="M4 15.5v-3.5h3.5M16 4.75v3.5h-3.5"/>',
  search: '<circle cx="9" cy="9" r="5"/><path d="M12.75 12.75L16.5 16.5"/>',
  descending: '<path d="M6 4v12M3 13l3 3 3-3M11.5 5.5h5.5M11.5 9.5h4M11.5 13.5h2.5"/>',
  ascending: '<path d="M6 16V4M3 7l3-3 3 3M11.5 5.5h2.5M11.5 9.5h4M11.5 13.5h5.5"/>',
  tiles: '<path d="M4 4h5v5H4zM11 4h5v5h-5zM4 11h5v5H4zM11 11h5v5h-5z"/>',
  warning: '<path d="M10 3.25L17.5 16.5h-15z"/><path d="M10 8.5v3.75M10 14.4v.1"/>',
};

export function icon(paths: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "cdw-icon");
  svg.setAttribute("aria-hidden", "true");
  svg.innerHTML = paths;
  return svg;
}
