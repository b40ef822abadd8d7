/** Commands by name: run by keys and buttons, described by a table. */
import { commandOf, keyName, type Shortcuts } from "../keys";

export interface Command<Host> {
  title: string | ((host: Host) => string);
  icon?: string; // SVG paths
  run(host: Host): unknown;
  isEnabled?(host: Host): boolean;
  whyOff?(host: Host): string; // why it does nothing now, for the user; "" if it works
  isPressed?(host: Host): boolean;
  hold?(host: Host, down: boolean): void; // called on key down and key up, instead of `run`
  isEdit?: boolean; // it runs after the edits before it
  changesImage?: boolean; // it may show another image
}

/** Runs commands and describes them for buttons. */
export interface CommandRunner {
  titleOf(name: string): string;
  iconOf(name: string): string | undefined;
  keyOf(name: string): string | undefined;
  can(name: string): boolean;
  whyOff(name: string): string;
  isPressed(name: string): boolean | undefined;
  run(name: string): void;
}

interface Setup<Host> {
  table: Record<string, Command<Host>>;
  host: Host;
  shortcuts(): Shortcuts;
  isActive?(name: string): boolean; // whether the key of a command works now
  interceptor?: { takes(name: string): boolean; take(name: string): void }; // a gesture that uses a command itself
  queue?: EditRunner;
  refused?(reason: string): void; // a command did nothing
}

/** Runs edits one after another. */
export interface EditRunner {
  readonly hasPendingEdits: boolean;
  readonly isEditable: boolean;
  edit(edit: () => unknown, options: { changesImage?: boolean }): Promise<void>;
}

export class CommandSet<Host> implements CommandRunner {
  private readonly held = new Set<string>();

  constructor(private readonly setup: Setup<Host>) {}

  titleOf(name: string) {
    const { title } = this.setup.table[name];
    return typeof title === "string" ? title : title(this.setup.host);
  }

  iconOf(name: string) {
    return this.setup.table[name].icon;
  }

  keyOf(name: string) {
    return this.setup.shortcuts()[name]?.[0];
  }

  /** Whether a command does something now. An edit that will run after others may: only its turn will tell. */
  can(name: string) {
    const { table, queue } = this.setup;
    const waits = table[name].isEdit && queue?.hasPendingEdits && queue.isEditable;
    return waits || this.works(name);
  }

  whyOff(name: string) {
    return this.can(name) ? "" : (this.setup.table[name].whyOff?.(this.setup.host) ?? "");
  }

  isPressed(name: string) {
    return this.setup.table[name].isPressed?.(this.setup.host);
  }

  run(name: string) {
    const { table, host, interceptor, queue, refused } = this.setup;
    const command = table[name];
    const run = () => {
      const works = this.works(name);
      return works ? command.run(host) : refused?.(command.whyOff?.(host) ?? "");
    };
    if (interceptor?.takes(name)) interceptor.take(name);
    else if (command.isEdit && queue) void queue.edit(run, command);
    else run();
  }

  /** The command of a key press. */
  commandOf(event: KeyboardEvent): string | undefined {
    const { table, isActive } = this.setup;
    const active = Object.entries(this.setup.shortcuts()).filter(([name]) => table[name] && (isActive?.(name) ?? true));
    return commandOf(keyName(event), Object.fromEntries(active));
  }

  /** Handle a key press of a command. */
  press(name: string, isRepeat: boolean) {
    const { hold } = this.setup.table[name];
    if (!hold) return this.run(name);
    if (isRepeat) return;
    this.held.add(name);
    hold(this.setup.host, true);
  }

  /** Handle the release of a key. */
  release(event: KeyboardEvent) {
    const name = this.commandOf(event);
    if (name && this.held.delete(name)) this.setup.table[name].hold?.(this.setup.host, false);
  }

  /** The widget loses the focus: no key is held any more. */
  releaseAll() {
    for (const name of this.held) this.setup.table[name].hold?.(this.setup.host, false);
    this.held.clear();
  }

  private works(name: string): boolean {
    const { table, host, interceptor } = this.setup;
    const { isEnabled, whyOff } = table[name];
    return interceptor?.takes(name) || ((isEnabled?.(host) ?? true) && !whyOff?.(host));
  }
}
