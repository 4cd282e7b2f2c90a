// A Vite plugin: the page's code deflated inside the page, which unpacks and starts it; a third of the size in the file.
//
// The page travels in mails and notebooks, once for each model; a browser unpacks it in a few milliseconds. Its style
// and its documents stay plain, so that nothing flashes and Python can fill the documents in.

import { deflateRawSync } from 'node:zlib';
import type { Plugin } from 'vite';

/** Runs before everything else: as short and as old as can be. */
const START = `
(async () => {
  const bytes = Uint8Array.from(atob(document.getElementById('unrolled-code').textContent), (c) => c.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const script = document.createElement('script');
  script.type = 'module';
  script.textContent = await new Response(plain).text();
  document.head.append(script);
})().catch((error) => {
  document.getElementById('app').textContent =
    'This page needs a browser of 2023 or newer. 此页需要 2023 年或更新的浏览器。 (' + error + ')';
});`;

const MODULE = /<script type="module"[^>]*>([\s\S]*?)<\/script>/;

/** After the plugin that puts everything into one file. */
export function packPlugin(): Plugin {
  return {
    name: 'pack',
    apply: 'build',
    enforce: 'post',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const file of Object.values(bundle)) {
          if (file.type === 'asset' && file.fileName.endsWith('.html')) file.source = pack(String(file.source));
        }
      },
    },
  };
}

function pack(page: string): string {
  const code = MODULE.exec(page)?.[1];
  if (!code)
    throw new Error('The built page has no inline module: is vite-plugin-singlefile still before this plugin?');
  const packed = deflateRawSync(code, { level: 9 }).toString('base64');
  const scripts = `<script type="text/plain" id="unrolled-code">${packed}</script>\n<script>${START}</script>`;
  return page.replace(MODULE, '').replace('</body>', () => `${scripts}\n</body>`);
}
