// node's own way to have several workers: its primary accepts and passes connections on in turn.
'use strict';

const cluster = require('cluster');

if (cluster.isPrimary) {
	const workers = Number(process.env.WORKER_COUNT || 2);
	let listening = 0;

	cluster.schedulingPolicy = cluster.SCHED_RR;
	cluster.on('listening', (worker, address) => {
		if (++listening === workers)
			console.log(`listening ${address.port}`);
	});
	cluster.setupPrimary({ silent: true });
	for (let i = 0; i < workers; i++)
		cluster.fork();
} else {
	require('./app.js');
}
