// Bundles the page into ../static, or the folder given: `npm ci && npm run build`.
import { build } from 'esbuild';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const [, , given] = process.argv;
const target = given ? pathToFileURL(`${given}/`) : new URL('../static/', import.meta.url);
const source = new URL('./src/', import.meta.url);

await build({
  entryPoints: [new URL('main.js', source).pathname],
  outfile: new URL('app.js', target).pathname,
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
});
await build({
  entryPoints: [new URL('app.css', source).pathname],
  outfile: new URL('app.css', target).pathname,
  bundle: true,
  minify: true,
});
for (const name of ['index.html', 'icon.svg']) {
  await copyFile(new URL(name, source), new URL(name, target));
}

const notices = [];
for (const name of ['ol', 'rbush', 'quickselect']) {
  const folder = new URL(`./node_modules/${name}/`, import.meta.url);
  const { version } = JSON.parse(await readFile(new URL('package.json', folder), 'utf8'));
  for (const file of ['LICENSE.md', 'LICENSE']) {
    const text = await readFile(new URL(file, folder), 'utf8').catch(() => null);
    if (text) {
      notices.push(`${name} ${version}\n\n${text.trim()}\n`);
      break;
    }
  }
}
await writeFile(new URL('THIRD_PARTY_NOTICES.txt', target), notices.join(`\n${'-'.repeat(72)}\n\n`));
