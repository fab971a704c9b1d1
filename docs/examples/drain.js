// node --require ./drain.js app.js: an app that knows nothing of it finishes its keep-alive
// connections when the broker says that the worker will leave (drain_signal = USR2). From then
// on each answer says "Connection: close". A connection that stays idle for a second is ended.
// Needs node 18.2 or newer; http and https.
'use strict';
const { subscribe, channel } = require('diagnostics_channel');

const servers = new Set();
let draining = false;

function onRequest({ server, response }) {
  servers.add(server);
  if (draining) response.setHeader('Connection', 'close');
}

function endIdle() {
  for (const server of servers) server.closeIdleConnections();
}

process.on('SIGUSR2', () => {
  if (draining) return;
  draining = true;
  // Busy clients get their "Connection: close" first.
  setInterval(endIdle, 1000).unref();
});

(subscribe || ((name, listener) => channel(name).subscribe(listener)))('http.server.request.start', onRequest);
