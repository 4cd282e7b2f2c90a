import { svelte } from '@sveltejs/vite-plugin-svelte';
import { viteSingleFile } from 'vite-plugin-singlefile';
import { defineConfig } from 'vitest/config';
import { formulasPlugin } from './formulas.plugin.ts';
import { packPlugin } from './pack.plugin.ts';

export default defineConfig({
  plugins: [formulasPlugin(), svelte(), viteSingleFile({ removeViteModuleLoader: true }), packPlugin()],
  build: { target: 'es2022', outDir: 'dist', emptyOutDir: true },
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000 },
});
