// /echo of checked.py, by node's http, by Express or by Fastify: node.js KIND PORT
'use strict';
const [kind, port] = process.argv.slice(2);

function answer(how, body, response) {
  response.setHeader('Content-Type', 'application/octet-stream');
  response.statusCode = how === 'none' ? 204 : 200;
  if (how === 'length') response.setHeader('Content-Length', body.length);
  if (how === 'chunked') {
    for (let at = 0; at < body.length; at += 30000) response.write(body.subarray(at, at + 30000));
    response.end();
  } else response.end(how === 'none' ? undefined : body);
}

function handle(request, response) {
  const pieces = [], how = new URL(request.url, 'http://x').searchParams.get('as');
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => answer(how, Buffer.concat(pieces), response));
}

if (kind === 'http') {
  require('http').createServer(handle).listen(port, '127.0.0.1');
} else if (kind === 'express') {
  const app = require('express')();
  app.all('/echo', handle);
  app.listen(port, '127.0.0.1', (error) => { if (error) throw error; });
} else {
  const app = require('fastify')({ bodyLimit: 2 << 20 });
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => done(null, body));
  app.all('/echo', (request, reply) => {
    const body = request.body || Buffer.alloc(0), how = request.query.as;
    if (how === 'none') return reply.code(204).send();
    if (how === 'chunked') return reply.send(require('stream').Readable.from(body.length ? [body] : []));
    return reply.send(body);
  });
  app.listen({ port, host: '127.0.0.1' });
}
