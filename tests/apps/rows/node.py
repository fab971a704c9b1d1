"""node, and what is built on it."""

from asking import Talk, echo_http, http
from row import Row

from .web import HTTP2

HELLO = "`pid=${process.pid} id=${%s}\\n`"
WEBSOCKET = (
    b"GET /%s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def node(name, about, script, npm="", **more):
    """A script that listens on {port}; in HELLO it has the id of the request."""
    more.setdefault("load", "ask" not in more)
    return Row(
        name, about, apt="nodejs", npm=npm, command="node {dir}/app.js", files={"app.js": script},
        keys={"environment": ["NODE_PATH={npm}", "NODE_ENV=production", "NODE_OPTIONS=--max-old-space-size=200"]}, **more,
    )


def server(name, npm, about, script, **more):
    return node(name, about, script, npm=npm, keepalive="ask" not in more, **more)


ROWS = [
    Row(
        "node http", "libuv: epoll, `accept4`; no `cluster`, no PM2", apt="nodejs", load=True, keepalive=True, env=True,
        command="node {here}/app.js {port}", broken="node {here}/missing.js",
    ),
    node("node cluster, SCHED_NONE", "the primary binds, its workers listen", """
const cluster = require('cluster');
cluster.schedulingPolicy = cluster.SCHED_NONE;
if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  process.on('SIGTERM', () => cluster.disconnect(() => process.exit()));
} else {
  process.on('SIGTERM', () => {});
  require('http').createServer((q, r) => r.end(
    `pid=${process.pid} id=${new URL(q.url, 'http://x').searchParams.get('id')}\\n`)).listen({port}, '127.0.0.1');
}
""", load=True, keepalive=True, processes=2, same_fds=False),
    node("node, a server sent to its children", "`process.send('server', server)`; the parent closes it", """
const net = require('net'), { fork } = require('child_process');
if (process.argv[2]) {
  process.on('message', (m, server) => server.on('connection', (s) =>
    s.on('data', (d) => s.end(`${process.pid} ${d}`)).on('error', () => {})));
} else {
  const server = net.createServer().listen({port}, '127.0.0.1', () => {
    for (let i = 0; i < 2; i++) fork(__filename, ['child']).send('server', server);
    server.close();
  });
}
""", ask=Talk((b"@ID@\n", rb"^(?P<pid>\d+) @ID@\n")), tells_pid=True, processes=2, same_fds=False),
    node("node net", "", """
require('net').createServer((s) => s.on('data', (d) => s.end(`${process.pid} ${d}`)).on('error', () => {}))
  .listen({port}, '127.0.0.1');
""", ask=Talk((b"@ID@\n", rb"^(?P<pid>\d+) @ID@\n")), tells_pid=True),
    node("node https", "TLS is the app's business", """
const pem = require('fs').readFileSync('{pem}');
require('https').createServer({ key: pem, cert: pem }, (q, r) => r.end(
  `pid=${process.pid} id=${new URL(q.url, 'http://x').searchParams.get('id')}\\n`)).listen({port}, '127.0.0.1');
""", ask=echo_http(tls=True), tells_pid=True),
    node("node http2", "", """
require('http2').createServer((q, r) => r.end('hello from a file\\n')).listen({port}, '127.0.0.1');
""", ask=Talk((HTTP2, rb"hello from a file"))),
    server("Express", "express@5.3.0", "", """
const app = require('express')();
app.get(/.*/, (q, r) => r.send(%s));
app.listen({port}, '127.0.0.1', (e) => { if (e) throw e; });
""" % (HELLO % "q.query.id")),
    server("Fastify", "fastify@5.12.8", "", """
const app = require('fastify')();
app.get('/*', (q, r) => r.type('text/plain').send(%s));
app.listen({ port: {port}, host: '127.0.0.1' });
""" % (HELLO % "q.query.id")),
    server("Koa", "koa@3.2.1", "", """
const Koa = require('koa');
new Koa().use((c) => { c.body = %s; }).listen({port}, '127.0.0.1');
""" % (HELLO % "c.query.id")),
    server("hapi", "@hapi/hapi@21.4.10", "", """
const app = require('@hapi/hapi').server({ port: {port}, host: '127.0.0.1' });
app.route({ method: 'GET', path: '/{p*}', handler: (q) => %s });
app.start();
""" % (HELLO % "q.query.id")),
    server("Restify", "restify@11.1.0", "", """
const restify = require('restify');
const app = restify.createServer();
app.use(restify.plugins.queryParser());
app.get('/*', (q, r, next) => { const text = %s; r.sendRaw(200, text, { 'Content-Length': text.length }); next(); });
app.listen({port}, '127.0.0.1');
""" % (HELLO % "q.query.id")),
    server("Connect", "connect@3.7.0", "", """
const app = require('connect')();
app.use((q, r) => r.end(%s));
app.listen({port}, '127.0.0.1');
""" % (HELLO % "new URL(q.url, 'http://x').searchParams.get('id')")),
    server("Polka", "polka@0.5.2", "", """
require('polka')().get('*', (q, r) => r.end(%s)).listen({port}, '127.0.0.1');
""" % (HELLO % "q.query.id")),
    server("Hono", "@hono/node-server@2.1.8 hono@4.13.19", "", """
const { Hono } = require('hono');
const { serve } = require('@hono/node-server');
const app = new Hono();
app.get('*', (c) => c.text(%s));
serve({ fetch: app.fetch, port: {port}, hostname: '127.0.0.1' });
""" % (HELLO % "c.req.query('id')")),
    server("ws", "ws@8.23.0", "WebSocket", """
new (require('ws').WebSocketServer)({ port: {port}, host: '127.0.0.1' })
  .on('connection', (s) => s.on('error', () => {}).send('pid=' + process.pid));
""", ask=Talk((WEBSOCKET % b"", rb"^HTTP/1.1 101 .*\r\n\r\n.*pid=(?P<pid>\d+)")), tells_pid=True),
    server("Socket.IO", "socket.io@4.8.4",
           "a session of long polling is in the memory of a worker: `balance = source`, or WebSocket alone", """
new (require('socket.io').Server)({port}, { transports: ['websocket'] });
""", ask=Talk((WEBSOCKET % b"socket.io/?EIO=4&transport=websocket", rb'^HTTP/1.1 101 .*\r\n\r\n.*"sid"'))),
    server("gRPC (grpc-js)", "@grpc/grpc-js@1.14.7", "HTTP/2", """
const grpc = require('@grpc/grpc-js');
new grpc.Server().bindAsync('127.0.0.1:{port}', grpc.ServerCredentials.createInsecure(), (e) => { if (e) throw e; });
""", ask=Talk((HTTP2, rb"^\x00\x00.\x04\x00"))),
    server("smtp-server", "smtp-server@3.21.6", "", """
const { SMTPServer } = require('smtp-server');
new SMTPServer({ disabledCommands: ['STARTTLS'] }).on('error', () => {}).listen({port}, '127.0.0.1');
""", ask=Talk((None, rb"^220 .*\r\n"), (b"EHLO x\r\n", rb"250 .*\r\n"), (b"QUIT\r\n", rb"^221 .*\r\n"))),
    Row(
        "http-server", "", apt="nodejs", npm="http-server@14.1.1", files={"www/index.html": "hello from a file\n"},
        command="node {npm}/http-server/bin/http-server {dir}/www -a 127.0.0.1 -p {port} -s", broken="node {npm}/http-server/bin/missing",
        ask=http(b"hello from a file", "/index.html"),
    ),
    Row(
        "serve", "it first checks that nobody answers on its port: see below", apt="nodejs", npm="serve@14.2.7",
        files={"www/index.html": "hello from a file\n"},
        command="node {npm}/serve/build/main.js -l {port2} --no-clipboard --no-request-logging {dir}/www",
        keys={"listen": "127.0.0.1:{port} for {port2}"},
        broken="node {npm}/serve/build/missing", ask=http(b"hello from a file", "/"),
    ),
    Row(
        "json-server", "each worker has its own copy of what was changed", apt="nodejs", npm="json-server@0.17.4",
        shell="cp {dir}/db.json . && exec node {npm}/json-server/lib/cli/bin.js -q -H 127.0.0.1 -p {port} db.json",
        files={"db.json": '{"posts":[{"id":1,"title":"hello"}]}'}, ask=http(b'"title": "hello"', "/posts/1"),
    ),
]
