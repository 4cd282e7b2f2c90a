// The one state that all views share: which network, where one looks, what was changed, and the numbers that follow.
// Views read it and call its verbs; nobody else keeps a copy.

import type { AnalysisDocument } from './document';
import type { Page } from './decode';
import type { Network } from './engine/network';
import { canonical, key, places } from './engine/places';
import { compute, computeAsync, cost } from './engine/run';
import { sentence } from './engine/sentences';
import type { Address, Edits, Place, Run, Selection } from './engine/types';
import { count, noEdits, scope, withClamp, withoutClamp, withoutValue, withValue, type Clamp } from './shell/edits';
import { OVERLAYS, type Language, type Level, type Remembered, type Theme } from './shell/hash';
import {
  addressOf,
  beginning,
  fit,
  follow,
  selectionOf,
  validSteps,
  wholeExtent,
  type Extent,
} from './shell/selection';
import type { Look } from './shell/tour';
import { translate, type Key, type Values } from './text';

export type { Language, Level, Theme } from './shell/hash';

/** Multiplications above which the page computes in slices, so that it stays awake. */
const LIGHT = 2e7;

const NOWHERE: Selection = { sample: 0, layer: 0, direction: 'forward', step: 0, unit: 0, gate: 'h' };

type Wished = { selection: Partial<Selection> };

export interface Snapshot {
  page: Page;
  remembered: Remembered;
  pinned: Address | null;
  edits: Edits;
  history: Edits[];
}

export class Explorer {
  #page = $state.raw<Page | null>(null);
  #networkIndex = $state(0);
  #history = $state.raw<Edits[]>([]);
  #lights = $state.raw<Address[]>([]);
  /** What the last change was of. */
  #last: string | null = null;

  level = $state<Level>('stack');
  selection = $state.raw<Selection>(NOWHERE);
  pinned = $state.raw<Address | null>(null);
  hovered = $state.raw<Address | null>(null);
  edits = $state.raw<Edits>(noEdits());
  overlay = $state<AnalysisDocument['name'] | null>(null);
  folded = $state(false);
  playing = $state(false);
  /** Steps a second. */
  speed = $state(2);
  language = $state<Language>('en');
  theme = $state<Theme>('auto');
  /** What the page last said to those who listen. */
  announced = $state('');

  /** The share that is done while a large network is computed; null when nothing is. */
  progress = $state<number | null>(null);
  /** Runs of a large network, computed in slices. */
  #large = $state.raw<{ sample: number; base: Run; run: Run } | null>(null);
  /** The sample of which every number was asked for. */
  #asked = $state<number | null>(null);
  #computing: AbortController | null = null;

