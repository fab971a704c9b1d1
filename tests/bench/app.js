// The node contestants share this app: alone, under node's cluster, behind the broker.
'use strict';

const http = require('http');

const body = `pid ${process.pid}\n`;
const server = http.createServer((request, response) => {
	response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length });
	response.end(body);
});

server.listen(Number(process.argv[2] || process.env.PORT), '127.0.0.1', 1024, () => {
	console.log(`listening ${server.address().port}`);
});
