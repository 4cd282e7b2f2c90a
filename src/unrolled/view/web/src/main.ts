// Starts the page on the two documents that Python wrote into it.

import { mount } from 'svelte';
import App from './shell/App.svelte';
import { open } from './shell/documents';
import './theme.css';

function textOf(id: string): string {
  return document.getElementById(id)?.textContent ?? '';
}

mount(App, {
  target: document.getElementById('app')!,
  props: { opened: open(textOf('unrolled-page'), textOf('unrolled-tour')) },
});
