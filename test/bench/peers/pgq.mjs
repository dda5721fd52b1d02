// pgq.mjs: PgQ's side of peers.sh: a consumer, and a ticker in place of pgqd.
//
//   drain N             N queued events in batches of one tick; prints events/s
//   pickup N TICK_MS    microseconds from "sent" to the consumer, N lines
//
// An event has no state: a batch of them is read and then finished as one.

import { connect, main, now, print, rate, Samples, sleep } from './common.mjs';

// One batch to a handler; how many events, or -1 where there is no tick.
async function batch(client, handler) {
	const { id } = (await client.query(
		{ name: 'next', text: "SELECT pgq.next_batch('bench', 'bench') AS id" })).rows[0];

	if (id === null)
		return -1;
	const { rows } = await client.query(
		{ name: 'get', text: 'SELECT * FROM pgq.get_batch_events($1)', values: [id] });

	for (const event of rows)
		handler(event);
	await client.query({ name: 'finish', text: 'SELECT pgq.finish_batch($1)', values: [id] });
	return rows.length;
}

async function drain(n) {
	const client = await connect();
	let begun = 0, count = 0;

	const handler = () => {
		begun ||= now();
		count++;
	};

	while (count < n)
		if (await batch(client, handler) < 0)
			throw new Error(`${count} events of ${n}`);
	rate(n, begun);
}

async function pickup(n, tick) {
	const client = await connect();
	const ticker = await connect();
	const samples = new Samples(n);
	let ended = false;

	(async () => {
		while (!ended) {
			await ticker.query('SELECT pgq.ticker()');
			await sleep(tick);
		}
	})();
	(async () => {
		while (!ended)
			if (await batch(client, (event) => samples.add(event.ev_data)) < 0)
				await sleep(5);
	})();
	print('ready');
	samples.done.then(() => { ended = true; });
	await samples.finish();
}

await main({ drain, pickup });