  focus = $derived(this.hovered ?? this.pinned);
  /** The number that the selection names. */
  selected = $derived(this.#page ? addressOf(this.selection, this.network.statesOf(this.selection.layer)) : null);
  /** Whether an edit reaches the selected sample. */
  edited = $derived(count(this.edits, this.selection.sample) > 0);
  #heavy = $derived(cost(this.network) > LIGHT);
  #ready = $derived(this.#large?.sample === this.selection.sample ? this.#large : null);
  #recorded = $derived(this.network.stored(this.selection.sample));
  #needed = $derived(this.editable && (this.edited || this.#asked === this.selection.sample));
  /** All numbers of the selected sample without the edits: as recorded, or computed where edits are compared with it. */
  stored: Run = $derived.by(() => {
    if (!this.#needed) return this.#recorded;
    if (this.#heavy) return this.#ready?.base ?? this.#recorded;
    return compute(this.network, this.selection.sample, noEdits());
  });
  /** All numbers of the selected sample, after the edits. */
  run: Run = $derived.by(() => {
    if (!this.edited || !this.#needed) return this.stored;
    if (this.#heavy) return this.#ready?.run ?? this.#recorded;
    return compute(this.network, this.selection.sample, this.edits);
  });
  /** Whether every step and unit of the selected sample has its number. */
  whole = $derived(this.run !== this.#recorded);
  /** What can be selected: what the page holds, or all of it where it was computed. */
  extent: Extent = $derived(this.whole ? wholeExtent(this.network) : this.network);
  /** The analyses that were recorded of the chosen network. */
  overlays = $derived(OVERLAYS.filter((name) => this.network.analyses.some((one) => one.name === name)));
  /** The numbers lit up: the one in focus, and those of `lightUp`. */
  lit: Address[] = $derived([...(this.focus ? [this.focus] : []), ...this.#lights]);
  #litKeys = $derived(new Set(this.lit.map((one) => this.#key(one))));

  /** Whether a page was opened; until then nothing else of the explorer may be asked. */
  get open(): boolean {
    return this.#page !== null;
  }

  get page(): Page {
    if (!this.#page) throw new Error('no page is open yet');
    return this.#page;
  }

  get network(): Network {
    return this.page.networks[this.#networkIndex]!;
  }

  get networkIndex(): number {
    return this.#networkIndex;
  }

  get canUndo(): boolean {
    return this.#history.length > 0;
  }

  /** Whether the page can compute the chosen network, so that numbers can be changed. */
  get editable(): boolean {
    return this.network.computes === null;
  }

  /** Opens a page at its beginning; the language and the theme stay. */
  load(page: Page): void {
    this.#page = page;
    this.choose(0);
    this.level = 'stack';
    this.folded = false;
  }

  /** Chooses another recurrent layer of the model. */
  choose(index: number): void {
    this.#networkIndex = Math.max(0, Math.min(this.page.networks.length - 1, index));
    this.playing = false;
    this.overlay = null;
    this.pinned = this.hovered = null;
    this.#lights = [];
    this.#forget();
    this.selection = beginning(this.network);
  }

  t(name: Key, values?: Values): string {
    return translate(this.language)(name, values);
  }

  value(address: Address): number | undefined {
    return this.run.value(address);
  }

  original(address: Address): number | undefined {
    return this.stored.value(address);
  }

  /** Whether the edits moved a number. */
  changed(address: Address): boolean {
    return this.edited && this.value(address) !== this.original(address);
  }

  /** One sentence on what a number is. */
  sentence(address: Address): string {
    return sentence(this.network, address, this.value(address), translate(this.language));
  }

  /** Where a number stands in what the user's call returned. */
  places(address: Address): Place[] {
    return places(this.network, address);
  }

  hover(address: Address | null): void {
    this.hovered = address;
  }

  /** Keeps a number in focus and moves the selection to it; null lets go. */
  pin(address: Address | null): void {
    this.hovered = null;
    this.#lights = [];
    this.pinned = address;
    if (!address) return;
    this.#goTo(selectionOf(address));
    this.announce(this.sentence(address));
  }

  /** Moves the selection; a pinned number moves along. */
  select(part: Partial<Selection>): void {
    this.#goTo(part);
    if (!this.pinned) return;
    this.pinned = follow(this.pinned, part, this.selection, this.network.statesOf(this.selection.layer));
    if (!this.playing) this.announce(this.sentence(this.pinned));
  }

  /** Whether a cell shows the number in focus, or one that was lit up. */
  isLit(address: Address): boolean {
    return this.#litKeys.size > 0 && this.#litKeys.has(this.#key(address));
  }

  /** Lights up numbers until the next pin. */
  lightUp(addresses: Address[]): void {
    this.#lights = addresses;
  }

  go(level: Level): void {
    this.level = level;
  }

  /** Sets an input or a state to a value. */
  edit(address: Address, value: number): void {
    if (!this.editable) return;
    const target = canonical(this.network, address);
    this.#change(withValue(this.edits, key(target), target, value), key(target));
  }

  /** Takes one edited value back. */
  restore(address: Address): void {
    this.#change(withoutValue(this.edits, this.#key(address)));
  }

  /** Holds a gate at a value. */
  clamp(clamp: Clamp): void {
    if (!this.editable) return;
    this.#change(withClamp(this.edits, clamp), scope(clamp));
  }

  unclamp(clamp: Clamp): void {
    this.#change(withoutClamp(this.edits, clamp));
  }

  undo(): void {
    const before = this.#history.at(-1);
    if (!before) return;
    this.#history = this.#history.slice(0, -1);
    this.#last = null;
    this.#set(before);
    this.announce(this.t('shell.undone'));
  }

  resetEdits(): void {
    if (this.edits.values.size + this.edits.clamps.length > 0) this.#change(noEdits());
  }

  /** Moves the given number of steps; false at the end of the sample's time. */
  move(by: number): boolean {
    const steps = validSteps(this.extent, this.selection.sample);
    const next = steps[steps.indexOf(this.selection.step) + by];
    if (next === undefined) return false;
    this.select({ step: next });
    return true;
  }

  /** Starts or stops the play through time; at the end it starts over. */
  play(on: boolean): void {
    const steps = validSteps(this.extent, this.selection.sample);
    const [first, last] = this.#backwards ? [steps.at(-1), steps[0]] : [steps[0], steps.at(-1)];
    if (on && this.selection.step === last && first !== undefined) this.select({ step: first });
    this.playing = on && steps.length > 1;
  }

  /** One step of the play, in the order in which the selected direction reads. */
  tick(): void {
    if (this.move(this.#backwards ? -1 : 1)) return;
    this.playing = false;
    this.announce(this.t('shell.play.ended'));
  }

  /** Lays an analysis over the drawing. */
  lay(overlay: AnalysisDocument['name'] | null): void {
    this.overlay = overlay;
    this.announce(overlay ? this.t(`analysis.${overlay}.read`) : this.t('shell.overlay.none'));
  }

  /** Computes every number of the selected sample, and those after the edits. */
  async computeWhole(): Promise<void> {
    const { network, edits } = this;
    const { sample } = this.selection;
    this.#asked = sample;
    this.#computing?.abort();
    if (!this.#heavy || !this.editable) return;
    const computing = (this.#computing = new AbortController());
    const progress = (share: number) => (this.progress = share);
    this.progress = 0;
    try {
      const base = await computeAsync(network, sample, noEdits(), progress, computing.signal);
      const run = this.edited ? await computeAsync(network, sample, edits, progress, computing.signal) : base;
      this.#large = { sample, base, run };
      this.progress = null;
    } catch (error) {
      if (!computing.signal.aborted) throw error;
    }
  }

  /** Says something to those who listen to the page. */
  announce(text: string): void {
    this.announced = text;
  }

  /** What a link to this view holds. */
  get remembered(): Remembered {
    const { level, overlay, folded, language, theme, selection } = this;
    return { network: this.#networkIndex, level, overlay, folded, language, theme, selection };
  }

  /** Takes up what a link holds, as far as this page has it. */
  recall({ network, selection, overlay, ...rest }: Partial<Omit<Remembered, 'selection'>> & Wished): void {
    if (network !== undefined && network !== this.#networkIndex) this.choose(network);
    Object.assign(this, rest);
    if (overlay !== undefined) this.overlay = overlay && this.overlays.includes(overlay) ? overlay : null;
    this.#goTo(selection);
  }

  /** Takes up a look of the tour, all at once. */
  show({ network, level, selection, folded, pinned, edit }: Look): void {
    this.choose(network);
    this.level = level;
    this.folded = folded;
    this.#goTo(selection);
    if (pinned) this.pin(pinned);
    if (edit) this.edit(edit.address, edit.value);
  }

  /** Everything of a page that the tour must put back. */
  snapshot(): Snapshot {
    const { page, remembered, pinned, edits } = this;
    return { page, remembered, pinned, edits, history: this.#history };
  }

  resume({ page, remembered, pinned, edits, history }: Snapshot): void {
    const { language, theme, ...rest } = remembered;
    this.load(page);
    this.recall(rest);
    this.edits = edits;
    this.#history = history;
    this.pinned = pinned;
  }

  get #backwards(): boolean {
    return this.selection.direction === 'reverse';
  }

  #goTo(part: Partial<Selection>): void {
    this.selection = fit(this.extent, { ...this.selection, ...part });
    if (this.#heavy && this.edited && !this.#ready) void this.computeWhole();
  }

  #key(address: Address): string {
    return key(canonical(this.network, address));
  }

  /** One entry of the history for a whole drag of one slider: `what` names the number that is set. */
  #change(edits: Edits, what: string | null = null): void {
    if (what === null || what !== this.#last) this.#history = [...this.#history, this.edits];
    this.#last = what;
    this.#set(edits);
  }

  #set(edits: Edits): void {
    this.edits = edits;
    if (this.#heavy && this.edited) void this.computeWhole();
    // Without the edits a number may not be in the page any more.
    else this.#goTo({});
  }

  #forget(): void {
    this.#computing?.abort();
    this.#large = this.#asked = this.progress = null;
    this.edits = noEdits();
    this.#history = [];
    this.#last = null;
  }
}

export const explorer = new Explorer();
