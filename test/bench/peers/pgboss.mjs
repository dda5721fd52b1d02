// pgboss.mjs: pg-boss's side of peers.sh.
//
//   setup               its schema and a queue
//   fill N              N jobs, 1000 an insert(); prints jobs/s
//   single SECONDS      send() after send(); prints jobs/s
//   drain N             N queued jobs; prints jobs/s
//   send N              N jobs at random gaps of 5 to 50 ms
//   pickup N            microseconds from "sent" to the handler, N lines
//   empty               delete all jobs
//
// Its defaults fetch one job every two seconds.  Measured are batches of 500
// by four fetchers that go on while batches are full, and for the pick-up the
// wake-up by notification that it has since version 12.

import { PgBoss } from 'pg-boss';
import { connect, main, now, params, print, rate, Samples, sleep, until } from './common.mjs';

const queue = 'bench';

async function boss(options = {}) {
	const b = new PgBoss({
		host: process.env.PGHOST, user: process.env.PGUSER,
		database: process.env.PGDATABASE, max: 10, ...options,
	});

	b.on('error', (error) => console.error(error));
	await b.start();
	return b;
}

async function setup() {
	await (await boss()).createQueue(queue, { notify: true });
}

async function fill(n) {
	const b = await boss();
	const begun = now();

	for (let left = n; left > 0; left -= 1000)
		await b.insert(queue, Array.from({ length: Math.min(left, 1000) }, () => ({ data: params })));
	rate(n, begun);
}

async function single(seconds) {
	const b = await boss();
	const begun = now();
	let n = 0;

	for (; now() < begun + seconds * 1000; n++)
		await b.send(queue, params);
	rate(n, begun);
	print(n);
}

async function drain(n) {
	const b = await boss();
	const client = await connect();
	let begun = 0, count = 0;

	await b.work(queue, {
		batchSize: 500, localConcurrency: 4, burstWhenBatchFull: true,
		pollingIntervalSeconds: 0.5,
	}, async (jobs) => {
		begun ||= now();
		count += jobs.length;
	});
	while (count < n)
		await sleep(5);
	await until(client, `SELECT NOT EXISTS (SELECT FROM pgboss.job
		WHERE name = '${queue}' AND state < 'completed') AS done`);
	rate(n, begun);
}

async function send(n) {
	const b = await boss();

	for (let i = 0; i < n; i++) {
		await sleep(5 + Math.random() * 45);
		await b.send(queue, { sent: now() });
	}
}

async function pickup(n) {
	const b = await boss({ useListenNotify: true });
	const samples = new Samples(n);

	await b.work(queue, { batchSize: 1, pollingIntervalSeconds: 0.5 }, async ([job]) => {
		samples.add(job.data.sent);
	});
	// the listener connects by itself
	await sleep(1000);
	print('ready');
	await samples.finish();
}

async function empty() {
	await (await boss()).deleteAllJobs(queue);
}

await main({ setup, fill, single, drain, send, pickup, empty });
