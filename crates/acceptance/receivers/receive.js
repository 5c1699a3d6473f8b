// Serves a customer's app as a test wants it: the first line printed is the port, then comes a line of JSON for each
// request that was answered. It ends when its standard input does, so nothing is left running.
const http = require('http');

module.exports = function receive(app) {
  const server = http.createServer((req, res) => {
    // Heard beside the app, which reads the body in its own way and knows nothing of this.
    const pieces = [];
    req.on('data', (piece) => pieces.push(Buffer.from(piece)));
    res.on('finish', () => {
      const status = res.statusCode;
      const accepted = status >= 200 && status < 300;
      const body = Buffer.concat(pieces).toString();
      const names = req.rawHeaders.filter((_, i) => i % 2 === 0);
      console.log(JSON.stringify({ accepted, status, names, headers: req.headers, body }));
    });
    app(req, res);
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  process.stdin.on('end', () => process.exit()).resume();
};
