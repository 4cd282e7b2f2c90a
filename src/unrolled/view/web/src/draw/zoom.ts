// One level deeper: the view that appears grows out of the cell that was opened.

import { explorer, type Level } from '../state.svelte';
import { motion } from './paper.svelte';

const NEXT: Record<Level, Level> = { cube: 'stack', stack: 'step', step: 'sum', unit: 'sum', sum: 'sum' };

let from: DOMRect | null = null;

/** Goes to the next level for what is pinned, remembering the place on the screen where it came from. */
export function deeper(box: DOMRect | null = null, level: Level = nextLevel()): void {
  from = box;
  explorer.go(level);
}

/** A number of one unit is followed over time before it is taken apart. */
function nextLevel(): Level {
  const unit = explorer.pinned?.of === 'gate' || explorer.pinned?.of === 'state';
  return explorer.level === 'step' && unit ? 'unit' : NEXT[explorer.level];
}

/** Lets a frame grow from where the last view was left to the whole of the new one. */
export function grow(view: HTMLElement): void {
  const start = from;
  from = null;
  const duration = motion();
  if (!start || duration === 0) return;
  const end = view.getBoundingClientRect();
  const frame = document.createElement('div');
  frame.setAttribute('aria-hidden', 'true');
  frame.dataset.unsaved = '';
  frame.style.cssText = 'position:fixed;pointer-events:none;border:2px solid var(--focus);border-radius:4px;z-index:5';
  view.append(frame);
  const frames = [place(start, 1), place(end, 0)];
  frame.animate(frames, { duration, easing: 'ease-out' }).finished.finally(() => frame.remove());
}

function place(box: DOMRect, opacity: number): Keyframe {
  const [left, top, width, height] = [box.left, box.top, box.width, box.height].map((one) => `${one}px`);
  return { left, top, width, height, opacity };
}
