// server.js: PostGraphile makes a GraphQL API of schema asyncjob, as it is, and
// index.html uses it.
//
//     npm install && PGDATABASE=mydb PGUSER=analyst npm start
//
// Mutations and queries (startRenewableJob, getRenewableJob, ...) come from the
// functions the role may execute. The one thing said here is how a GraphQL
// subscription is called: it passes on the notices the database sends anyway.
// What the role may see is up to the database; an application with users of
// its own sets asyncjob.user_id for each request (see pgSettings).

'use strict';

const fs = require('fs');
const http = require('http');
const path = require('path');
const { Pool } = require('pg');
const { postgraphile, makePluginHook, enhanceHttpServerWithSubscriptions } = require('postgraphile');
const { makeExtendSchemaPlugin, makePgSmartTagsPlugin, gql, embed } = require('graphile-utils');
const { default: PgPubsub } = require('@graphile/pg-pubsub');

const number = (field) => (event) => event[field];

// A notice holds engine fields only, for any role may LISTEN.
const JobNotices = makeExtendSchemaPlugin(() => ({
  typeDefs: gql`
    type JobNotice { job: BigInt, seq: Int, state: String, step: Int, steps: Int, progress: Float }
    extend type Subscription {
      "Each change of a job of one's own: state, step, progress from 0 to 1."
      jobNotice(jobId: BigInt!): JobNotice @pgSubscription(topic: ${embed((args) => `asyncjob_job_${BigInt(args.jobId)}`)})
    }`,
  resolvers: {
    JobNotice: Object.fromEntries(['job', 'seq', 'state', 'step', 'steps', 'progress'].map((f) => [f, number(f)])),
  },
}));

// Functions and views are the API. Tables would only be in the way of their names.
const Tags = makePgSmartTagsPlugin([{
  kind: 'class',
  match: (c) => c.namespaceName === 'asyncjob' && c.classKind === 'r',
  tags: { omit: true },
}]);

const pool = new Pool();
const middleware = postgraphile(pool, 'asyncjob', {
  pluginHook: makePluginHook([PgPubsub]),
  subscriptions: true,
  websockets: ['v1'],
  appendPlugins: [Tags, JobNotices],
  includeExtensionResources: true,   // the schema belongs to an extension
  ignoreRBAC: false,
  disableDefaultMutations: true,
  dynamicJson: true,
  disableQueryLog: true,
  extendedErrors: ['hint', 'detail', 'errcode'],
  pgSettings: process.env.APP_USER ? { 'asyncjob.user_id': process.env.APP_USER } : undefined,
});

const server = http.createServer((req, res) => {
  if (req.url === '/' || req.url.startsWith('/?')) {
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    fs.createReadStream(path.join(__dirname, 'index.html')).pipe(res);
  } else {
    middleware(req, res, () => { res.statusCode = 404; res.end('not found'); });
  }
});
enhanceHttpServerWithSubscriptions(server, middleware);
server.listen(Number(process.env.PORT || 5000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
