// graphile.mjs: graphile-worker's side of peers.sh.
//
//   setup               its schema
//   drain N             N queued jobs; prints jobs/s
//   work                a worker of drain's
//   pickup N            microseconds from "sent" to the handler, N lines
//
// TUNED=1: local queue of 500, completions batched, two processes; that is
// what its documentation advises for throughput.  Otherwise its defaults, but
// 24 jobs at a time, which is what its own performance test uses.

import { fork } from 'node:child_process';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { connect, main, now, print, rate, Samples, until } from './common.mjs';

const tuned = process.env.TUNED === '1';

function options(taskList) {
	const logger = new Logger(() => (level, message) => {
		if (level === 'error')
			console.error(message);
	});
	const worker = { concurrentJobs: 24, maxPoolSize: 25, logger };

	if (tuned) {
		worker.localQueue = { size: 500, refetchDelay: { durationMs: 10 } };
		worker.completeJobBatchDelay = 0;
		worker.failJobBatchDelay = 0;
	}
	return { preset: { worker }, noHandleSignals: true, taskList };
}

async function setup() {
	const utils = await makeWorkerUtils({});

	await utils.migrate();
	await utils.release();
}

// reports the time of its first job, and how many it has had
async function work() {
	let count = 0, told = 0, first = 0;

	await run(options({
		noop: () => {
			first ||= now();
			count++;
		},
	}));
	setInterval(() => {
		if (count !== told) {
			told = count;
			process.send({ first, count });
		}
	}, 5);
	await new Promise(() => {});
}

async function drain(n) {
	const client = await connect();
	const workers = [];
	const seen = new Map();

	for (let i = 0; i < (tuned ? 2 : 1); i++) {
		const child = fork(process.argv[1], ['work'], { env: process.env });

		workers.push(child);
		child.on('message', (message) => seen.set(child.pid, message));
	}
	await new Promise((resolve, reject) => {
		const timer = setInterval(() => {
			if ([...seen.values()].reduce((sum, m) => sum + m.count, 0) >= n) {
				clearInterval(timer);
				resolve();
			}
		}, 5);
		setTimeout(() => reject(new Error('jobs are left')), 90000).unref();
	});
	// a job that is done is deleted
	await until(client, 'SELECT NOT EXISTS (SELECT FROM graphile_worker._private_jobs) AS done');
	rate(n, Math.min(...[...seen.values()].map((m) => m.first)));
	for (const child of workers)
		child.kill('SIGKILL');
	await client.query('UPDATE graphile_worker._private_job_queues SET locked_by = NULL, locked_at = NULL');
}

async function pickup(n) {
	const samples = new Samples(n);

	await run(options({ stamp: (payload) => samples.add(payload.sent) }));
	print('ready');
	await samples.finish();
}

await main({ setup, work, drain, pickup });
