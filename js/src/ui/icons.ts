/** Line icons on a 20 x 20 grid, coloured by the text. */
const SHAPES: Record<string, string> = {
  click: '<path d="M4 3l4.5 12.5 1.9-5.1 5.1-1.9z"/><path d="M14.5 13v4M12.5 15h4"/>',
  undo: '<path d="M7.5 4L4 7.5 7.5 11"/><path d="M4 7.5h7.5a4.25 4.25 0 010 8.5H8"/>',
  redo: '<path d="M12.5 4L16 7.5 12.5 11"/><path d="M16 7.5H8.5a4.25 4.25 0 000 8.5H12"/>',
  finish: '<path d="M4 10.5l4 4 8-9"/>',
  delete: '<path d="M4 5.5h12M8 5.5V3.75h4V5.5M5.5 5.5l.75 11h7.5l.75-11M8.5 8.5v5M11.5 8.5v5"/>',
  eye: '<path d="M2.5 10S5.25 5 10 5s7.5 5 7.5 5-2.75 5-7.5 5-7.5-5-7.5-5z"/><circle cx="10" cy="10" r="2.25"/>',
  hidden: '<path d="M3.5 3.5l13 13M8.2 5.2A7 7 0 0110 5c4.75 0 7.5 5 7.5 5a13 13 0 01-2.2 2.7M5.3 6.7A12.6 12.6 0 002.5 10s2.75 5 7.5 5a7 7 0 003-.7"/>',
  preview: '<path d="M3.5 7.5V5A1.5 1.5 0 015 3.5h2.5M12.5 3.5H15A1.5 1.5 0 0116.5 5v2.5M16.5 12.5V15a1.5 1.5 0 01-1.5 1.5h-2.5M7.5 16.5H5A1.5 1.5 0 013.5 15v-2.5"/><path d="M10 7v6M7 10h6"/>',
  zoom_in: '<circle cx="9" cy="9" r="5.5"/><path d="M13.2 13.2L17 17M9 6.8v4.4M6.8 9h4.4"/>',
  zoom_out: '<circle cx="9" cy="9" r="5.5"/><path d="M13.2 13.2L17 17M6.8 9h4.4"/>',
  fullscreen: '<path d="M3.5 7.5v-4h4M12.5 3.5h4v4M16.5 12.5v4h-4M7.5 16.5h-4v-4"/>',
  help: '<circle cx="10" cy="10" r="7"/><path d="M7.9 7.8a2.15 2.15 0 114 1.05c-.5.85-1.9 1.15-1.9 2.4"/><path d="M10 13.9v.1"/>',
  previous: '<path d="M12 4.5L6.5 10l5.5 5.5"/>',
  next: '<path d="M8 4.5l5.5 5.5L8 15.5"/>',
  opacity: '<circle cx="10" cy="10" r="6.75"/><path d="M10 3.25a6.75 6.75 0 010 13.5z" fill="currentColor"/>',
  plus: '<path d="M10 4v12M4 10h12"/>',
  close: '<path d="M5 5l10 10M15 5L5 15"/>',
  warning: '<path d="M10 3.25L17.5 16.5h-15z"/><path d="M10 8.5v3.75M10 14.4v.1"/>',
};

export function icon(name: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "cdw-icon");
  svg.setAttribute("aria-hidden", "true");
  svg.innerHTML = SHAPES[name] ?? "";
  return svg;
}
