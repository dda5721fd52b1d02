// common.mjs: what the drivers of the peers share.
//
// The clock is the machine's, in milliseconds with a fraction: what pgbench's
// server calls clock_timestamp() and what a handler here reads is one clock.

import pg from 'pg';

export function now() {
	return performance.timeOrigin + performance.now();
}

export function sleep(ms) {
	return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function connect() {
	const client = new pg.Client({
		host: process.env.PGHOST, user: process.env.PGUSER,
		database: process.env.PGDATABASE,
	});

	await client.connect();
	return client;
}

// 100 bytes of JSON, as the server writes it
export const params = { k: 'x'.repeat(91) };

// Until a query says true; an error after a minute and a half.
export async function until(client, sql) {
	const end = now() + 90000;

	while (!(await client.query(sql)).rows[0].done) {
		if (now() > end)
			throw new Error(`not done in time: ${sql}`);
		await sleep(5);
	}
}

export function print(value) {
	process.stdout.write(`${value}\n`);
}

// A rate of n jobs: from the first handler's call on, so that neither the
// process's start nor its connections count.
export function rate(n, begun) {
	print(Math.round(n * 1000 / (now() - begun)));
}

// Samples of a pick-up, in microseconds; ends the process when n are there.
export class Samples {
	constructor(n) {
		this.n = n;
		this.values = [];
		this.done = new Promise((resolve) => { this.resolve = resolve; });
	}

	add(sent) {
		this.values.push(Math.round((now() - Number(sent)) * 1000));
		if (this.values.length === this.n)
			this.resolve();
	}

	async finish() {
		await Promise.race([this.done, sleep(120000)]);
		for (const value of this.values)
			print(value);
		process.exit(this.values.length === this.n ? 0 : 1);
	}
}

// COMMAND ARGUMENT... of a driver's commands
export async function main(commands) {
	const [, , command, ...args] = process.argv;

	try {
		await commands[command](...args.map(Number));
		process.exit(0);
	} catch (error) {
		console.error(error);
		process.exit(1);
	}
}
