// browser.js: drive the page of docs/examples/web in headless Chromium.
//
//     node browser.js MODULES URL CHROMIUM PROFILE PICTURE QUERY
//
// Types the query, presses Start, waits for the end and prints what the page
// then shows as JSON. MODULES is a node_modules directory with ws.

'use strict';

const { spawn } = require('child_process');
const fs = require('fs');
const [modules, url, chromium, profile, picture, query] = process.argv.slice(2);
const WebSocket = require(`${modules}/ws`);

const browser = spawn(chromium, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
  '--remote-debugging-port=0', `--user-data-dir=${profile}`, '--window-size=900,900', 'about:blank'],
  { stdio: ['ignore', 'ignore', 'pipe'] });
const fail = (why) => { console.error(String(why.stack || why)); browser.kill('SIGKILL'); process.exit(1); };
setTimeout(() => fail('the page did not come to an end in time'), 120000).unref();

let log = '';
const endpoint = new Promise((resolve) => browser.stderr.on('data', (d) => {
  log += d;
  const m = log.match(/DevTools listening on (ws:\S+)/);
  if (m) resolve(m[1]);
}));

(async () => {
  const port = new URL(await endpoint).port;
  const target = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()).find((t) => t.type === 'page');
  const ws = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve) => ws.on('open', resolve));
  let n = 0;
  const waiting = new Map();
  ws.on('message', (m) => {
    const { id, result, error } = JSON.parse(m);
    if (id) (error ? waiting.get(id)[1] : waiting.get(id)[0])(error || result);
  });
  const call = (method, params = {}) => new Promise((resolve, reject) => {
    waiting.set(++n, [resolve, reject]);
    ws.send(JSON.stringify({ id: n, method, params }));
  });
  const run = async (expression) => (await call('Runtime.evaluate', { expression, returnByValue: true })).result.value;
  const until = async (expression) => { while (!await run(expression)) await new Promise((r) => setTimeout(r, 50)); };

  await call('Page.navigate', { url });
  await until("document.readyState === 'complete' && typeof socket !== 'undefined' && socket.readyState === 1");
  await run(`document.getElementById('query').value = ${JSON.stringify(query)}; document.getElementById('start').click()`);
  await until("document.body.dataset.done || document.getElementById('error').textContent");
  console.log(JSON.stringify(await run(`({
    status: document.getElementById('status').textContent,
    width: document.getElementById('fill').style.width,
    steps: [...document.querySelectorAll('#steps li')].map((l) => l.textContent + ':' + l.className),
    error: document.getElementById('error').textContent,
    turbines: document.querySelectorAll('#map .turbine').length,
    shapes: document.querySelectorAll('#map path').length,
    notices: (window.notices || []).map((n) => [n.seq, n.state, n.progress])
  })`)));
  const { data } = await call('Page.captureScreenshot', { format: 'png' });
  fs.writeFileSync(picture, Buffer.from(data, 'base64'));
  browser.kill('SIGTERM');
  process.exit(0);
})().catch(fail);
