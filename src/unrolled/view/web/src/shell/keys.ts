// Shortcuts of the whole page. They rest while someone types, and leave every key with a modifier to the browser.

import type { Explorer } from '../state.svelte';
import { LEVELS } from './hash';

/** What a key does; false when it is none of the page's. */
export function press(explorer: Explorer, key: string, help: () => void): boolean {
  const level = LEVELS[Number(key) - 1];
  if (level && /^[1-5]$/.test(key)) explorer.go(level);
  else if (key === ' ') explorer.play(!explorer.playing);
  else if (key === '[') explorer.move(-1);
  else if (key === ']') explorer.move(1);
  else if (key === 'Escape') back(explorer);
  else if (key === '?') help();
  else return false;
  return true;
}

function back(explorer: Explorer): void {
  const above = LEVELS[LEVELS.indexOf(explorer.level) - 1];
  if (above) explorer.go(above);
}

/** Whether a key belongs to the element that has the focus: a field types it, a button or a cell is pressed by it. */
export function takes(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement || target instanceof SVGElement)) return false;
  if (target.closest('input, select, textarea, [contenteditable="true"]')) return true;
  if (target.closest('dialog')) return true;
  const pressed = target.closest('button, a, summary, [role="button"], [role="gridcell"], [role="img"][tabindex]');
  return key === ' ' && pressed !== null;
}
