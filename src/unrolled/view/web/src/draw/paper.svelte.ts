// What the page's surroundings ask of drawings: dark paper, no motion.

class Paper {
  dark = $state(false);

  constructor() {
    if (typeof document === 'undefined') return;
    const root = document.documentElement;
    const read = () => (this.dark = root.dataset.theme === 'dark');
    new MutationObserver(read).observe(root, { attributes: true, attributeFilter: ['data-theme'] });
    read();
  }
}

export const paper = new Paper();

/** Milliseconds that a change of state takes to be seen; 0 where motion is not wanted. */
export function motion(): number {
  return matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 250;
}
