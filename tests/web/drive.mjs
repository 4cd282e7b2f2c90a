// Drives the explorer page in a headless Chromium: reads {page, actions, …} as JSON on standard input, does one action after
// the other, and prints {results, errors, requests} as JSON. Every test starts a browser of its own, on a file:// address.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { executable, page: path, actions, viewport, scheme, motion, language } = JSON.parse(readFileSync(0, 'utf8'));

const browser = await chromium.launch({
  executablePath: executable,
  // Chromium has no sandbox for the administrator, who is who containers run as.
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});
const context = await browser.newContext({
  viewport: viewport ?? { width: 1280, height: 1000 },
  colorScheme: scheme ?? 'light',
  reducedMotion: motion ?? 'reduce',
  locale: language ?? 'en-GB',
});
const requests = [];
const errors = [];
context.on('request', (request) => requests.push(request.url().slice(0, 200)));
const page = await context.newPage();
page.on('pageerror', (error) => errors.push(String(error)));
page.on('console', (message) => ['error', 'warning'].includes(message.type()) && errors.push(message.text()));
page.on('websocket', (socket) => requests.push(socket.url()));

// When the picture of the first view has been painted, in milliseconds from the navigation's start.
await page.addInitScript(() => {
  const look = () => {
    if (!document.querySelector('#picture svg, #picture canvas')) return requestAnimationFrame(look);
    requestAnimationFrame(() => setTimeout(() => (globalThis.drawnAfter = performance.now())));
  };
  requestAnimationFrame(look);
});

const url = pathToFileURL(path).href;
await page.goto(url, { waitUntil: 'load' });
await page.waitForSelector('#picture');

/** Each takes the action's value and returns what the test is to see. */
const DO = {
  /** Looks at the view that a link names. */
  go: (hash) => page.evaluate(visit, hash),
  /** Values of the numbers that links name, as the page has them. */
  read: (hashes) => page.evaluate(readAll, { hashes, visit: visit.toString() }),
  click: (selector) => page.locator(selector).first().click(),
  /** A cell of a drawn block, by the indices of its row and column. */
  cell: async ({ block, row, column }) => {
    const cell = page.locator(`#picture g.grid[data-block="${block}"] rect.cell[data-row="${row}"][data-column="${column}"]`);
    const box = await cell.first().boundingBox();
    await page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  },
  hover: async ({ block, row, column }) => {
    const cell = page.locator(`#picture g.grid[data-block="${block}"] rect.cell[data-row="${row}"][data-column="${column}"]`);
    const box = await cell.first().boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  },
  /** Types a value into the field that changes the number in focus. */
  set: async (value) => {
    const field = page.locator('.inspector fieldset input[type="number"]');
    await field.fill(String(value));
    await field.press('Enter');
  },
  choose: ({ selector, nth, value }) => page.locator(selector).nth(nth ?? 0).selectOption(value),
  press: (key) => page.keyboard.press(key),
  type: (text) => page.keyboard.type(text),
  /** Presses Tab until the focus is where the selector says; how often, or null when it never came there. */
  tabTo: async (selector) => {
    for (let presses = 1; presses <= 400; presses++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate((one) => document.activeElement?.matches(one), selector)) return presses;
    }
    return null;
  },
  focus: () => page.evaluate(focused),
  text: (selector) => page.locator(selector).first().innerText(),
  texts: (selector) => page.locator(selector).allInnerTexts(),
  contents: (selector) => page.locator(selector).allTextContents(),
  count: (selector) => page.locator(selector).count(),
  attribute: ({ selector, name }) => page.locator(selector).evaluateAll((all, one) => all.map((e) => e.getAttribute(one)), name),
  hash: () => page.evaluate(() => location.hash),
  title: () => page.title(),
  /** Violations of the accessibility rules, each with the elements that break it. */
  axe: async () => {
    await page.evaluate(AXE);
    const found = await page.evaluate(() => globalThis.axe.run(document));
    return found.violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html.slice(0, 200)) }));
  },
  /** The file that a click gives. */
  download: async (selector) => {
    const [file] = await Promise.all([page.waitForEvent('download'), page.locator(selector).first().click()]);
    const content = readFileSync(await file.path());
    return { name: file.suggestedFilename(), bytes: content.length, content: content.toString('base64') };
  },
  wait: (selector) => page.waitForSelector(selector).then(() => true),
  drawnAfter: () => page.waitForFunction(() => globalThis.drawnAfter).then((handle) => handle.jsonValue()),
  pause: (milliseconds) => page.waitForTimeout(milliseconds),
  picture: async (target) => void (await page.screenshot({ path: target, fullPage: true })),
};

const results = [];
for (const action of actions) {
  const [[name, value]] = Object.entries(action);
  results.push((await DO[name](value)) ?? null);
}
await browser.close();
process.stdout.write(JSON.stringify({ results, errors, requests, url }));

async function visit(hash) {
  if (location.hash !== `#${hash}`) {
    const changed = new Promise((resolve) => addEventListener('hashchange', resolve, { once: true }));
    location.hash = hash;
    await changed;
  }
  await new Promise((resolve) => setTimeout(resolve));
}

async function readAll({ hashes, visit }) {
  const go = new Function(`return ${visit}`)();
  const values = [];
  for (const hash of hashes) {
    await go(hash);
    const shown = document.querySelector('.inspector output')?.getAttribute('data-value');
    values.push(shown === null || shown === undefined ? null : Number(shown));
  }
  return values;
}

function focused() {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  return {
    tag: element.tagName.toLowerCase(),
    label: element.getAttribute('aria-label') ?? element.labels?.[0]?.innerText ?? element.innerText ?? '',
    outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
    visible: box.width > 0 && box.height > 0,
  };
}
