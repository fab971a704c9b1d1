// A plain node server. Port: first argument or $PORT.
'use strict';
const http = require('http');

const port = Number(process.argv[2] || process.env.PORT || 3000);

http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const id = url.searchParams.get('id') || 'none';
  switch (url.pathname) {
    case '/crash':
      process.kill(process.pid, 'SIGKILL');
      return;
    case '/env':
      response.end(Object.entries(process.env)
        .filter(([name]) => name.startsWith('BROKER_'))
        .map(([name, value]) => `${name}=${value}\n`).join(''));
      return;
    case '/slow':
      setTimeout(() => response.end(`pid=${process.pid} id=${id}\n`),
        Number(url.searchParams.get('ms')));
      return;
    default:
      response.end(`pid=${process.pid} id=${id}\n`);
  }
}).listen(port, '127.0.0.1');
