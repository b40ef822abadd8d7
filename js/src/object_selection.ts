/** The objects in one view: selected in addition to the one being edited, hidden, under the pointer; and the edits of a selection. */
import type { ImageDocument } from "./document";
import type { Instance } from "./instance";

export class ObjectSelection {
  readonly hidden = new Set<number>(); // ids
  readonly marked = new Set<number>(); // ids of objects selected in addition to the current one
  highlighted: number | null = null; // id of the object whose row the pointer is on
  hovered: number | null = null; // id of the object under the pointer on the image

  constructor(
    private readonly doc: ImageDocument,
    private readonly changed: () => void,
  ) {}

  get drawn(): Instance[] {
    return this.doc.instances.filter((instance) => instance.outline);
  }

  /** The object that "delete last" deletes: the one being edited, else the newest. */
  get newest(): Instance | undefined {
    const { current } = this.doc;
    if (current?.outline) return current;
    return this.drawn.reduce<Instance | undefined>(
      (newest, one) => (newest && newest.id > one.id ? newest : one),
      undefined,
    );
  }

  /** Ids of the selected objects, the one being edited first. */
  get targets(): number[] {
    const { current } = this.doc;
    const isAlone = !this.marked.size;
    return [...(current && (current.outline || isAlone) ? [current.id] : []), ...this.marked];
  }

  get unlabeled(): Instance[] {
    return this.drawn.filter((instance) => !instance.label);
  }

  /** Forget everything about the objects of another image. */
  reset() {
    this.hidden.clear();
    this.marked.clear();
    this.highlighted = null;
    this.hovered = null;
  }

  /** Drop marks of objects that are being edited or no longer exist. */
  update() {
    for (const id of this.marked)
      if (id === this.doc.selected || !this.doc.instances.some((instance) => instance.id === id))
        this.marked.delete(id);
  }

  /** The visible objects at an image point, the front one first. */
  at(x: number, y: number): Instance[] {
    return this.doc.instancesAt(x, y).filter((instance) => !this.hidden.has(instance.id));
  }

  /** Select the object at an image point; again at the same point, the one behind it. `isAdded` marks it instead. */
  async choose(x: number, y: number, isAdded: boolean) {
    const found = this.at(x, y);
    const position = found.findIndex((instance) => instance.id === this.doc.selected);
    const chosen = found.length ? found[(position + 1) % found.length] : undefined;
    if (!chosen) return isAdded ? undefined : this.clearMarks();
    if (isAdded) return this.mark(found[0].id);
    await this.select(chosen.id);
  }

  async select(id: number) {
    this.clearMarks();
    if (id !== this.doc.selected) await this.doc.apply({ type: "select", instance: id });
  }

  /** Select objects: edit the first, and mark the others. */
  async selectAll(instances: readonly Instance[]) {
    if (!instances.length) return;
    await this.select(instances[0].id);
    this.markAll(instances);
  }

  mark(id: number) {
    if (!this.marked.delete(id) && id !== this.doc.selected) this.marked.add(id);
    this.changed();
  }

  markAll(instances: readonly Instance[]) {
    for (const { id } of instances) if (id !== this.doc.selected) this.marked.add(id);
    this.changed();
  }

  clearMarks() {
    this.marked.clear();
    this.changed();
  }

  toggleHidden(id: number) {
    if (!this.hidden.delete(id)) this.hidden.add(id);
    this.changed();
  }

  /** Hide all objects but one or, if they are hidden, show all. */
  showOnly(id: number) {
    const others = this.drawn.filter((instance) => instance.id !== id);
    const isAlone = others.every((instance) => this.hidden.has(instance.id));
    this.hidden.clear();
    if (!isAlone) for (const other of others) this.hidden.add(other.id);
    this.changed();
  }

  async merge() {
    for (const instance of [...this.marked]) await this.doc.apply({ type: "merge", instance });
    this.clearMarks();
  }

  /** Give objects a class; with the option `label_finishes`, also finish the one being edited. */
  async setLabel(label: string, targets = this.targets) {
    const { current, model, selected } = this.doc;
    this.doc.rememberLabel(label);
    const isCurrent = targets.length === 1 && targets[0] === selected;
    if (isCurrent && model.get("label_finishes") && current?.outline) await this.doc.apply({ type: "accept", label });
    else await this.doc.apply(isCurrent ? { type: "relabel", label } : { type: "relabel", label, instance: targets });
  }

  /** Delete the selected objects in one step. */
  async delete() {
    const instance = this.targets;
    await this.doc.apply(this.marked.size ? { type: "delete", instance } : { type: "delete" });
  }

  canReorder(id: number, step: number) {
    const position = this.doc.instances.findIndex((instance) => instance.id === id) + step;
    return position >= 0 && position < this.doc.instances.length;
  }

  /** Move an object by a number of positions, forward if positive. */
  async reorder(id: number, step: number) {
    const position = this.doc.instances.findIndex((instance) => instance.id === id) + step;
    if (step && this.canReorder(id, step)) await this.doc.apply({ type: "reorder", instance: id, position });
  }
}
